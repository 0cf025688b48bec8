//! [`Output`]: what comes out of one decompression.
//!
//! Memory grows with what came out, twofold at a time and never beyond the bound. While it grows, the
//! old piece and the new one are both held: at most twice the bound, and less than three times what
//! came out.

use std::io::Read;

use super::error::Fault;

/// The first guess of what a codec whose blocks tell no size makes of each byte.
const GUESS_RATIO: usize = 3;
const GUESS_BYTES_MIN: usize = 256;

/// Bytes that have come out, and how many may.
#[derive(Debug)]
pub(super) struct Output {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Output {
    /// Nothing yet, and never more than `bytes_max`.
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            bytes_max,
        }
    }

    /// How many bytes more may come out.
    pub(super) const fn left(&self) -> usize {
        self.bytes_max.saturating_sub(self.bytes.len())
    }

    /// Has `fill` write into `room` bytes behind what is there, and keeps as many as it says.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] where so much may not come out; else those of `fill`.
    pub(super) fn append(
        &mut self,
        room: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, Fault>,
    ) -> Result<(), Fault> {
        if room > self.left() {
            return Err(Fault::TooLarge);
        }
        let start = self.bytes.len();
        self.reserve(start + room, self.bytes_max);
        self.bytes.resize(start + room, 0);
        let filled = fill(self.bytes.get_mut(start..).unwrap_or_default())?;
        self.bytes.truncate(start.saturating_add(filled));
        Ok(())
    }

    /// Takes all that `decoder` gives of a block of so many bytes.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] where more comes out than may, [`Fault::Malformed`] where it fails.
    pub(super) fn append_all(
        &mut self,
        mut decoder: impl Read,
        block_bytes: usize,
    ) -> Result<(), Fault> {
        // One byte over the bound tells that there is more.
        let most = self.bytes_max.saturating_add(1);
        let guess = block_bytes.saturating_mul(GUESS_RATIO);
        let mut end = guess.max(GUESS_BYTES_MIN).min(most);
        loop {
            self.reserve(end, most);
            let room = end.saturating_sub(self.bytes.len());
            let limit = u64::try_from(room).unwrap_or(u64::MAX);
            let mut piece = decoder.by_ref().take(limit);
            let got = piece.read_to_end(&mut self.bytes);
            if got.map_err(Fault::malformed)? < room {
                return Ok(());
            }
            if self.bytes.len() > self.bytes_max {
                return Err(Fault::TooLarge);
            }
            end = end.saturating_mul(2).min(most);
        }
    }

    /// Makes room for `end` bytes in all, and for more where that saves copying later.
    fn reserve(&mut self, end: usize, most: usize) {
        if end > self.bytes.capacity() {
            let doubled = self.bytes.capacity().saturating_mul(2).min(most);
            self.bytes
                .reserve_exact(doubled.max(end).saturating_sub(self.bytes.len()));
        }
    }

    /// What has come out.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, for good.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_stays_within_the_bound_and_within_twice_what_came_out() {
        for (bytes, bytes_max) in [(0, 0), (0, 10), (10, 10), (700, 10_000), (9_000, 10_000)] {
            let mut output = Output::new(bytes_max);
            let plain = vec![7; bytes];
            output.append_all(&plain[..], 1).unwrap();
            assert_eq!(output.bytes(), plain);
            let held = output.bytes.capacity();
            assert!(held <= bytes_max + 1, "{held} of {bytes_max}");
            assert!(
                held <= (2 * bytes).max(GUESS_BYTES_MIN),
                "{held} of {bytes}"
            );
            let mut output = Output::new(bytes_max);
            for piece in plain.chunks(99) {
                let copy = |room: &mut [u8]| {
                    room[..piece.len()].copy_from_slice(piece);
                    Ok(piece.len())
                };
                output.append(piece.len(), copy).unwrap();
            }
            assert!(output.bytes.capacity() <= bytes_max);
            assert_eq!(output.into_bytes(), plain);
        }
    }

    #[test]
    fn one_byte_too_many_is_refused() {
        let mut output = Output::new(10);
        assert_eq!(
            output.append(11, |room| Ok(room.len())),
            Err(Fault::TooLarge)
        );
        assert_eq!(output.append(10, |_| Ok(4)), Ok(()));
        assert_eq!((output.bytes().len(), output.left()), (4, 6));
        let endless = std::io::repeat(1);
        assert_eq!(output.append_all(endless, 1), Err(Fault::TooLarge));
        assert!(output.bytes.capacity() <= 11);
    }
}
