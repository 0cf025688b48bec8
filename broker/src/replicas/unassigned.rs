//! Logs that the metadata does not assign here: which of them a committed record has ended, and which
//! only look as if they belonged to something else. Decides, touches nothing.

use std::collections::BTreeSet;

use trimaran_metadata::MetadataImage;
use trimaran_types::{BrokerId, TopicId, TopicIdPartition, TopicPartition};

use super::DataDir;

/// What a log is that no partition of this broker has the id of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unassigned {
    /// A committed record ended it: it is deleted as if the broker had been there.
    Ended,
    /// The note of its topic is damaged: the log of this partition was begun here, and no other
    /// folder can be its.
    Misnamed(TopicIdPartition),
    /// Nothing explains it.
    Stray,
}

/// Judges the log in the folder of `name`, which says that it is of topic `found`. `removed` are the
/// topics whose removal was replayed by this start: the proof that a committed record ended their
/// logs. That `image` does not have a topic proves nothing; it may be the image of controllers that
/// were founded anew (P-TOMBSTONE).
pub(super) fn judge(
    (dir, name, found): (&DataDir, &TopicPartition, Option<TopicId>),
    removed: &BTreeSet<TopicId>,
    image: &MetadataImage,
    own: BrokerId,
) -> Unassigned {
    let partition = name.partition;
    let is_removed = |id: TopicId| removed.contains(&id) && image.topics.get(id).is_none();
    if found.is_some_and(is_removed) {
        return Unassigned::Ended;
    }
    let by_name = image.topics.by_name(&name.topic).filter(|topic| {
        let state = topic.partition(partition);
        state.is_some_and(|state| state.replicas.contains(&own))
            && dir.dir().was_begun_for(topic.topic_id, name)
    });
    by_name.map_or(Unassigned::Stray, |topic| {
        Unassigned::Misnamed(TopicIdPartition {
            topic_id: topic.topic_id,
            partition,
        })
    })
}
