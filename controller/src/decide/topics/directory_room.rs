//! [`DirectoryRoom`]: which directory of a broker gets its next new replica.
//!
//! The one with the fewest replicas, as Kafka's brokers choose; of several, the first that the
//! broker has registered. Brokers with one directory, nearly all, cost nothing.

use std::collections::BTreeMap;

use trimaran_metadata::MetadataImage;
use trimaran_types::{BrokerId, DirectoryId};

/// How many replicas each directory holds, those of the topic in the making included.
pub(super) struct DirectoryRoom<'a> {
    view: &'a MetadataImage,
    /// Of brokers with several directories; counted when they are first asked about.
    counts: BTreeMap<BrokerId, Vec<(DirectoryId, usize)>>,
}

impl<'a> DirectoryRoom<'a> {
    pub(super) const fn new(view: &'a MetadataImage) -> Self {
        Self {
            view,
            counts: BTreeMap::new(),
        }
    }

    /// What it counts in.
    pub(super) const fn view(&self) -> &'a MetadataImage {
        self.view
    }

    /// The directory for one more replica on this broker; `None` when the broker has none.
    pub(super) fn take_emptiest(&mut self, broker: BrokerId) -> Option<DirectoryId> {
        let directories = &self.view.brokers.get(broker)?.directories;
        if directories.len() < 2 {
            return directories.first().copied();
        }
        let view = self.view;
        let counts = self
            .counts
            .entry(broker)
            .or_insert_with(|| count(view, broker, directories));
        let emptiest = counts.iter_mut().min_by_key(|(_, replicas)| *replicas)?;
        emptiest.1 += 1;
        Some(emptiest.0)
    }
}

fn count(
    view: &MetadataImage,
    broker: BrokerId,
    directories: &[DirectoryId],
) -> Vec<(DirectoryId, usize)> {
    let mut counts: Vec<(DirectoryId, usize)> = directories
        .iter()
        .map(|directory| (*directory, 0))
        .collect();
    for found in view.partitions_hosted_on(broker) {
        let recorded = found.state.directory_of(broker);
        if let Some((_, replicas)) = counts
            .iter_mut()
            .find(|(directory, _)| Some(*directory) == recorded)
        {
            *replicas += 1;
        }
    }
    counts
}
