//! Appending: as leader, which assigns offsets, and as follower, which keeps them.
//!
//! Everything that waits goes to the file in one write call, more only where a segment ends in
//! between. Readers see it after all of it is written; when a write fails, none of it remains.

use bytes::{Bytes, BytesMut};
use trimaran_types::record_batch::{
    BatchError, BatchHeader, RecordBatch, TimestampType, split, stamp_in_place,
};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use super::Log;
use super::run::{Run, RunPlanner};
use crate::damage::Damage;
use crate::latch::DirFailed;
use crate::segment_scan::check_order;

/// What an append did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record; the log's end when nothing was appended.
    pub base_offset: Offset,
    /// The log's end after it.
    pub end: Offset,
    /// Every batch, in order.
    pub batches: Vec<AppendedBatch>,
    /// Bytes written.
    pub bytes: u64,
}

/// Where one batch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendedBatch {
    /// Offset of its first record.
    pub base: Offset,
    /// Offset of its last record.
    pub last: Offset,
}

/// Why nothing was appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The directory is out of service, perhaps since this append.
    #[error(transparent)]
    DirFailed(#[from] DirFailed),
    /// No room is left on the disk, or no descriptor for a file; the log is as it was, and a later
    /// append may succeed.
    #[error("no room is left for {bytes} bytes in {}: {cause}", dir.display())]
    NoRoom {
        /// The log's directory.
        dir: std::path::PathBuf,
        /// What was to be written.
        bytes: usize,
        /// The system's answer.
        cause: String,
    },
    /// The leader's epoch is not the one that was assigned last.
    #[error("append in leader epoch {epoch}, the log is in epoch {latest:?}")]
    WrongEpoch {
        /// The caller's epoch.
        epoch: LeaderEpoch,
        /// The latest one.
        latest: Option<LeaderEpoch>,
    },
    /// Larger than `max.message.bytes` or than a segment.
    #[error("batch has {bytes} bytes, the limit is {bytes_max}")]
    BatchTooLarge {
        /// The batch's bytes.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// No good batch, or one that does not belong at the log's end.
    #[error("batch {number} cannot be appended: {cause}")]
    Invalid {
        /// Its place among those given, from 0.
        number: usize,
        /// What is wrong with it.
        cause: Damage,
    },
}

impl Log {
    /// Appends batches at the log's end, in order, under `epoch`. `now` is the wall clock, for the
    /// age of segments, and for the records where [`LogConfig::timestamp_type`] says so.
    ///
    /// [`LogConfig::timestamp_type`]: crate::LogConfig::timestamp_type
    ///
    /// # Errors
    /// See [`AppendError`]; nothing was appended.
    pub fn append_as_leader(
        &mut self,
        batches: Vec<RecordBatch>,
        epoch: LeaderEpoch,
        now: Timestamp,
    ) -> Result<Appended, AppendError> {
        self.context().latch.check()?;
        let latest = self.latest_epoch();
        if latest != Some(epoch) {
            return Err(AppendError::WrongEpoch { epoch, latest });
        }
        let segment_bytes = usize::try_from(self.config.segment_bytes).unwrap_or(usize::MAX);
        let bytes_max = self.config.batch_bytes_max.min(segment_bytes);
        let mut next = self.log_end;
        let mut planner = RunPlanner::new(self, now);
        let mut groups: Vec<Group> = Vec::new();
        for (number, batch) in batches.into_iter().enumerate() {
            check_produced(&batch, bytes_max, next).map_err(|refusal| refusal.at(number))?;
            let batch = match self.config.timestamp_type {
                TimestampType::CreateTime => batch,
                TimestampType::LogAppendTime => batch.with_append_time(now),
            };
            let header = BatchHeader {
                base_offset: next,
                leader_epoch: Some(epoch),
                ..*batch.header()
            };
            if planner.starts_run(&header) {
                groups.push(Group {
                    rolls: planner.last_rolls(),
                    headers: Vec::new(),
                    batches: Vec::new(),
                });
            }
            let group = groups.last_mut().expect("the first batch starts a run");
            next = header.next_offset();
            group.headers.push(header);
            group.batches.push(batch);
        }
        let runs = groups.into_iter().map(|group| group.stamp(epoch)).collect();
        self.write_runs(runs, now, true)
    }

    /// Appends what was read from a leader: whole batches with their offsets and epochs, which the
    /// log learns from them.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing was appended.
    pub fn append_as_follower(
        &mut self,
        bytes: Bytes,
        now: Timestamp,
    ) -> Result<Appended, AppendError> {
        self.context().latch.check()?;
        if bytes.is_empty() {
            return self.write_runs(Vec::new(), now, false);
        }
        // An epoch that has no record is the claim of a leader that wrote nothing; the leader that
        // is followed now may send records of earlier epochs.
        self.epochs.truncate_from(self.log_end);
        let mut next = self.log_end;
        let mut latest = self.latest_epoch();
        let mut planner = RunPlanner::new(self, now);
        let mut runs: Vec<Run> = Vec::new();
        let mut at = 0;
        for (number, batch) in split(bytes.clone()).enumerate() {
            let (header, epoch) = batch
                .map_err(Damage::from)
                .and_then(|batch| check_order(*batch.header(), next, latest, self.config.compacted))
                .map_err(|cause| AppendError::Invalid { number, cause })?;
            let end = at + header.total_bytes();
            if planner.starts_run(&header) {
                let rolls = planner.last_rolls();
                runs.push(Run {
                    rolls,
                    headers: Vec::new(),
                    bytes: bytes.slice(at..at),
                });
            }
            let run = runs.last_mut().expect("the first batch starts a run");
            let start = end - header.total_bytes() - run.bytes.len();
            run.bytes = bytes.slice(start..end);
            run.headers.push(header);
            (at, next, latest) = (end, header.next_offset(), Some(epoch));
        }
        self.write_runs(runs, now, false)
    }
}

/// Why a producer's batch is refused.
enum Refusal {
    TooLarge { bytes: usize, bytes_max: usize },
    Invalid(Damage),
}

impl Refusal {
    fn at(self, number: usize) -> AppendError {
        match self {
            Self::TooLarge { bytes, bytes_max } => AppendError::BatchTooLarge { bytes, bytes_max },
            Self::Invalid(cause) => AppendError::Invalid { number, cause },
        }
    }
}

fn check_produced(batch: &RecordBatch, bytes_max: usize, next: Offset) -> Result<(), Refusal> {
    let header = batch.header();
    let bytes = batch.bytes().len();
    if bytes > bytes_max {
        return Err(Refusal::TooLarge { bytes, bytes_max });
    }
    let (count, delta) = (
        header.record_count.cast_signed(),
        header.last_offset_delta.cast_signed(),
    );
    if !header.is_dense() {
        let error = BatchError::RecordCount {
            count,
            last_offset_delta: delta,
            bytes,
        };
        return Err(Refusal::Invalid(error.into()));
    }
    // Offsets end one short of the largest number, so that an end always exists.
    if next.0 >= i64::MAX - 1 - i64::from(delta) {
        let error = BatchError::OffsetOutOfBounds {
            base_offset: next.0,
            last_offset_delta: delta,
        };
        return Err(Refusal::Invalid(error.into()));
    }
    Ok(())
}

/// Producers' batches that go into one write.
struct Group {
    rolls: bool,
    headers: Vec<BatchHeader>,
    batches: Vec<RecordBatch>,
}

impl Group {
    /// Puts offsets and epoch into the batches: a single one in place if nobody else holds it,
    /// several while they are copied together.
    fn stamp(mut self, epoch: LeaderEpoch) -> Run {
        let bytes = if self.batches.len() == 1 {
            let batch = self.batches.remove(0);
            batch
                .stamped(self.headers[0].base_offset, epoch)
                .into_bytes()
        } else {
            let total = self.batches.iter().map(|batch| batch.bytes().len()).sum();
            let mut joined = BytesMut::with_capacity(total);
            for (batch, header) in self.batches.iter().zip(&self.headers) {
                let start = joined.len();
                joined.extend_from_slice(batch.bytes());
                stamp_in_place(&mut joined[start..], header.base_offset, epoch);
            }
            joined.freeze()
        };
        Run {
            rolls: self.rolls,
            headers: self.headers,
            bytes,
        }
    }
}
