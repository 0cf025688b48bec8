//! Times and durations as people read them.

use std::time::{Duration, UNIX_EPOCH};

use trimaran_types::Timestamp;

/// How long ago, from milliseconds: `43ms ago`, `2.1s ago`, `5m ago`; `-` when unknown.
pub(crate) fn age(ms: Option<u64>) -> String {
    match ms {
        None => "-".to_owned(),
        Some(ms) if ms < 1_000 => format!("{ms}ms ago"),
        Some(ms) if ms < 60_000 => format!("{}.{}s ago", ms / 1_000, ms % 1_000 / 100),
        Some(ms) if ms < 3_600_000 => format!("{}m ago", ms / 60_000),
        Some(ms) => format!("{}h ago", ms / 3_600_000),
    }
}

/// A duration as `312 ms` or `2.41 s`.
pub(crate) fn milliseconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.2} s", duration.as_secs_f64())
    }
}

/// A wall-clock time in UTC to the millisecond; `-` when absent or absurd.
pub(crate) fn timestamp(at: Option<Timestamp>) -> String {
    /// 9999-12-31T23:59:59.999Z, the last time that the text form can carry.
    const LAST_MS: u64 = 253_402_300_799_999;
    at.and_then(|at| u64::try_from(at.0).ok())
        .filter(|ms| *ms <= LAST_MS)
        .map(|ms| UNIX_EPOCH + Duration::from_millis(ms))
        .map_or_else(
            || "-".to_owned(),
            |time| humantime::format_rfc3339_millis(time).to_string(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_use_the_unit_that_tells_most() {
        for (ms, text) in [
            (None, "-"),
            (Some(0), "0ms ago"),
            (Some(999), "999ms ago"),
            (Some(2_190), "2.1s ago"),
            (Some(61_000), "1m ago"),
            (Some(u64::MAX), "5124095576030h ago"),
        ] {
            assert_eq!(age(ms), text);
        }
    }

    #[test]
    fn absurd_times_do_not_panic() {
        assert_eq!(timestamp(Some(Timestamp(0))), "1970-01-01T00:00:00.000Z");
        for at in [None, Some(Timestamp(-1)), Some(Timestamp(i64::MAX))] {
            assert_eq!(timestamp(at), "-");
        }
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(milliseconds(Duration::from_micros(312_900)), "312 ms");
        assert_eq!(milliseconds(Duration::from_millis(2_414)), "2.41 s");
    }
}
