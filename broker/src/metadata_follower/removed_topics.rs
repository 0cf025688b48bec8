//! [`RemovedTopics`]: topics whose removal was replayed while a broker starts.
//!
//! The proof that a log in its directories was deleted while it was away. After a snapshot, which tells
//! what is and not what went, there is none.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trimaran_api::controller::MetadataLogPage;
use trimaran_metadata::MetadataRecord;
use trimaran_types::TopicId;

/// Most topics that are remembered; the logs of any beyond are kept as strays.
const TOPICS_MAX: usize = 100_000;

/// Remembers from when somebody wants to know until that is done. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RemovedTopics(Arc<Mutex<Option<BTreeSet<TopicId>>>>);

impl RemovedTopics {
    /// From now on somebody wants to know.
    pub(super) fn watched(&self) -> Self {
        self.lock().get_or_insert_default();
        self.clone()
    }

    /// Whether somebody still has to act on what is remembered. Until then no image may be kept: a
    /// start from one with the removals in it would not see them again.
    pub(super) fn is_wanted(&self) -> bool {
        self.lock().is_some()
    }

    /// Takes note of what a page of committed entries removes. A removal that its guard refused may
    /// be among them: whoever asks looks whether the topic is gone.
    pub(super) fn note(&self, page: &MetadataLogPage) {
        let mut topics = self.lock();
        let Some(topics) = topics.as_mut() else {
            return;
        };
        let records = page.entries.iter().flat_map(|entry| &entry.records);
        for record in records {
            if let MetadataRecord::RemoveTopic(removed) = record
                && topics.len() < TOPICS_MAX
            {
                topics.insert(removed.topic_id);
            }
        }
    }

    /// What was removed so far.
    #[must_use]
    pub fn so_far(&self) -> BTreeSet<TopicId> {
        self.lock().clone().unwrap_or_default()
    }

    /// The logs of what was removed are out of the way, durably: nothing more is remembered.
    pub fn done(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeSet<TopicId>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_api::controller::FeedEntry;
    use trimaran_metadata::record::RemoveTopic;
    use trimaran_types::{ClusterId, MetadataOffset, Timestamp};

    fn page(index: u64, topic_id: TopicId) -> MetadataLogPage {
        MetadataLogPage {
            cluster_id: ClusterId::from_uuid(uuid::Uuid::from_u128(1)),
            entries: vec![FeedEntry {
                index,
                term: 1,
                timestamp: Some(Timestamp(5)),
                base_offset: Some(MetadataOffset(index)),
                decided_in_term: Some(1),
                records: vec![MetadataRecord::RemoveTopic(RemoveTopic { topic_id })],
            }],
            next: index + 1,
            applied_end: index + 1,
            snapshot: None,
        }
    }

    #[test]
    fn removals_are_remembered_while_somebody_wants_to_know() {
        let id = |number| TopicId::from_uuid(uuid::Uuid::from_u128(number));
        let removed = RemovedTopics::default();
        removed.note(&page(1, id(6)));
        assert!(!removed.is_wanted());
        let watched = removed.watched();
        removed.note(&page(2, id(7)));
        removed.note(&page(3, id(8)));
        assert_eq!(watched.so_far(), BTreeSet::from([id(7), id(8)]));
        assert!(removed.is_wanted());
        watched.done();
        removed.note(&page(4, id(9)));
        assert!(!removed.is_wanted() && removed.so_far().is_empty());
    }
}
