//! Which neighbouring segments become one.
//!
//! Pure. What compaction leaves of several segments fits into one as long as all of them together
//! would: by bytes, by index entries, and by relative offsets.

use std::ops::Range;

use trimaran_types::Offset;

/// A segment to be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub base: Offset,
    pub end: Offset,
    pub bytes: u64,
}

/// Bounds of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GroupBounds {
    pub segment_bytes: u64,
    /// How many index entries a segment may have; each covers at least `interval_bytes`.
    pub entries_max: u64,
    pub interval_bytes: u64,
}

/// The groups, in order; each has a member at least.
pub(super) fn groups(members: &[Member], bounds: GroupBounds) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = 0;
    let mut bytes = 0_u64;
    for (at, member) in members.iter().enumerate() {
        let together = bytes.saturating_add(member.bytes);
        let entries = together / bounds.interval_bytes.max(1) + 1;
        let reach = member.end.distance_from(members[start].base);
        let fits = together <= bounds.segment_bytes
            && entries < bounds.entries_max
            && reach <= i64::from(i32::MAX);
        if at > start && !fits {
            groups.push(start..at);
            start = at;
            bytes = 0;
        }
        bytes = bytes.saturating_add(member.bytes);
    }
    if start < members.len() {
        groups.push(start..members.len());
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: GroupBounds = GroupBounds {
        segment_bytes: 100,
        entries_max: 1_000,
        interval_bytes: 10,
    };

    fn members(parts: &[(i64, i64, u64)]) -> Vec<Member> {
        parts
            .iter()
            .map(|&(base, end, bytes)| Member {
                base: Offset(base),
                end: Offset(end),
                bytes,
            })
            .collect()
    }

    #[test]
    fn by_bytes() {
        let parts = members(&[(0, 1, 40), (1, 2, 60), (2, 3, 1), (3, 4, 500), (4, 5, 1)]);
        assert_eq!(groups(&parts, BOUNDS), [0..2, 2..3, 3..4, 4..5]);
        assert_eq!(groups(&[], BOUNDS), []);
    }

    #[test]
    fn by_index_entries_and_by_relative_offsets() {
        let few = GroupBounds {
            entries_max: 7,
            ..BOUNDS
        };
        let parts = members(&[(0, 1, 40), (1, 2, 19), (2, 3, 1)]);
        assert_eq!(groups(&parts, few), [0..2, 2..3]);
        let reach = i64::from(i32::MAX);
        let far = members(&[(7, 8, 1), (8, 7 + reach, 1), (7 + reach, 8 + reach, 1)]);
        assert_eq!(groups(&far, BOUNDS), [0..2, 2..3]);
    }
}
