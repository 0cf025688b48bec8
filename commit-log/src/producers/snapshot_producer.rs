//! [`SnapshotProducer`]: one producer as a snapshot file has it, for those who only look.

use trimaran_types::{Offset, ProducerEpoch, ProducerId, Timestamp};

use super::Sequence;
use super::entry::ProducerEntry;

/// One producer in a `.snapshot` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotProducer {
    /// The producer.
    pub producer: ProducerId,
    /// Its latest epoch.
    pub epoch: ProducerEpoch,
    /// The last sequence number in that epoch; [`Sequence::NONE`] without a batch.
    pub last_sequence: Sequence,
    /// First and last offset of its last batch of records in that epoch, if it has sent one.
    pub last_batch: Option<(Offset, Offset)>,
    /// The largest timestamp of its last batch or marker.
    pub last_timestamp: Timestamp,
    /// Of the coordinator that sent its last marker.
    pub coordinator_epoch: Option<i32>,
    /// Where its open transaction began.
    pub transaction_first: Option<Offset>,
}

impl SnapshotProducer {
    pub(super) fn of(producer: ProducerId, entry: &ProducerEntry) -> Self {
        let last = entry.batches.back();
        Self {
            producer,
            epoch: entry.epoch,
            last_sequence: last.map_or(Sequence::NONE, |batch| batch.last),
            last_batch: last.map(|batch| (batch.first_offset(), batch.last_offset)),
            last_timestamp: entry.last_timestamp,
            coordinator_epoch: entry.coordinator_epoch,
            transaction_first: entry.transaction_first,
        }
    }
}
