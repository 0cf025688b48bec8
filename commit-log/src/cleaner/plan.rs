//! [`CleanPlan`]: what of a log could be cleaned, and whether it is worth it.
//!
//! Pure. Segments are cleaned whole, and only those that end at or below the caller's limit: the
//! high watermark, the last stable offset and the durable end, whichever is lowest.

use trimaran_types::{Offset, Timestamp};

use super::settings::CompactionSettings;

/// A finished segment, as planning sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentFacts {
    pub end: Offset,
    pub bytes: u64,
    /// The timestamp of its first batch, where it was looked up.
    pub first_timestamp: Option<Timestamp>,
    /// Its largest timestamp, where it was looked up; `None` counts as just now.
    pub largest_timestamp: Option<Timestamp>,
}

/// What of a log could be cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanPlan {
    /// Below it, no key has two records.
    pub first_dirty: Offset,
    /// The pass stops before it.
    pub before: Offset,
    /// Bytes of the segments below the first dirty offset.
    pub clean_bytes: u64,
    /// Bytes of the other segments that could be cleaned.
    pub dirty_bytes: u64,
    /// A dirty record is older than `max.compaction.lag.ms`.
    pub is_overdue: bool,
    /// How often the log had been cut when this was planned.
    pub(super) truncations: u64,
}

impl CleanPlan {
    /// The dirty part of what could be cleaned, 0 to 1.
    #[must_use]
    pub fn dirty_ratio(&self) -> f64 {
        let all = self.clean_bytes.saturating_add(self.dirty_bytes);
        if all == 0 {
            return 0.0;
        }
        self.dirty_bytes as f64 / all as f64
    }

    /// Whether the log should be cleaned now.
    #[must_use]
    pub fn is_due(&self, settings: &CompactionSettings) -> bool {
        self.dirty_bytes > 0 && (self.is_overdue || self.dirty_ratio() > settings.dirty_ratio_min)
    }
}

/// Of logs that are due, the one with the largest dirty ratio.
#[must_use]
pub fn filthiest<T>(due: impl IntoIterator<Item = (T, CleanPlan)>) -> Option<(T, CleanPlan)> {
    due.into_iter()
        .max_by(|(_, a), (_, b)| a.dirty_ratio().total_cmp(&b.dirty_ratio()))
}

/// Where the dirty part starts. A checkpoint that does not fit the log counts for nothing.
pub(super) fn first_dirty(
    checkpoint: Option<Offset>,
    log_start: Offset,
    log_end: Offset,
) -> Offset {
    checkpoint
        .filter(|at| *at <= log_end)
        .map_or(log_start, |at| at.max(log_start))
}

/// Plans over the finished segments, oldest first. `None` when there is nothing to look at.
pub(super) fn plan(
    sealed: &[SegmentFacts],
    first_dirty: Offset,
    limit: Offset,
    settings: &CompactionSettings,
    now: Timestamp,
) -> Option<CleanPlan> {
    let age_ms = |at: Timestamp| u64::try_from(now.0.saturating_sub(at.0)).unwrap_or(0);
    let mut found = CleanPlan {
        first_dirty,
        before: first_dirty,
        clean_bytes: 0,
        dirty_bytes: 0,
        is_overdue: false,
        truncations: 0,
    };
    for segment in sealed.iter().take_while(|segment| segment.end <= limit) {
        if segment.end <= first_dirty {
            found.clean_bytes = found.clean_bytes.saturating_add(segment.bytes);
            continue;
        }
        let is_young = settings.lag_ms_min > 0
            && segment
                .largest_timestamp
                .is_none_or(|largest| age_ms(largest) < settings.lag_ms_min);
        if is_young {
            break;
        }
        found.dirty_bytes = found.dirty_bytes.saturating_add(segment.bytes);
        found.is_overdue |= segment
            .first_timestamp
            .is_some_and(|first| age_ms(first) > settings.lag_ms_max);
        found.before = segment.end;
    }
    (found.dirty_bytes > 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn segment(end: i64, bytes: u64, age_ms: i64) -> SegmentFacts {
        SegmentFacts {
            end: Offset(end),
            bytes,
            first_timestamp: Some(Timestamp(NOW.0 - age_ms - 50)),
            largest_timestamp: Some(Timestamp(NOW.0 - age_ms)),
        }
    }

    fn planned(first_dirty: i64, limit: i64, settings: CompactionSettings) -> Option<CleanPlan> {
        let sealed = [
            segment(10, 100, 900),
            segment(20, 200, 500),
            segment(30, 400, 100),
        ];
        plan(&sealed, Offset(first_dirty), Offset(limit), &settings, NOW)
    }

    #[test]
    fn whole_segments_below_the_limit_are_counted() {
        let settings = CompactionSettings::default();
        // first dirty, limit, expected: clean bytes, dirty bytes, before
        let table = [
            (0, 30, Some((0, 700, 30))),
            (0, 29, Some((0, 300, 20))),
            (10, 100, Some((100, 600, 30))),
            (15, 100, Some((100, 600, 30))),
            (20, 20, None),
            (30, 100, None),
            (0, 9, None),
        ];
        for (first_dirty, limit, expected) in table {
            let found = planned(first_dirty, limit, settings);
            let found = found.map(|p| (p.clean_bytes, p.dirty_bytes, p.before.0));
            assert_eq!(found, expected, "{first_dirty} {limit}");
        }
    }

    #[test]
    fn lags_hold_back_and_hurry() {
        let young = CompactionSettings {
            lag_ms_min: 500,
            ..CompactionSettings::default()
        };
        assert_eq!(planned(0, 30, young).map(|p| p.before), Some(Offset(20)));
        let unknown = [SegmentFacts {
            largest_timestamp: None,
            ..segment(10, 100, 900)
        }];
        assert_eq!(plan(&unknown, Offset(0), Offset(10), &young, NOW), None);
        let old = CompactionSettings {
            lag_ms_max: 940,
            dirty_ratio_min: 1.0,
            ..CompactionSettings::default()
        };
        let overdue = planned(0, 30, old).expect("dirty");
        assert!(overdue.is_overdue && overdue.is_due(&old));
        let waiting = planned(10, 30, old).expect("dirty");
        assert!(!waiting.is_overdue && !waiting.is_due(&old));
    }

    #[test]
    fn the_ratio_decides_and_the_filthiest_is_first() {
        let settings = CompactionSettings::default();
        let half = CleanPlan {
            first_dirty: Offset(0),
            before: Offset(9),
            clean_bytes: 100,
            dirty_bytes: 100,
            is_overdue: false,
            truncations: 0,
        };
        let more = CleanPlan {
            dirty_bytes: 101,
            ..half
        };
        assert!(!half.is_due(&settings) && more.is_due(&settings));
        let all = [("a", half), ("b", more), ("c", half)];
        assert_eq!(filthiest(all).map(|(name, _)| name), Some("b"));
    }

    #[test]
    fn a_checkpoint_outside_the_log_counts_for_nothing() {
        let found =
            |checkpoint: Option<i64>| first_dirty(checkpoint.map(Offset), Offset(10), Offset(20)).0;
        let table = [
            (None, 10),
            (Some(5), 10),
            (Some(15), 15),
            (Some(20), 20),
            (Some(21), 10),
        ];
        for (checkpoint, expected) in table {
            assert_eq!(found(checkpoint), expected, "{checkpoint:?}");
        }
    }
}
