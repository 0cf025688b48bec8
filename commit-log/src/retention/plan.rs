//! [`plan`]: up to where a log may be forgotten. Pure.

use trimaran_types::{Offset, Timestamp};

/// What retention looks at in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentFacts {
    /// First offset after it.
    pub end: Offset,
    /// Its size, without indexes.
    pub bytes: u64,
    /// The largest timestamp of its records; `None` when they have none.
    pub largest_timestamp: Option<Timestamp>,
    /// When it was last written; `None` when nobody knows.
    pub written_at: Option<Timestamp>,
}

/// What a log may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetentionLimits {
    /// Where the log starts now: what ends at or below it may go.
    pub log_start: Offset,
    /// Nothing that ends above it may go.
    pub high_watermark: Offset,
    /// `retention.ms`.
    pub age_ms_max: Option<u64>,
    /// Bytes of all segments together.
    pub bytes: u64,
    /// `retention.bytes`.
    pub bytes_max: Option<u64>,
}

impl SegmentFacts {
    /// How old its youngest record counts as.
    ///
    /// Producers write timestamps, so one may lie in the future, by a mistake perhaps by years, and
    /// would keep its segment until then. A record is no younger than the write that brought it, so
    /// then the time of that counts. A segment so lives at most `retention.ms` after it was last
    /// written, which compaction carries over to what it writes. Kafka has no such bound; it refuses such records at the door
    /// (`message.timestamp.after.max.ms`, KIP-937), which helps nobody who has them already.
    ///
    /// A timestamp that makes sense is believed over the time of the write: this broker's clock may
    /// have been behind then, which is no reason to delete what is fresh.
    fn age_ms(&self, now: Timestamp) -> Option<u64> {
        let named = self.largest_timestamp.filter(|named| named.0 >= 0);
        let youngest = match (named, self.written_at) {
            (Some(named), Some(written)) if named > now => written,
            (named, written) => named.or(written)?,
        };
        Some(u64::try_from(now.0.saturating_sub(youngest.0)).unwrap_or(0))
    }
}

/// Where the log may start: the end of the last segment that goes. `None` when none goes.
///
/// Segments go oldest first and whole: while one lies below the log start, is too old, or its bytes
/// are more than the log may hold without it. `segments` is asked for no more than are needed.
pub(crate) fn plan(
    segments: impl IntoIterator<Item = SegmentFacts>,
    limits: &RetentionLimits,
    now: Timestamp,
) -> Option<Offset> {
    let mut excess = limits
        .bytes_max
        .map_or(0, |bytes_max| limits.bytes.saturating_sub(bytes_max));
    let mut end = None;
    for segment in segments {
        // An empty one is the one that is written next.
        if segment.bytes == 0 || segment.end > limits.high_watermark {
            break;
        }
        let is_below = segment.end <= limits.log_start;
        let is_excess = limits.bytes_max.is_some() && excess >= segment.bytes;
        let is_old = || {
            let age_ms = segment.age_ms(now);
            limits
                .age_ms_max
                .is_some_and(|age_ms_max| age_ms.is_some_and(|age_ms| age_ms > age_ms_max))
        };
        if !(is_below || is_excess || is_old()) {
            break;
        }
        excess = excess.saturating_sub(segment.bytes);
        end = Some(segment.end);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    /// End, bytes, largest timestamp, written at.
    fn segments(table: &[(i64, u64, i64, i64)]) -> Vec<SegmentFacts> {
        table
            .iter()
            .map(|(end, bytes, largest, written)| SegmentFacts {
                end: Offset(*end),
                bytes: *bytes,
                largest_timestamp: Some(Timestamp(*largest)),
                written_at: (*written >= 0).then_some(Timestamp(*written)),
            })
            .collect()
    }

    fn limits(
        log_start: i64,
        high_watermark: i64,
        age_ms_max: Option<u64>,
        bytes_max: Option<u64>,
    ) -> RetentionLimits {
        RetentionLimits {
            log_start: Offset(log_start),
            high_watermark: Offset(high_watermark),
            age_ms_max,
            bytes: 300,
            bytes_max,
        }
    }

    #[test]
    fn segments_go_oldest_first_and_whole() {
        let three = segments(&[
            (10, 100, 1_000, -1),
            (20, 100, 900_000, -1),
            (30, 100, 2_000, -1),
        ]);
        let table = [
            ("nothing is asked for", limits(0, 30, None, None), None),
            ("too old", limits(0, 30, Some(500_000), None), Some(10)),
            (
                "exactly as old as allowed",
                limits(0, 30, Some(999_000), None),
                None,
            ),
            ("all too old", limits(0, 30, Some(99_999), None), Some(30)),
            (
                "old, but one byte is not committed",
                limits(0, 9, Some(0), None),
                None,
            ),
            (
                "old up to the high watermark",
                limits(0, 20, Some(0), None),
                Some(20),
            ),
            ("one too many", limits(0, 30, None, Some(200)), Some(10)),
            (
                "a part of one too many",
                limits(0, 30, None, Some(201)),
                None,
            ),
            ("two too many", limits(0, 30, None, Some(199)), Some(10)),
            ("none may stay", limits(0, 30, None, Some(0)), Some(30)),
            ("below the log start", limits(20, 30, None, None), Some(20)),
            (
                "the log starts inside",
                limits(19, 30, None, None),
                Some(10),
            ),
            (
                "all below the log start",
                limits(30, 30, None, None),
                Some(30),
            ),
            (
                "by start, then by age",
                limits(10, 30, Some(99_999), None),
                Some(30),
            ),
            (
                "by size, then by age",
                limits(0, 30, Some(99_999), Some(200)),
                Some(30),
            ),
        ];
        for (what, limits, expected) in table {
            let planned = plan(three.clone(), &limits, NOW);
            assert_eq!(planned, expected.map(Offset), "{what}");
        }
    }

    #[test]
    fn a_timestamp_in_the_future_pins_nothing_beyond_its_age_since_it_was_written() {
        let long = 900_000;
        let far = i64::MAX;
        let aged = limits(0, 30, Some(500), None);
        let table = [
            ("written long ago", (far, NOW.0 - 501), true),
            ("written just now", (far, NOW.0 - 500), false),
            (
                "a little ahead, written long ago",
                (NOW.0 + 5, NOW.0 - long),
                true,
            ),
            (
                "old records, fetched again today",
                (NOW.0 - long, NOW.0),
                true,
            ),
            (
                "fresh records, written while the clock was behind",
                (NOW.0 - 100, NOW.0 - long),
                false,
            ),
            ("both ahead of this clock", (far, NOW.0 + 1), false),
            ("no timestamp, written long ago", (-1, NOW.0 - 501), true),
            ("no timestamp, written just now", (-1, NOW.0), false),
            ("no timestamp, and nobody knows", (-1, -1), false),
        ];
        for (what, (largest, written), goes) in table {
            let planned = plan(segments(&[(10, 300, largest, written)]), &aged, NOW);
            assert_eq!(planned.is_some(), goes, "{what}");
        }
    }

    #[test]
    fn an_empty_segment_stays_and_no_more_is_asked_than_is_needed() {
        let empty = segments(&[(10, 0, 0, -1)]);
        assert_eq!(plan(empty, &limits(10, 10, Some(0), Some(0)), NOW), None);
        let endless = std::iter::repeat(SegmentFacts {
            end: Offset(10),
            bytes: 1,
            largest_timestamp: None,
            written_at: None,
        });
        assert_eq!(plan(endless, &limits(0, 30, Some(0), None), NOW), None);
    }
}
