//! What lies in the directories at the start, told apart by what the metadata says of it: wanted,
//! stray, or missing although others count on it. Opens nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use trimaran_commit_log::{Aside, FoundLog, LogDirError};
use trimaran_metadata::{MetadataImage, PartitionState};
use trimaran_types::{BrokerId, DirectoryId, TopicId, TopicIdPartition, TopicName, TopicPartition};

use super::create::Known;
use super::damage::is_marked_lost;
use super::unassigned::{Unassigned, judge};
use super::{DataDir, OpenAllError, Replicas};
use crate::partition::TopicSettings;

/// One log of the last run that the metadata asks for.
pub(super) struct Wanted {
    pub(super) topic: TopicPartition,
    pub(super) id: TopicIdPartition,
    pub(super) settings: TopicSettings,
    /// Others have all that this replica has: it may be dropped and fetched anew.
    pub(super) is_spare: bool,
    pub(super) known: Known,
}

/// What lies in the directories.
#[derive(Default)]
pub(super) struct Sorted {
    pub(super) wanted: BTreeMap<DirectoryId, Vec<Wanted>>,
    /// Nobody asks for them there.
    pub(super) strays: BTreeMap<DirectoryId, Vec<TopicPartition>>,
    /// A committed record ended them while this broker was away.
    pub(super) ended: BTreeMap<DirectoryId, Vec<TopicPartition>>,
    /// Their note of the topic is damaged.
    pub(super) misnamed: Vec<(TopicIdPartition, TopicPartition)>,
    /// Begun once, counted on, and gone.
    pub(super) lost: Vec<Lost>,
}

/// A log that was begun once, that is counted on, and of which nothing was found.
pub(super) struct Lost {
    pub(super) id: TopicIdPartition,
    pub(super) topic: TopicPartition,
    /// Where it belongs.
    pub(super) place: DirectoryId,
}

impl Sorted {
    /// Puts a log that is not opened where it belongs.
    fn put(&mut self, what: Unassigned, place: DirectoryId, topic: TopicPartition) {
        match what {
            Unassigned::Ended => self.ended.entry(place).or_default().push(topic),
            Unassigned::Stray => self.strays.entry(place).or_default().push(topic),
            Unassigned::Misnamed(id) => self.misnamed.push((id, topic)),
        }
    }
}

impl Replicas {
    /// What is in the directories, by whether the metadata asks for it there.
    pub(super) fn sort(
        &self,
        image: &MetadataImage,
        removed: &BTreeSet<TopicId>,
    ) -> Result<Sorted, OpenAllError> {
        let own = self.context.broker_id;
        let assigned: BTreeMap<_, _> = image
            .partitions_hosted_on(own)
            .map(|found| (found.id(), (found.topic.name.clone(), found.state)))
            .collect();
        let mut sorted = Sorted::default();
        let mut seen: BTreeMap<TopicIdPartition, PathBuf> = BTreeMap::new();
        for place in self.dirs.iter() {
            let found = match place.dir.partitions() {
                Ok(found) => found,
                Err(error) => {
                    self.give_up(place, error)?;
                    continue;
                }
            };
            for FoundLog {
                partition: topic,
                topic_id,
                dir,
            } in found
            {
                // A directory without a readable id is looked up by name; opening it decides.
                let named = || Some(image.topics.by_name(&topic.topic)?.topic_id);
                let id = topic_id.or_else(named).map(|topic_id| TopicIdPartition {
                    topic_id,
                    partition: topic.partition,
                });
                let state = id.and_then(|id| Some((id, assigned.get(&id)?)));
                let Some((id, (_, state))) = state.filter(|(_, (name, _))| *name == topic.topic)
                else {
                    let what = judge((place, &topic, topic_id), removed, image, own);
                    if let Unassigned::Misnamed(id) = what {
                        seen.insert(id, dir);
                    }
                    sorted.put(what, place.id(), topic);
                    continue;
                };
                if let Some(first) = seen.insert(id, dir.clone()) {
                    let (partition, second) = (topic, dir);
                    return Err(OpenAllError::Twice {
                        partition,
                        first,
                        second,
                    });
                }
                // In another directory than its own, it is left over from before that one was
                // replaced. But what somebody may count on is served where it is.
                let is_doubtful = is_marked_lost(state, own);
                if self.place_of(image, id, state) != Some(place.id()) {
                    if !is_counted_on(state, own) && !is_doubtful {
                        sorted.put(Unassigned::Stray, place.id(), topic);
                        continue;
                    }
                    tracing::warn!(partition = %topic, path = %dir.display(), "a log lies in another directory than the metadata has");
                }
                let is_spare = is_spare(state, own);
                let known = match is_spare && is_doubtful {
                    true => Known::Doubtful,
                    false => Known::FromLastRun,
                };
                let defaults = &self.context.log_defaults;
                let settings = TopicSettings::of(image, &topic.topic, state, defaults);
                sorted.wanted.entry(place.id()).or_default().push(Wanted {
                    settings,
                    is_spare,
                    known,
                    topic,
                    id,
                });
            }
        }
        sorted.lost = self.lost(image, assigned, &seen)?;
        Ok(sorted)
    }

    /// The logs that somebody counts on, that were begun here, and of which nothing was found.
    fn lost(
        &self,
        image: &MetadataImage,
        assigned: BTreeMap<TopicIdPartition, (TopicName, &PartitionState)>,
        found: &BTreeMap<TopicIdPartition, PathBuf>,
    ) -> Result<Vec<Lost>, OpenAllError> {
        let mut lost = Vec::new();
        for (id, (topic, state)) in assigned {
            if found.contains_key(&id) {
                continue;
            }
            let partition = id.partition;
            let topic = TopicPartition { topic, partition };
            let place = self.place_of(image, id, state);
            let Some(dir) = place.and_then(|place| self.dirs.get(place)) else {
                continue;
            };
            // What a failed directory holds is reported with it.
            if dir.has_failed() {
                continue;
            }
            let is_lost = match dir.dir.is_lost(&topic) {
                Ok(is_lost) => is_lost,
                Err(error) => {
                    self.give_up(dir, error)?;
                    continue;
                }
            };
            let was_begun = is_lost || !dir.dir.has_its_notes();
            if was_begun && is_counted_on(state, self.context.broker_id) {
                let place = dir.id();
                lost.push(Lost { id, topic, place });
            }
        }
        Ok(lost)
    }

    /// Forgets that logs were begun of which nothing is left and that nobody asks for there, so that
    /// a later partition of the same name is not taken for lost.
    ///
    /// # Errors
    /// The last directory that is left refused.
    pub(super) fn forget_the_unknown(&self, image: &MetadataImage) -> Result<(), LogDirError> {
        for dir in self.dirs.iter().filter(|dir| !dir.has_failed()) {
            if let Err(error) = self.forget_the_unknown_in(dir, image) {
                self.give_up(dir, error)?;
            }
        }
        Ok(())
    }

    fn forget_the_unknown_in(
        &self,
        dir: &DataDir,
        image: &MetadataImage,
    ) -> Result<(), LogDirError> {
        let belongs = |topic: &TopicPartition| {
            let found = image.topics.by_name(&topic.topic)?;
            let state = found.partition(topic.partition)?;
            let id = TopicIdPartition {
                topic_id: found.topic_id,
                partition: topic.partition,
            };
            let is_hosted = state.replicas.contains(&self.context.broker_id);
            (is_hosted && self.place_of(image, id, state) == Some(dir.id())).then_some(())
        };
        let mut unknown = Vec::new();
        for topic in dir.dir.noted_logs() {
            if belongs(&topic).is_none() && !dir.dir.has_segments(&topic)? {
                unknown.push(topic);
            }
        }
        if !unknown.is_empty() {
            dir.dir.set_aside(&unknown, Aside::Stray)?;
        }
        Ok(())
    }
}

/// Whether nobody counts on this replica: it is neither in sync nor eligible to lead, and someone
/// else is in sync.
pub(super) fn is_spare(state: &PartitionState, own: BrokerId) -> bool {
    !is_counted_on(state, own) && !state.isr.is_empty()
}

/// Whether the replica is in sync, eligible to lead, or led last.
pub(super) fn is_counted_on(state: &PartitionState, own: BrokerId) -> bool {
    state.isr.contains(&own)
        || state.eligible_leader_replicas.contains(&own)
        || state.last_known_eligible.contains(&own)
}
