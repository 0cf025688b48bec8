//! [`RoomGate`]: keeps appends off a disk that has just refused one for want of room.
//!
//! An append that finds no room has to be taken back: a cut and a sync, on a thread that serves
//! everybody and sends the heartbeats. Producers ask again as soon as they are refused, hundreds of times
//! a second. So for a moment after a refusal nothing as large is tried anywhere in the directory, and is
//! refused without touching it. What has at most half the bytes may still fit and is tried, so that one
//! producer of large batches shuts out no others; a row of tries is then at most as long as a number of
//! bytes has bits.

use std::sync::{Arc, Mutex, PoisonError};

use trimaran_types::MonotonicTime;

/// How long a refusal stands, in milliseconds. Ten tries a second, of some milliseconds each on a busy
/// disk, are a twentieth of a thread's time; a producer that hears of room a tenth of a second late has
/// lost nothing.
pub(super) const REFUSED_FOR_MS: u64 = 100;

/// The gate of one log directory. Cheap to clone; all of the broker's clones share one clock.
#[derive(Debug, Clone, Default)]
pub struct RoomGate(Arc<Mutex<Option<Refused>>>);

/// The last refusal.
#[derive(Debug, Clone, Copy)]
struct Refused {
    bytes: u64,
    until: MonotonicTime,
}

impl RoomGate {
    /// Whether an append of so many bytes is worth a try.
    pub(super) fn admits(&self, bytes: u64, now: MonotonicTime) -> bool {
        let refused = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.is_none_or(|refused| refused.until <= now || bytes <= refused.bytes / 2)
    }

    /// The disk had no room for so many bytes.
    pub(super) fn refused(&self, bytes: u64, now: MonotonicTime) {
        let until = now.plus_ms(REFUSED_FOR_MS);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Refused { bytes, until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_large_is_not_tried_for_a_moment() {
        let gate = RoomGate::default();
        let at = MonotonicTime;
        assert!(gate.admits(u64::MAX, at(0)));
        gate.refused(1_000, at(50));
        for bytes in [501, 1_000, u64::MAX] {
            assert!(!gate.admits(bytes, at(50)));
            assert!(!gate.clone().admits(bytes, at(149)), "another partition");
            assert!(gate.admits(bytes, at(150)));
        }
        assert!(gate.admits(500, at(50)));
    }

    #[test]
    fn a_row_of_refusals_is_short_whatever_is_tried() {
        let gate = RoomGate::default();
        let mut tries = 0;
        for bytes in (0..=100_000_u64).rev() {
            if gate.admits(bytes, MonotonicTime(1)) {
                tries += 1;
                gate.refused(bytes, MonotonicTime(1));
            }
        }
        assert!((10..=20).contains(&tries), "{tries}");
    }
}
