//! [`TimestampBounds`]: how far the timestamps that producers write may lie from the clock (KIP-937).

use trimaran_types::Timestamp;

const BEFORE: &str = "message.timestamp.before.max.ms";
const AFTER: &str = "message.timestamp.after.max.ms";

/// A topic's bounds. They are those of the records that producers stamp: where the leader stamps them
/// (`LogAppendTime`), they do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampBounds {
    /// `message.timestamp.before.max.ms`: a record may be so much older.
    pub before_ms_max: u64,
    /// `message.timestamp.after.max.ms`: a record may lie so far in the future.
    pub after_ms_max: u64,
}

impl Default for TimestampBounds {
    /// Kafka's since version 4.0 (KIP-1030): as old as it likes, an hour in the future.
    fn default() -> Self {
        Self {
            before_ms_max: i64::MAX.unsigned_abs(),
            after_ms_max: 60 * 60 * 1000,
        }
    }
}

/// A timestamp that its topic does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "timestamp {} lies {distance_ms} ms {} the broker's clock, {setting} is {ms_max}",
    timestamp.0,
    if *setting == AFTER { "after" } else { "before" }
)]
pub struct TimestampOutOfBounds {
    /// The timestamp.
    pub timestamp: Timestamp,
    /// How far it is from the broker's clock.
    pub distance_ms: u64,
    /// Kafka's name of the bound.
    pub setting: &'static str,
    /// The bound.
    pub ms_max: u64,
}

impl TimestampBounds {
    /// Takes every timestamp.
    pub const NONE: Self = Self {
        before_ms_max: u64::MAX,
        after_ms_max: u64::MAX,
    };

    /// Judges one timestamp against the wall clock. One below 0 says that there is none, and passes.
    ///
    /// # Errors
    /// It is too far from `now`.
    pub const fn check(
        &self,
        timestamp: Timestamp,
        now: Timestamp,
    ) -> Result<(), TimestampOutOfBounds> {
        let distance_ms = timestamp.0.abs_diff(now.0);
        let (setting, ms_max) = if timestamp.0 > now.0 {
            (AFTER, self.after_ms_max)
        } else {
            (BEFORE, self.before_ms_max)
        };
        if timestamp.0 < 0 || distance_ms <= ms_max {
            return Ok(());
        }
        Err(TimestampOutOfBounds {
            timestamp,
            distance_ms,
            setting,
            ms_max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_included_and_no_timestamp_is_none() {
        let now = Timestamp(10_000);
        let bounds = TimestampBounds {
            before_ms_max: 100,
            after_ms_max: 10,
        };
        for (timestamp, refused_by) in [
            (9_900, None),
            (9_899, Some("message.timestamp.before.max.ms is 100")),
            (10_010, None),
            (10_011, Some("message.timestamp.after.max.ms is 10")),
            (i64::MAX, Some("message.timestamp.after.max.ms is 10")),
            (0, Some("message.timestamp.before.max.ms is 100")),
            (-1, None),
        ] {
            let checked = bounds.check(Timestamp(timestamp), now);
            match (checked, refused_by) {
                (Ok(()), None) => {}
                (Err(error), Some(cause)) => {
                    assert!(error.to_string().ends_with(cause), "{error}");
                }
                (checked, _) => panic!("{timestamp}: {checked:?}"),
            }
            assert_eq!(
                TimestampBounds::NONE.check(Timestamp(timestamp), now),
                Ok(())
            );
        }
        let late = TimestampBounds::default().check(Timestamp(3_610_001), now);
        assert_eq!(
            late.unwrap_err().to_string(),
            "timestamp 3610001 lies 3600001 ms after the broker's clock, \
             message.timestamp.after.max.ms is 3600000"
        );
    }
}
