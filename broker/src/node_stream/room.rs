//! Room for what arrives on a stream.

use bytes::BytesMut;

/// Less room than this makes a read too short for what is likely to wait.
const ROOM_BYTES_MIN: usize = 8 * 1024;

/// Makes room for `bytes` more, but only when little is left. Frames that were split off keep the
/// memory that they lie in, so asking for all of it before every read would take fresh memory for
/// every read.
pub(crate) fn make_room(input: &mut BytesMut, bytes: usize) {
    if input.capacity() - input.len() < ROOM_BYTES_MIN.min(bytes) {
        input.reserve(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_memory_is_taken_when_the_old_is_nearly_full() {
        let mut input = BytesMut::new();
        make_room(&mut input, 64 * 1024);
        assert!(input.capacity() >= 64 * 1024);
        let place = input.as_ptr();
        let mut frames = Vec::new();
        for _ in 0..50 {
            input.extend_from_slice(&[1; 1_000]);
            frames.push(input.split());
            make_room(&mut input, 64 * 1024);
        }
        assert_eq!(
            input.as_ptr(),
            place.wrapping_add(50_000),
            "no memory was taken"
        );
        input.extend_from_slice(&[1; 10_000]);
        frames.push(input.split());
        make_room(&mut input, 64 * 1024);
        assert!(input.capacity() >= 64 * 1024);
    }
}
