//! Consumers' reads: long polls that never enter the owner.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use trimaran_api::ApiError;
use trimaran_api::replica::ReadQuery;
use trimaran_commit_log::ReadError;
use trimaran_types::limits::{LONG_POLL_MS_MAX, READ_BYTES_MAX};
use trimaran_types::record_batch::BatchHeader;
use trimaran_types::{KafkaError, LeaderEpoch, Offset};

use super::PartitionHandle;
use super::refusal::{not_serving, offset_out_of_range};
use super::status::{PartitionRole, PartitionStatus};

/// What a read found.
#[derive(Debug, Clone)]
pub struct Records {
    /// Whole batches; the first may begin before the offset asked for. Empty when nothing came in
    /// time.
    pub bytes: Bytes,
    /// First offset that may not be read yet.
    pub high_watermark: Offset,
    /// First offset kept.
    pub log_start: Offset,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
}

impl PartitionHandle {
    /// Reads committed records from `query.offset` on; waits for them at most `query.wait_ms`.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` with the log's bounds in its details; `NOT_LEADER_OR_FOLLOWER`, also
    /// when the leadership ends while the read waits; `KAFKA_STORAGE_ERROR`.
    pub async fn read(&self, query: &ReadQuery) -> Result<Records, ApiError> {
        let wait = Duration::from_millis(query.wait_ms.min(LONG_POLL_MS_MAX));
        let deadline = Instant::now() + wait;
        let mut watch = self.watch();
        loop {
            let status = *watch.borrow_and_update();
            let leader_epoch = self.check_readable(&status, query.offset)?;
            let bytes = self.read_below(query, &status)?;
            let enough = bytes.len() >= query.bytes_min.min(query.bytes_max)
                || end_of(&bytes) < Some(status.high_watermark);
            if (enough && !bytes.is_empty()) || Instant::now() >= deadline {
                let (high_watermark, log_start) = (status.high_watermark, status.log_start);
                return Ok(Records {
                    bytes,
                    high_watermark,
                    log_start,
                    leader_epoch,
                });
            }
            let changed = watch.wait_for(|now| {
                now.high_watermark > status.high_watermark
                    || now.role != status.role
                    || now.log_end < query.offset
                    || now.log_start > query.offset
            });
            if matches!(tokio::time::timeout_at(deadline, changed).await, Ok(Err(_))) {
                return Err(not_serving(self.name(), KafkaError::NotLeaderOrFollower));
            }
        }
    }

    fn check_readable(
        &self,
        status: &PartitionStatus,
        offset: Offset,
    ) -> Result<LeaderEpoch, ApiError> {
        let leader_epoch = match (status.role, status.leader_epoch) {
            (PartitionRole::Leader, Some(epoch)) => epoch,
            (PartitionRole::Failed, _) => {
                return Err(not_serving(self.name(), KafkaError::KafkaStorageError));
            }
            _ => return Err(not_serving(self.name(), KafkaError::NotLeaderOrFollower)),
        };
        // Beyond the high watermark and in the log is a place that a reader may wait at.
        if offset < status.log_start || offset > status.log_end {
            let (log_start, high_watermark) = (status.log_start, status.high_watermark);
            return Err(offset_out_of_range(
                self.name(),
                offset,
                log_start,
                high_watermark,
            ));
        }
        Ok(leader_epoch)
    }

    /// The committed records from the offset on, as many as one read gives.
    fn read_below(&self, query: &ReadQuery, status: &PartitionStatus) -> Result<Bytes, ApiError> {
        if query.offset >= status.high_watermark {
            return Ok(Bytes::new());
        }
        let bytes_max = query.bytes_max.min(READ_BYTES_MAX);
        let read = self
            .reader()
            .read(query.offset, status.high_watermark, bytes_max);
        read.map_err(|error| match error {
            ReadError::OutOfRange {
                offset, log_start, ..
            } => offset_out_of_range(self.name(), offset, log_start, status.high_watermark),
            error => {
                tracing::error!(partition = self.name(), %error, "cannot read the log");
                not_serving(self.name(), KafkaError::KafkaStorageError)
            }
        })
    }
}

/// Where the last of some batches ends. A read may stop before the high watermark, at the end of a
/// segment for one; then waiting for more would be waiting for nothing.
fn end_of(bytes: &Bytes) -> Option<Offset> {
    let mut rest: &[u8] = bytes;
    let mut end = None;
    while let Ok(header) = BatchHeader::parse(rest) {
        end = Some(header.next_offset());
        rest = rest.get(header.total_bytes()..).unwrap_or_default();
    }
    end
}
