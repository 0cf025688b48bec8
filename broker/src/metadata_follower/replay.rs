//! Replay of one page of the feed: pure.

use trimaran_api::controller::{FeedEntry, MetadataLogPage, SnapshotPointer};
use trimaran_metadata::{MetadataEntry, MetadataImage};

/// What a page asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Nothing new.
    Idle,
    /// A newer image.
    Advanced(Box<MetadataImage>),
    /// The log's beginning is gone: load this snapshot.
    LoadSnapshot(SnapshotPointer),
    /// The controller has less than this broker: ask another one.
    Behind,
}

/// An answer that is no feed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PageError {
    /// Entries are missing.
    #[error("the feed goes from entry {have} to entry {got}")]
    Gap {
        /// The last entry replayed.
        have: u64,
        /// The next one in the page.
        got: u64,
    },
}

/// The first index to ask for on top of `image`.
///
/// An empty image asks from 1: entry 0 of a raft log founds the quorum and carries no records.
pub(super) const fn next_index(image: &MetadataImage) -> u64 {
    image.position.index.saturating_add(1)
}

/// Replays a page on top of `image`, with the guard that every node applies.
pub(super) fn replay_page(
    image: &MetadataImage,
    page: &MetadataLogPage,
) -> Result<Step, PageError> {
    if let Some(pointer) = &page.snapshot {
        let is_newer = pointer.index > image.position.index;
        return Ok(if is_newer {
            Step::LoadSnapshot(pointer.clone())
        } else {
            Step::Behind
        });
    }
    if page.applied_end < next_index(image) && image.position.index > 0 {
        return Ok(Step::Behind);
    }
    let mut newer: Option<MetadataImage> = None;
    for entry in &page.entries {
        let current = newer.as_ref().unwrap_or(image);
        let have = current.position.index;
        if entry.index <= have {
            continue;
        }
        if entry.index > have.saturating_add(1) {
            return Err(PageError::Gap {
                have,
                got: entry.index,
            });
        }
        newer = Some(replay_entry(current, entry));
    }
    Ok(newer.map_or(Step::Idle, |image| Step::Advanced(Box::new(image))))
}

fn replay_entry(image: &MetadataImage, entry: &FeedEntry) -> MetadataImage {
    let decided = (entry.timestamp, entry.base_offset, entry.decided_in_term);
    let (Some(timestamp), Some(base_offset), Some(term)) = decided else {
        return image.advance(entry.index, entry.term);
    };
    let decided = MetadataEntry {
        term,
        base_offset,
        timestamp,
        records: entry.records.clone(),
    };
    let (image, outcome) = image.apply(entry.index, entry.term, &decided);
    tracing::debug!(index = entry.index, ?outcome, "metadata entry");
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_metadata::record::Topic;
    use trimaran_types::{ClusterId, MetadataOffset, Timestamp, TopicId, TopicName};

    fn topic_entry(index: u64, base_offset: u64, decided_in_term: u64, name: &str) -> FeedEntry {
        let topic = Topic {
            name: TopicName::new(name).unwrap(),
            topic_id: TopicId::from_uuid(uuid::Uuid::from_u128(u128::from(index))),
        };
        FeedEntry {
            index,
            term: 1,
            timestamp: Some(Timestamp(5)),
            base_offset: Some(MetadataOffset(base_offset)),
            decided_in_term: Some(decided_in_term),
            records: vec![topic.into()],
        }
    }

    fn blank(index: u64) -> FeedEntry {
        FeedEntry {
            index,
            term: 1,
            timestamp: None,
            base_offset: None,
            decided_in_term: None,
            records: Vec::new(),
        }
    }

    fn page(entries: Vec<FeedEntry>, applied_end: u64) -> MetadataLogPage {
        let next = entries.last().map_or(1, |entry| entry.index + 1);
        MetadataLogPage {
            cluster_id: ClusterId::from_uuid(uuid::Uuid::from_u128(1)),
            entries,
            next,
            applied_end,
            snapshot: None,
        }
    }

    fn advanced(image: &MetadataImage, page: &MetadataLogPage) -> MetadataImage {
        match replay_page(image, page).unwrap() {
            Step::Advanced(image) => *image,
            other => panic!("expected an advance, got {other:?}"),
        }
    }

    #[test]
    fn entries_are_replayed_with_the_guard_and_once() {
        let empty = MetadataImage::default();
        let entries = vec![
            blank(1),
            topic_entry(2, 0, 1, "a"),
            topic_entry(3, 1, 0, "refused-by-term"),
            topic_entry(4, 7, 1, "refused-by-offset"),
            topic_entry(5, 1, 1, "b"),
        ];
        let page = page(entries, 6);
        let image = advanced(&empty, &page);
        let names: Vec<_> = image.topics.iter().map(|t| t.name.to_string()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(next_index(&image), 6);
        assert_eq!(image.position.next_offset, MetadataOffset(2));
        assert_eq!(replay_page(&image, &page).unwrap(), Step::Idle);
    }

    #[test]
    fn a_gap_is_no_feed() {
        let error = replay_page(&MetadataImage::default(), &page(vec![blank(3)], 4)).unwrap_err();
        assert_eq!(error, PageError::Gap { have: 0, got: 3 });
    }

    #[test]
    fn a_snapshot_is_taken_only_when_it_is_newer_and_a_lagging_controller_is_left() {
        let image = advanced(
            &MetadataImage::default(),
            &page(vec![blank(1), blank(2)], 3),
        );
        let pointed = |index| {
            let mut page = page(Vec::new(), 100);
            page.snapshot = Some(SnapshotPointer {
                index,
                term: 1,
                path: "/v1/metadata/snapshot".to_owned(),
            });
            replay_page(&image, &page).unwrap()
        };
        assert!(matches!(pointed(50), Step::LoadSnapshot(pointer) if pointer.index == 50));
        assert_eq!(pointed(2), Step::Behind);
        assert_eq!(
            replay_page(&image, &page(Vec::new(), 2)).unwrap(),
            Step::Behind
        );
        assert_eq!(
            replay_page(&image, &page(Vec::new(), 3)).unwrap(),
            Step::Idle
        );
    }
}
