//! Replay of one page of the feed: pure.

use std::cmp::Ordering;

use trimaran_api::controller::{FeedEntry, MetadataLogPage, SnapshotPointer};
use trimaran_metadata::{ApplyOutcome, ImagePosition, MetadataEntry, MetadataImage};

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
    /// The controller's history is not the one that was replayed here.
    Forked(Fork),
}

/// How the history of a controller differs from the one replayed here. What is committed never
/// changes, so a controller has lost synced data, or was started from an older copy of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fork {
    /// Another entry stands where this broker stands.
    #[error("entry {index} is of term {theirs} there, and of term {ours} here")]
    Term {
        /// The last entry replayed here.
        index: u64,
        /// Its term there.
        theirs: u64,
        /// Its term here.
        ours: u64,
    },
    /// An entry that was applied there cannot be here.
    #[error("entry {index} is applied there, and cannot be here: {cause}")]
    Refused {
        /// The entry.
        index: u64,
        /// Why it was refused.
        cause: String,
    },
}

impl Fork {
    /// Whether a majority has elected a leader on their history after the one that this broker
    /// followed: theirs is what the quorum goes on with.
    pub(super) fn is_theirs_newer(&self) -> bool {
        match self {
            Self::Term { theirs, ours, .. } => theirs > ours,
            Self::Refused { .. } => true,
        }
    }
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
    let here = image.position;
    if let Some(pointer) = &page.snapshot {
        return Ok(match pointer.index.cmp(&here.index) {
            Ordering::Greater => Step::LoadSnapshot(pointer.clone()),
            Ordering::Less => Step::Behind,
            Ordering::Equal => forked(here, pointer.term).map_or(Step::Idle, Step::Forked),
        });
    }
    if page.applied_end < next_index(image) && image.position.index > 0 {
        return Ok(Step::Behind);
    }
    let mut newer: Option<MetadataImage> = None;
    for entry in &page.entries {
        let current = newer.as_ref().unwrap_or(image);
        let have = current.position.index;
        if entry.index == here.index
            && let Some(fork) = forked(here, entry.term)
        {
            return Ok(Step::Forked(fork));
        }
        if entry.index <= have {
            continue;
        }
        if entry.index > have.saturating_add(1) {
            return Err(PageError::Gap {
                have,
                got: entry.index,
            });
        }
        match replay_entry(current, entry) {
            Ok(image) => newer = Some(image),
            Err(fork) => return Ok(Step::Forked(fork)),
        }
    }
    Ok(newer.map_or(Step::Idle, |image| Step::Advanced(Box::new(image))))
}

/// The fork that it is when the entry at `here` is of term `theirs` elsewhere. Entry 0 founds the
/// quorum, and an empty image stands there without having replayed it.
fn forked(here: ImagePosition, theirs: u64) -> Option<Fork> {
    (here.index > 0 && theirs != here.term).then_some(Fork::Term {
        index: here.index,
        theirs,
        ours: here.term,
    })
}

fn replay_entry(image: &MetadataImage, entry: &FeedEntry) -> Result<MetadataImage, Fork> {
    let decided = (entry.timestamp, entry.base_offset, entry.decided_in_term);
    let (Some(timestamp), Some(base_offset), Some(term)) = decided else {
        return Ok(image.advance(entry.index, entry.term));
    };
    let decided = MetadataEntry {
        term,
        base_offset,
        timestamp,
        records: entry.records.clone(),
    };
    let (image, outcome) = image.apply(entry.index, entry.term, &decided);
    tracing::debug!(index = entry.index, ?outcome, "metadata entry");
    match outcome {
        ApplyOutcome::Refused(refused) if refused.is_of_another_history() => Err(Fork::Refused {
            index: entry.index,
            cause: refused.to_string(),
        }),
        _ => Ok(image),
    }
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
    fn another_history_is_seen_where_it_begins_to_differ() {
        let image = MetadataImage::default();
        let image = advanced(&image, &page(vec![blank(1), topic_entry(2, 0, 1, "a")], 3));
        let same = page(vec![topic_entry(2, 0, 1, "a"), blank(3)], 4);
        assert_eq!(advanced(&image, &same).position.index, 3);

        let mut other = blank(2);
        other.term = 2;
        let step = replay_page(&image, &page(vec![other, blank(3)], 4)).unwrap();
        let fork = Fork::Term {
            index: 2,
            theirs: 2,
            ours: 1,
        };
        assert_eq!(step, Step::Forked(fork.clone()));
        assert!(fork.is_theirs_newer());

        // Decided on fewer records than are here: a leader of this history had them all.
        let step = replay_page(&image, &page(vec![topic_entry(3, 0, 1, "b")], 4)).unwrap();
        let Step::Forked(fork @ Fork::Refused { index: 3, .. }) = step else {
            panic!("expected a fork, got {step:?}");
        };
        assert!(fork.is_theirs_newer());
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
        assert_eq!(pointed(2), Step::Idle);
        assert_eq!(pointed(1), Step::Behind);
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
