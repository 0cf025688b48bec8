//! [`EndMarker`]: the control record that ends a producer's transaction in one partition.
//!
//! Kafka's format (KIP-98; `ControlRecordType.java`, `EndTxnMarker.json`): the key is
//! `version i16 | type i16`, type 0 abort and 1 commit; the value is
//! `version i16 | coordinator epoch i32`. Later versions may add fields at the end.

use super::attributes::TimestampType;
use super::batch::RecordBatch;
use super::builder::BatchBuilder;
use super::header::BatchProducer;
use crate::{ProducerEpoch, ProducerId, Timestamp};

const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionEnd {
    /// Its records do not count.
    Abort,
    /// Its records count.
    Commit,
}

/// The end of a producer's transaction, as the partition's log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndMarker {
    /// How it ended.
    pub end: TransactionEnd,
    /// The epoch of the transaction coordinator that decided it.
    pub coordinator_epoch: i32,
    /// When the marker was made.
    pub timestamp: Timestamp,
}

impl EndMarker {
    /// The marker in a control batch; `None` when its first record is none, which other kinds of
    /// control batches and those emptied by compaction are.
    #[must_use]
    pub fn read(batch: &RecordBatch) -> Option<Self> {
        if !batch.header().attributes.is_control() {
            return None;
        }
        let record = batch.record_views().ok()?.next()?.ok()?;
        let (version, rest) = record.key?.split_first_chunk()?;
        let end = match i16::from_be_bytes(*rest.first_chunk()?) {
            ABORT => TransactionEnd::Abort,
            COMMIT => TransactionEnd::Commit,
            _ => return None,
        };
        let (value_version, rest) = record.value?.split_first_chunk()?;
        if i16::from_be_bytes(*version) < 0 || i16::from_be_bytes(*value_version) < 0 {
            return None;
        }
        Some(Self {
            end,
            coordinator_epoch: i32::from_be_bytes(*rest.first_chunk()?),
            timestamp: record.timestamp,
        })
    }

    /// The control batch that carries the marker, in version 0.
    ///
    /// # Panics
    /// Never: a marker is far smaller than a batch may be.
    #[must_use]
    pub fn to_batch(self, producer: ProducerId, epoch: ProducerEpoch) -> RecordBatch {
        let kind = match self.end {
            TransactionEnd::Abort => ABORT,
            TransactionEnd::Commit => COMMIT,
        };
        let mut key = Vec::from(0_i16.to_be_bytes());
        key.extend_from_slice(&kind.to_be_bytes());
        let mut value = Vec::from(0_i16.to_be_bytes());
        value.extend_from_slice(&self.coordinator_epoch.to_be_bytes());
        let mut builder = BatchBuilder::new(TimestampType::CreateTime)
            .producer(BatchProducer {
                id: producer,
                epoch,
                base_sequence: -1,
            })
            .transactional()
            .control();
        builder
            .push(self.timestamp, Some(&key), Some(&value), &[])
            .expect("a marker is far smaller than a batch may be");
        builder.build().expect("one record was pushed")
    }
}
