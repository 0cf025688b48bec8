//! The logs of a directory: finding them, and setting them aside.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use trimaran_types::limits::TOPIC_PARTITIONS_MAX;
use trimaran_types::{PartitionIndex, TopicId, TopicName, TopicPartition};

use super::{LogDir, LogDirError, at};
use crate::names::PARTITION_METADATA;
use crate::{atomic_file, partition_metadata};

/// Longest file name of the usual file systems, in bytes.
const FILE_NAME_BYTES_MAX: usize = 255;

/// A log that is in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLog {
    /// The partition, by its name.
    pub partition: TopicPartition,
    /// The topic's id; `None` when it is missing or damaged.
    pub topic_id: Option<TopicId>,
    /// Its directory.
    pub dir: PathBuf,
}

/// Why a log is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// A committed record deleted it; [`LogDir::remove_deleted`] may remove it.
    Delete,
    /// Nobody asks for it here. It is kept until a person decides.
    Stray,
    /// Its bytes are damaged and the replica is fetched anew. It is kept until a person decides.
    Damaged,
    /// Its own bytes are in order as far as anybody knows, but a journal that was damaged may have had
    /// more of it, and the replica is fetched anew. It is kept until a person decides.
    Distrusted,
}

impl Aside {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Delete => "-delete",
            Self::Stray => "-stray",
            Self::Damaged => "-damaged",
            Self::Distrusted => "-distrusted",
        }
    }
}

/// The partition that a directory's name stands for: `topic-3`.
#[must_use]
pub fn parse_partition_dir(name: &str) -> Option<TopicPartition> {
    let (topic, number) = name.rsplit_once('-')?;
    let partition: u32 = number.parse().ok().filter(|&n| n < TOPIC_PARTITIONS_MAX)?;
    // Only the one way in which such a directory is named.
    if partition.to_string() != number {
        return None;
    }
    let topic = TopicName::new(topic).ok()?;
    Some(TopicPartition {
        topic,
        partition: PartitionIndex(partition),
    })
}

/// `topic-3.<unique>-delete`; a long topic name is shortened, as Kafka does.
fn aside_name(partition: &TopicPartition, unique: &str, why: Aside) -> String {
    let end = format!("-{}.{unique}{}", partition.partition, why.suffix());
    let topic = partition.topic.as_str();
    let kept = topic
        .len()
        .min(FILE_NAME_BYTES_MAX.saturating_sub(end.len()));
    format!("{}{end}", topic.get(..kept).unwrap_or_default())
}

impl LogDir {
    /// The logs that are in use or could be. What was set aside is not among them.
    ///
    /// # Errors
    /// The system refused.
    pub fn partitions(&self) -> Result<Vec<FoundLog>, LogDirError> {
        let entries = self
            .context
            .disk
            .list(&self.logs_dir)
            .map_err(at(&self.logs_dir))?;
        let mut found = Vec::new();
        for entry in entries.into_iter().filter(|entry| entry.is_dir) {
            let Some(partition) = parse_partition_dir(&entry.name) else {
                continue;
            };
            let dir = self.logs_dir.join(&entry.name);
            let path = dir.join(PARTITION_METADATA);
            let text = atomic_file::read_text(self.context.disk.as_ref(), &path);
            let topic_id = text
                .ok()
                .flatten()
                .as_deref()
                .and_then(partition_metadata::parse);
            found.push(FoundLog {
                partition,
                topic_id,
                dir,
            });
        }
        found.sort_by(|a, b| a.partition.cmp(&b.partition));
        Ok(found)
    }

    /// Takes a log that is damaged or gone for one that never was, durably: its folder, if there is
    /// one, is set aside, and a log that is made anew is measured by nothing that the old one left.
    ///
    /// # Errors
    /// As [`Self::set_aside`].
    pub fn give_up_damaged(
        &self,
        topic_id: TopicId,
        partition: &TopicPartition,
    ) -> Result<Option<PathBuf>, LogDirError> {
        let why = if self.is_distrusted(partition) {
            Aside::Distrusted
        } else {
            Aside::Damaged
        };
        let moved = self.set_aside(std::slice::from_ref(partition), why)?;
        // A folder that is gone, or has lost its note, named no topic id to forget by.
        self.context
            .recovery_points
            .forget_flushed_end(topic_id, partition)
            .map_err(|error| self.refused(&self.logs_dir, error))?;
        Ok(moved.into_iter().next())
    }

    /// Renames logs out of use, durably, and tells their new directories. None of them may be
    /// open. Of one that is not there, only what the checkpoints promise is forgotten. Many at once
    /// cost little more than one.
    ///
    /// # Errors
    /// The directory has failed, or the system refused; some may have been set aside.
    pub fn set_aside(
        &self,
        partitions: &[TopicPartition],
        why: Aside,
    ) -> Result<Vec<PathBuf>, LogDirError> {
        self.context.latch.check()?;
        let disk = self.context.disk.as_ref();
        // Before any name changes: then only the sync itself can still fail.
        let names_on_disk = self.context.open_dir(&self.logs_dir);
        let names_on_disk = names_on_disk.map_err(at(&self.logs_dir))?;
        // Or a start would put bytes of the old log into a new one of its name.
        if let Some(journal) = &self.context.journal {
            let names: Vec<_> = partitions
                .iter()
                .map(|partition| Arc::from(partition.to_string()))
                .collect();
            journal.let_go(&names)?;
        }
        // First, so that a log made anew under the name is not measured by the old one's point.
        self.context
            .recovery_points
            .forget(partitions)
            .map_err(|error| self.refused(&self.logs_dir, error))?;
        self.context
            .cleaner_offsets
            .forget(partitions)
            .map_err(|error| self.refused(&self.logs_dir, error))?;
        self.context
            .log_starts
            .forget(partitions)
            .map_err(|error| self.refused(&self.logs_dir, error))?;
        let entries = disk.list(&self.logs_dir).map_err(at(&self.logs_dir))?;
        let mut names: std::collections::BTreeSet<String> =
            entries.into_iter().map(|entry| entry.name).collect();
        let mut moved = Vec::new();
        for partition in partitions {
            let dir = self.partition_dir(partition);
            let metadata = dir.join(PARTITION_METADATA);
            let topic_id = atomic_file::read_text(disk, &metadata)
                .ok()
                .flatten()
                .as_deref()
                .and_then(partition_metadata::parse);
            let id =
                topic_id.map_or_else(|| "0".repeat(32), |id| id.as_uuid().simple().to_string());
            let mut unique = id.clone();
            let mut name = aside_name(partition, &unique, why);
            for number in 1_u64.. {
                if names.insert(name.clone()) {
                    break;
                }
                unique = format!("{id}_{number}");
                name = aside_name(partition, &unique, why);
            }
            let target = self.logs_dir.join(name);
            match disk.rename(&dir, &target) {
                Ok(()) => moved.push(target),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(at(&dir)(error)),
            }
        }
        names_on_disk
            .sync()
            .map_err(|error| self.context.latch.fail("sync", &self.logs_dir, &error))?;
        let (distrust, reserve) = (&self.context.distrust, &self.context.reserve);
        reserve
            .with_room(0, || distrust.forget(disk, partitions))
            .map_err(|error| self.refused(&self.logs_dir, error))?;
        Ok(moved)
    }

    /// Whether the log may lack what a damaged journal had of it. That says nothing of the log's own
    /// files (ADR 0021).
    #[must_use]
    pub fn is_distrusted(&self, partition: &TopicPartition) -> bool {
        self.context.distrust.has(&self.partition_dir(partition))
    }

    /// How many logs were set aside as damaged and are still there; those that only a damaged journal
    /// made doubtful are not among them.
    ///
    /// # Errors
    /// The system refused.
    pub fn damaged_logs(&self) -> Result<usize, LogDirError> {
        self.kept_aside(Aside::Damaged)
    }

    /// How many logs were set aside because nobody asks for them, and are still there.
    ///
    /// # Errors
    /// The system refused.
    pub fn strays(&self) -> Result<usize, LogDirError> {
        self.kept_aside(Aside::Stray)
    }

    fn kept_aside(&self, why: Aside) -> Result<usize, LogDirError> {
        let entries = self.context.disk.list(&self.logs_dir);
        let entries = entries.map_err(at(&self.logs_dir))?;
        let is_kept = |name: &str| name.ends_with(why.suffix()) && name.contains('.');
        let kept = entries
            .iter()
            .filter(|entry| entry.is_dir && is_kept(&entry.name));
        Ok(kept.count())
    }

    /// Removes what was set aside as deleted, and tells how many logs that were. Strays stay.
    ///
    /// # Errors
    /// The directory has failed, or the system refused.
    pub fn remove_deleted(&self) -> Result<usize, LogDirError> {
        self.context.latch.check()?;
        let entries = self
            .context
            .disk
            .list(&self.logs_dir)
            .map_err(at(&self.logs_dir))?;
        let mut removed = 0;
        for entry in entries {
            if entry.is_dir
                && entry.name.ends_with(Aside::Delete.suffix())
                && entry.name.contains('.')
            {
                let dir = self.logs_dir.join(&entry.name);
                self.context.disk.remove_dir(&dir).map_err(at(&dir))?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_names() {
        let parse = |name: &str| parse_partition_dir(name).map(|p| p.to_string());
        for name in ["a-0", "a-b-17", "x.y_z-9999", "__consumer_offsets-49"] {
            assert_eq!(parse(name).as_deref(), Some(name));
        }
        for other in [
            "a",
            "a-",
            "-0",
            "a-00",
            "a-+1",
            "a--1x",
            "a-0.ff-delete",
            "a-0.ff-stray",
            "a-0.ff-damaged",
            "a-10000",
            "a/b-0",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn long_names_are_shortened_to_fit() {
        let partition = parse_partition_dir(&format!("{}-12", "t".repeat(249))).expect("legal");
        let name = aside_name(&partition, &"f".repeat(32), Aside::Stray);
        assert_eq!(name.len(), FILE_NAME_BYTES_MAX);
        assert!(name.ends_with("-12.ffffffffffffffffffffffffffffffff-stray"));
    }
}
