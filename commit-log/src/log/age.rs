//! [`Began`]: when a segment began, by which its age is told; [`AgeLimit`]: how old it may become. Pure.
//!
//! Kafka's rule (KIP-32, KIP-33) is that of records: a segment is too old for a batch whose timestamp lies more than
//! `segment.ms` behind that of the segment's first batch; a segment so holds no longer a time than that, and ages as a
//! whole. Producers write timestamps, so one in the future counts as the moment when it came: else one such record would
//! close a segment, and the next one, beginning in the future, would never be closed by age. Beside it a segment is
//! closed when it was begun that long ago by the owner's clock, whatever its records say, since what is being written is
//! never compacted.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use trimaran_types::record_batch::BatchHeader;
use trimaran_types::{Offset, Timestamp};

/// When a segment began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Began {
    /// By the owner's clock, when its first batch was written.
    written: Timestamp,
    /// By its first batch.
    stamped: Timestamp,
}

impl Began {
    /// With this batch, written now.
    pub(super) fn with(first: &BatchHeader, now: Timestamp) -> Self {
        Self {
            written: now,
            stamped: time_of(first, now),
        }
    }

    /// With this batch, which an earlier process wrote: then its own time is all that is known.
    pub(super) fn found_with(first: &BatchHeader, now: Timestamp) -> Self {
        let stamped = time_of(first, now);
        Self {
            written: stamped,
            stamped,
        }
    }

    /// How old the segment is for a batch that is to be written now.
    pub(super) fn age_ms(self, next: &BatchHeader, now: Timestamp) -> u64 {
        let by_clock = now.0.saturating_sub(self.written.0);
        let by_records = time_of(next, now).0.saturating_sub(self.stamped.0);
        u64::try_from(by_clock.max(by_records)).unwrap_or(0)
    }
}

/// How old segments may become: `segment.ms`, earlier by an amount of each one's own, which its place decides, so that
/// the same segment always gets the same.
#[derive(Debug, Clone)]
pub(super) struct AgeLimit {
    pub(super) ms_max: u64,
    pub(super) jitter_ms: u64,
    /// Where the log is, hashed.
    pub(super) place: DefaultHasher,
}

impl AgeLimit {
    /// That of the segment at `base`.
    pub(super) fn ms_of(&self, base: Offset) -> u64 {
        if self.jitter_ms == 0 {
            return self.ms_max;
        }
        let mut place = self.place.clone();
        base.hash(&mut place);
        self.ms_max.saturating_sub(place.finish() % self.jitter_ms)
    }
}

/// The time of a batch: its largest timestamp, or now where it has none, or one that is not yet.
fn time_of(batch: &BatchHeader, now: Timestamp) -> Timestamp {
    if (0..=now.0).contains(&batch.max_timestamp.0) {
        batch.max_timestamp
    } else {
        now
    }
}

#[cfg(test)]
mod tests {
    use trimaran_types::record_batch::{BatchBuilder, TimestampType};

    use super::*;

    fn batch(timestamp: i64) -> BatchHeader {
        let mut builder = BatchBuilder::new(TimestampType::CreateTime);
        builder
            .push(Timestamp(timestamp), None, Some(b"x"), &[])
            .expect("it is small");
        *builder.build().expect("one record").header()
    }

    #[test]
    fn records_age_a_segment_and_so_does_the_clock() {
        const NOW: i64 = 1_000_000;
        let age = |first: i64, next: i64, passed: i64| {
            let began = Began::with(&batch(first), Timestamp(NOW));
            began.age_ms(&batch(next), Timestamp(NOW + passed))
        };
        let table = [
            ("both are stamped now", (NOW, NOW, 0), 0),
            ("time passes", (NOW, NOW + 7, 7), 7),
            ("old records of different times", (100, 900, 0), 800),
            ("the later one came first", (900, 100, 0), 0),
            (
                "old records of one time, for a long time",
                (100, 100, 500),
                500,
            ),
            ("the next one is in the future", (NOW, NOW + 5000, 3), 3),
            ("the next one is at the end of time", (NOW, i64::MAX, 3), 3),
            ("the first one was in the future", (i64::MAX, NOW + 3, 3), 3),
            ("both are in the future", (NOW + 50, NOW + 90, 3), 3),
            ("no timestamps", (-1, -1, 3), 3),
            ("no timestamp, then one", (-1, NOW - 80, 3), 3),
            ("the clock goes back", (NOW, NOW - 100, -100), 0),
        ];
        for (what, (first, next, passed), expected) in table {
            assert_eq!(age(first, next, passed), expected, "{what}");
        }
    }

    #[test]
    fn what_an_earlier_process_wrote_is_as_old_as_its_first_batch() {
        let now = Timestamp(1_000_000);
        for (first, expected) in [(400_000, 600_000), (i64::MAX, 0), (-1, 0)] {
            let began = Began::found_with(&batch(first), now);
            assert_eq!(began.age_ms(&batch(now.0), now), expected, "{first}");
        }
    }
}
