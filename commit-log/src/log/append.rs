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
use super::TruncateError;
use super::replay::read_producer_batch;
use super::run::{Run, RunPlanner};
use crate::damage::Damage;
use crate::latch::DirFailed;
use crate::producers::{Draft, Origin, ProducerBatch, ProducerRefusal, Verdict};
use crate::segment_scan::check_order;

/// What an append did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record that was given, which may be that of an earlier append; the log's
    /// end when none was.
    pub base_offset: Offset,
    /// The log's end after it.
    pub end: Offset,
    /// Every batch that was given, in order.
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
    /// The largest timestamp of its records.
    pub max_timestamp: Timestamp,
    /// Whether it was in the log before, as the same producer's same records, and was not written
    /// again. It is as durable as the log is at its offsets, no more.
    pub is_duplicate: bool,
}

impl AppendedBatch {
    const fn of(header: &BatchHeader) -> Self {
        Self {
            base: header.base_offset,
            last: header.last_offset(),
            max_timestamp: header.max_timestamp,
            is_duplicate: false,
        }
    }
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
        /// The disk or a quota is full, so that other logs of the directory find no room either.
        disk_is_full: bool,
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
    /// The state of its producer does not allow it.
    #[error("batch {number} is refused: {cause}")]
    Producer {
        /// Its place among those given, from 0.
        number: usize,
        /// The rule that it breaks.
        cause: ProducerRefusal,
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
    /// Appends clients' batches at the log's end, in order, under `epoch`. `now` is the wall clock,
    /// for the age of segments and producers, and for the records where
    /// [`LogConfig::timestamp_type`] says so.
    ///
    /// A batch of a producer that repeats one of its last five is not written again and is answered
    /// with the offsets that it has (promise P-ONCE). Whoever acknowledges it waits for these
    /// offsets as for new ones: the first copy may not be durable yet.
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
        self.prepare_producers(&batches, now);
        self.append(batches, epoch, now, Origin::Client)
    }

    /// Appends what a coordinator of the cluster writes: records whose sequence does not count, and
    /// the markers that end transactions.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing was appended.
    pub fn append_as_coordinator(
        &mut self,
        batches: Vec<RecordBatch>,
        epoch: LeaderEpoch,
        now: Timestamp,
    ) -> Result<Appended, AppendError> {
        self.append(batches, epoch, now, Origin::Coordinator)
    }

    fn append(
        &mut self,
        batches: Vec<RecordBatch>,
        epoch: LeaderEpoch,
        now: Timestamp,
        origin: Origin,
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
        let mut placed = Vec::with_capacity(batches.len());
        let mut draft = Draft::new(&self.producers, origin);
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
            let producer = read_producer_batch(&header, &batch);
            let verdict = producer
                .map_or(Ok(Verdict::New), |batch| draft.check(&batch))
                .map_err(|cause| AppendError::Producer { number, cause })?;
            if let Verdict::Duplicate(original) = verdict {
                placed.push(AppendedBatch {
                    base: original.first_offset(),
                    last: original.last_offset,
                    max_timestamp: original.timestamp,
                    is_duplicate: true,
                });
                continue;
            }
            placed.push(AppendedBatch::of(&header));
            if planner.starts_run(&header, next) {
                groups.push(Group {
                    rolls: planner.last_rolls(),
                    headers: Vec::new(),
                    batches: Vec::new(),
                    producers: Vec::new(),
                });
            }
            let group = groups.last_mut().expect("the first batch starts a run");
            next = header.next_offset();
            group.producers.extend(producer);
            group.headers.push(header);
            group.batches.push(batch);
        }
        let runs = groups.into_iter().map(|group| group.stamp(epoch)).collect();
        let bytes = self.write_runs(runs, now, true)?;
        Ok(self.appended(next, placed, bytes))
    }

    fn appended(&self, end_before: Offset, batches: Vec<AppendedBatch>, bytes: u64) -> Appended {
        Appended {
            base_offset: batches.first().map_or(end_before, |batch| batch.base),
            end: self.log_end,
            batches,
            bytes,
        }
    }

    /// Appends what was read from a leader: whole batches with their offsets and epochs, which the
    /// log learns from them. In an empty log, the first batch may hold the log's start: its earlier
    /// records are there then, and not readable.
    ///
    /// A gap in front of a batch tells that the leader's log was compacted once, since the reader of
    /// a dense log serves none. This log then is one with gaps, too, durably before it has the first.
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
            return Ok(self.appended(self.log_end, Vec::new(), 0));
        }
        let log_start = self.log_start;
        let Some(batch_start) = self.start_inside_of(&bytes) else {
            return self.append_in_order(bytes, now);
        };
        self.begin_at(batch_start)?;
        let appended = self.append_in_order(bytes, now);
        match &appended {
            Ok(_) => self.raise_log_start(log_start),
            Err(_) => self.begin_at(log_start)?,
        }
        appended
    }

    /// Where the first batch begins, if the leader's log start lies inside of it (KIP-107) and this
    /// log, which is empty, begins there.
    fn start_inside_of(&self, bytes: &Bytes) -> Option<Offset> {
        let header = BatchHeader::parse(bytes).ok()?;
        let is_empty = self.log_start == self.log_end && self.active.bytes == 0;
        (is_empty && header.base_offset < self.log_end && self.log_end < header.next_offset())
            .then_some(header.base_offset)
    }

    fn begin_at(&mut self, offset: Offset) -> Result<(), AppendError> {
        self.truncate_fully_and_start_at(offset)
            .map_err(|error| match error {
                TruncateError::DirFailed(failed) => failed.into(),
                TruncateError::Read(_) | TruncateError::Io { .. } => AppendError::NoRoom {
                    dir: self.dir().to_owned(),
                    bytes: 0,
                    disk_is_full: false,
                    cause: error.to_string(),
                },
            })
    }

    fn append_in_order(&mut self, bytes: Bytes, now: Timestamp) -> Result<Appended, AppendError> {
        // An epoch that has no record is the claim of a leader that wrote nothing; the leader that
        // is followed now may send records of earlier epochs.
        self.epochs.truncate_from(self.log_end);
        let mut next = self.log_end;
        let mut latest = self.latest_epoch();
        let mut planner = RunPlanner::new(self, now);
        let mut runs: Vec<Run> = Vec::new();
        let mut placed = Vec::new();
        let (mut at, mut has_gap) = (0, false);
        for (number, batch) in split(bytes.clone()).enumerate() {
            let invalid = |cause| AppendError::Invalid { number, cause };
            let batch = batch.map_err(|error| invalid(error.into()))?;
            let (header, epoch) =
                check_order(*batch.header(), next, latest, true).map_err(invalid)?;
            has_gap |= header.base_offset > next;
            let end = at + header.total_bytes();
            if planner.starts_run(&header, next) {
                let rolls = planner.last_rolls();
                runs.push(Run {
                    rolls,
                    base: next,
                    headers: Vec::new(),
                    bytes: bytes.slice(at..at),
                    producers: Vec::new(),
                });
            }
            let run = runs.last_mut().expect("the first batch starts a run");
            let start = end - header.total_bytes() - run.bytes.len();
            run.bytes = bytes.slice(start..end);
            run.headers.push(header);
            run.producers.extend(read_producer_batch(&header, &batch));
            placed.push(AppendedBatch::of(&header));
            (at, next, latest) = (end, header.next_offset(), Some(epoch));
        }
        if has_gap {
            self.take_gaps_over()?;
        }
        let bytes = self.write_runs(runs, now, false)?;
        self.expire_producers(now);
        Ok(self.appended(next, placed, bytes))
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
    producers: Vec<ProducerBatch>,
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
            base: self.headers[0].base_offset,
            headers: self.headers,
            bytes,
            producers: self.producers,
        }
    }
}
