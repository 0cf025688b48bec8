//! [`FlushPace`]: how much a log is appended between two flushes, and how much room that deserves.
//!
//! Pure. Small flushes are worth room: what a sync costs beyond its bytes then counts most. Large
//! ones are not, since room writes each byte a second time; nor are logs that nobody has shown to
//! be busy.

use crate::room_budget::RoomLimits;

/// A flush of so many bytes, or more, is a large one.
const LARGE_FLUSH_BYTES_MIN: u64 = 64 * 1024;

/// A chunk has room for about so many flushes: one in so many changes the file's length.
const FLUSHES_IN_CHUNK: u64 = 16;

/// How much a log is appended between two flushes.
#[derive(Debug, Default)]
pub(super) struct FlushPace {
    bytes_since: u64,
    small_in_a_row: u32,
    mean_bytes: u64,
}

impl FlushPace {
    /// Takes note of an append.
    pub(super) const fn appended(&mut self, bytes: u64) {
        self.bytes_since = self.bytes_since.saturating_add(bytes);
    }

    /// Takes note of a flush that begins.
    pub(super) fn flush_began(&mut self) {
        match std::mem::take(&mut self.bytes_since) {
            0 => {}
            LARGE_FLUSH_BYTES_MIN.. => self.forget(),
            bytes => {
                self.mean_bytes = match self.small_in_a_row {
                    0 => bytes,
                    _ => (3 * self.mean_bytes + bytes).div_ceil(4),
                };
                self.small_in_a_row = self.small_in_a_row.saturating_add(1);
            }
        }
    }

    /// Begins to look anew.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// How large the next chunk of room should be; `None` while the log should grow.
    pub(super) fn chunk_bytes(&self, limits: &RoomLimits) -> Option<u64> {
        let is_small = self.small_in_a_row >= limits.flushes_min.max(1)
            && self.bytes_since < LARGE_FLUSH_BYTES_MIN;
        let wanted = FLUSHES_IN_CHUNK * self.mean_bytes;
        is_small.then(|| {
            wanted
                .min(limits.chunk_bytes_max)
                .max(limits.chunk_bytes_min)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RoomLimits = RoomLimits {
        bytes_max: u64::MAX,
        chunk_bytes_min: 64 * 1024,
        chunk_bytes_max: 1024 * 1024,
        flushes_min: 8,
    };

    fn flushes(pace: &mut FlushPace, count: usize, bytes: u64) {
        for _ in 0..count {
            pace.appended(bytes);
            pace.flush_began();
        }
    }

    #[test]
    fn a_log_shows_first_that_its_flushes_are_small() {
        let mut pace = FlushPace::default();
        flushes(&mut pace, 7, 1000);
        assert_eq!(pace.chunk_bytes(&LIMITS), None);
        // Flushes without anything new show nothing.
        flushes(&mut pace, 9, 0);
        assert_eq!(pace.chunk_bytes(&LIMITS), None);
        flushes(&mut pace, 1, 1000);
        assert_eq!(pace.chunk_bytes(&LIMITS), Some(64 * 1024));
    }

    #[test]
    fn a_chunk_is_for_some_flushes_and_bounded() {
        let chunk_after = |bytes| {
            let mut pace = FlushPace::default();
            flushes(&mut pace, 20, bytes);
            pace.chunk_bytes(&LIMITS)
        };
        assert_eq!(chunk_after(1), Some(64 * 1024));
        assert_eq!(chunk_after(10_000), Some(160_000));
        assert_eq!(chunk_after(65_535), Some(16 * 65_535));
        assert_eq!(chunk_after(65_536), None);
    }

    #[test]
    fn one_large_append_begins_anew() {
        let mut pace = FlushPace::default();
        flushes(&mut pace, 20, 1000);
        pace.appended(65_536);
        assert_eq!(pace.chunk_bytes(&LIMITS), None);
        pace.flush_began();
        flushes(&mut pace, 7, 1000);
        assert_eq!(pace.chunk_bytes(&LIMITS), None);
        flushes(&mut pace, 1, 1000);
        assert!(pace.chunk_bytes(&LIMITS).is_some());
    }
}
