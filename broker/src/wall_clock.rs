//! The wall clock and its text, for records' timestamps. Never used for deadlines.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use trimaran_types::Timestamp;

/// The last millisecond of the year 9999: what RFC 3339 can write.
const LAST: i64 = 253_402_300_799_999;

/// Now.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(LAST))
}

/// The timestamp as RFC 3339 with milliseconds; one outside the years 1970 to 9999 as the nearest
/// that lies inside.
#[must_use]
pub fn text(timestamp: Timestamp) -> String {
    let ms = timestamp.0.clamp(0, LAST).unsigned_abs();
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

/// A timestamp as clients write it: milliseconds since 1970, or RFC 3339 in UTC.
///
/// `None` when the text is neither, or lies outside the years 1970 to 9999.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let ms = match text.parse::<i64>() {
        Ok(ms) => ms,
        Err(_) => {
            let time = humantime::parse_rfc3339_weak(text.trim()).ok()?;
            i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?
        }
    };
    (0..=LAST).contains(&ms).then_some(Timestamp(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_one_is_written() {
        assert_eq!(
            parse("2023-05-16T18:20:51.844Z"),
            Some(Timestamp(1_684_261_251_844))
        );
        assert_eq!(parse("1684261251844"), Some(Timestamp(1_684_261_251_844)));
        assert_eq!(
            text(Timestamp(1_684_261_251_844)),
            "2023-05-16T18:20:51.844Z"
        );
        for nonsense in ["", "now", "-1", "99999999999999999", "2023-13-01T00:00:00Z"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
        assert_eq!(text(Timestamp(-5)), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(Timestamp(i64::MAX)), "9999-12-31T23:59:59.999Z");
        assert!(now().0 > 1_600_000_000_000);
    }
}
