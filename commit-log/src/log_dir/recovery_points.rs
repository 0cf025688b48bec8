//! [`RecoveryPoints`]: `recovery-point-offset-checkpoint`, which only the owners of logs move.
//!
//! A log notes its point here when it has reached it, and the file takes all of them up now and
//! then. A log that is about to be cut below what the file says lowers the file first: a point on
//! disk must never lie beyond what is promised to be there.
//!
//! Beside it stands `flushed-ends`, the denser of two lower bounds: below a recovery point indexes
//! and epochs are durable too, so recovery starts there; below a flushed end the records are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trimaran_types::{Offset, TopicId, TopicPartition};

use super::checkpoint_file;
use super::flushed_ends::{FlushedEnd, FlushedEnds};
use super::{LogDirError, at};
use crate::atomic_file;
use crate::change_error::ChangeError;
use crate::disk::Disk;
use crate::names::PARTITION_METADATA;
use crate::partition_metadata;
use crate::reserve::Reserve;

pub(crate) const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";

type Points = BTreeMap<TopicPartition, Offset>;

/// The recovery points of one directory's logs.
#[derive(Debug)]
pub struct RecoveryPoints {
    disk: Arc<dyn Disk>,
    reserve: Arc<Reserve>,
    path: PathBuf,
    noted: Mutex<Points>,
    /// What the file holds; `None` after a write that failed half way. Locked before `noted`, and
    /// while the file is written.
    on_disk: Mutex<Option<Points>>,
    /// `None` when the logs have no directory of their own.
    flushed_ends: Option<Arc<FlushedEnds>>,
}

fn lock<T>(points: &Mutex<T>) -> MutexGuard<'_, T> {
    points.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RecoveryPoints {
    fn new(
        disk: Arc<dyn Disk>,
        reserve: &Arc<Reserve>,
        logs_dir: &Path,
        name: &str,
        points: Points,
    ) -> Self {
        Self {
            disk,
            reserve: Arc::clone(reserve),
            path: logs_dir.join(name),
            noted: Mutex::new(points.clone()),
            on_disk: Mutex::new(Some(points)),
            flushed_ends: None,
        }
    }

    /// No points in the file of this name, which is not looked at.
    pub(crate) fn empty(
        disk: Arc<dyn Disk>,
        reserve: &Arc<Reserve>,
        logs_dir: &Path,
        name: &str,
    ) -> Self {
        Self::new(disk, reserve, logs_dir, name, Points::new())
    }

    /// The points in the file, and whether it was there and whole; none when it was not.
    pub(super) fn read(
        disk: Arc<dyn Disk>,
        reserve: &Arc<Reserve>,
        logs_dir: &Path,
    ) -> Result<(Self, bool), LogDirError> {
        let flushed_ends = FlushedEnds::open(disk.as_ref(), logs_dir).map_err(at(logs_dir))?;
        let (mut points, was_whole) = Self::read_named(disk, reserve, logs_dir, RECOVERY_POINTS)?;
        points.flushed_ends = Some(flushed_ends);
        Ok((points, was_whole))
    }

    /// The same as [`Self::read`] for another file of offsets that are lowered before a log is cut.
    pub(super) fn read_named(
        disk: Arc<dyn Disk>,
        reserve: &Arc<Reserve>,
        logs_dir: &Path,
        name: &str,
    ) -> Result<(Self, bool), LogDirError> {
        let read = checkpoint_file::read(disk.as_ref(), &logs_dir.join(name))?;
        let was_whole = read.is_some();
        let points = Self::new(disk, reserve, logs_dir, name, read.unwrap_or_default());
        Ok((points, was_whole))
    }

    /// Up to where a log is known to have been synced, by its slot; `None` when nothing is known.
    pub(crate) fn flushed_end(
        &self,
        topic_id: TopicId,
        partition: &TopicPartition,
    ) -> Option<Offset> {
        self.flushed_ends.as_ref()?.get(topic_id, partition)
    }

    /// The slot of a log that was opened and is durable up to `end`.
    pub(crate) fn claim(
        &self,
        topic_id: TopicId,
        partition: &TopicPartition,
        end: Offset,
    ) -> Result<Option<Arc<FlushedEnd>>, ChangeError> {
        let claim = |ends: &Arc<FlushedEnds>| ends.claim(topic_id, partition, end);
        self.flushed_ends.as_ref().map(claim).transpose()
    }

    /// The file of flushed ends, if there is one.
    pub(super) const fn flushed_ends(&self) -> Option<&Arc<FlushedEnds>> {
        self.flushed_ends.as_ref()
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The point of a log.
    #[must_use]
    pub fn get(&self, partition: &TopicPartition) -> Option<Offset> {
        lock(&self.noted).get(partition).copied()
    }

    /// Notes the point that a log has reached.
    pub(crate) fn set(&self, partition: &TopicPartition, point: Offset) {
        lock(&self.noted).insert(partition.clone(), point);
    }

    /// Every log that has a point or a note.
    pub(super) fn partitions(&self) -> Vec<TopicPartition> {
        lock(&self.noted).keys().cloned().collect()
    }

    /// Notes durably that logs were begun, at 0 unless they have a point. Notes that come while the
    /// file is being written share the next writing.
    pub(super) fn note(&self, partitions: &[TopicPartition]) -> Result<(), ChangeError> {
        let mut noted = lock(&self.noted);
        for partition in partitions {
            noted.entry(partition.clone()).or_insert(Offset::ZERO);
        }
        drop(noted);
        let mut on_disk = lock(&self.on_disk);
        let has_all = |points: &Points| partitions.iter().all(|p| points.contains_key(p));
        if on_disk.as_ref().is_some_and(has_all) {
            return Ok(());
        }
        self.write_locked(&mut on_disk)
    }

    /// Writes the file whether it changed or not.
    pub(super) fn write_anew(&self) -> Result<(), ChangeError> {
        *lock(&self.on_disk) = None;
        self.write()
    }

    /// Makes sure that neither memory nor file has a point beyond `end`.
    pub(crate) fn lower(&self, partition: &TopicPartition, end: Offset) -> Result<(), ChangeError> {
        if let Some(ends) = &self.flushed_ends {
            ends.lower(partition, end)?;
        }
        // In this order, so that a file written in between has the lower point too.
        if let Some(point) = lock(&self.noted).get_mut(partition) {
            *point = (*point).min(end);
        }
        let mut on_disk = lock(&self.on_disk);
        let is_beyond = |points: &Points| points.get(partition).is_some_and(|point| *point > end);
        if on_disk.as_ref().is_none_or(is_beyond) {
            self.write_locked(&mut on_disk)?;
        }
        Ok(())
    }

    /// Forgets logs that are no more, in the file too.
    pub(super) fn forget(&self, partitions: &[TopicPartition]) -> Result<(), ChangeError> {
        if let Some(ends) = &self.flushed_ends {
            let logs: Vec<_> = partitions
                .iter()
                .map(|partition| (partition, self.topic_id(partition)))
                .collect();
            ends.forget(&logs)?;
        }
        let mut noted = lock(&self.noted);
        partitions.iter().for_each(|partition| {
            noted.remove(partition);
        });
        drop(noted);
        let mut on_disk = lock(&self.on_disk);
        let has_one = |points: &Points| partitions.iter().any(|p| points.contains_key(p));
        if on_disk.as_ref().is_none_or(has_one) {
            self.write_locked(&mut on_disk)?;
        }
        Ok(())
    }

    /// Forgets what is known of a log whose directory cannot say its topic's id any more.
    pub(super) fn forget_flushed_end(
        &self,
        topic_id: TopicId,
        partition: &TopicPartition,
    ) -> Result<(), ChangeError> {
        let Some(ends) = &self.flushed_ends else {
            return Ok(());
        };
        ends.forget(&[(partition, Some(topic_id))])
    }

    /// Writes all points, if they have changed.
    pub(super) fn write(&self) -> Result<(), ChangeError> {
        self.write_locked(&mut lock(&self.on_disk))
    }

    /// The id in a log's directory, for one that this process has not opened.
    fn topic_id(&self, partition: &TopicPartition) -> Option<TopicId> {
        let dir = self.path.parent()?.join(partition.to_string());
        let text = atomic_file::read_text(self.disk.as_ref(), &dir.join(PARTITION_METADATA));
        partition_metadata::parse(&text.ok()??)
    }

    fn write_locked(&self, on_disk: &mut Option<Points>) -> Result<(), ChangeError> {
        let points = lock(&self.noted).clone();
        if on_disk.as_ref() != Some(&points) {
            let content = checkpoint_file::format(&points);
            *on_disk = None;
            self.reserve.with_room(content.len(), || {
                atomic_file::replace(self.disk.as_ref(), &self.path, content.as_bytes())
            })?;
            *on_disk = Some(points);
        }
        Ok(())
    }
}
