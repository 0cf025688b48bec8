//! [`ProducerBatch`]: what of a batch concerns the state of its producer.

use trimaran_types::record_batch::{BatchHeader, EndMarker};
use trimaran_types::{Offset, ProducerEpoch, ProducerId, Timestamp};

use super::Sequence;

/// A batch that names a producer, without its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerBatch {
    pub producer: ProducerId,
    pub epoch: ProducerEpoch,
    pub first_offset: Offset,
    /// The last offset that the batch covers.
    pub last_offset: Offset,
    /// The largest of its records.
    pub timestamp: Timestamp,
    pub content: Content,
}

/// What a producer's batch holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Records.
    Data {
        first: Sequence,
        transactional: bool,
    },
    /// The end of a transaction.
    End(EndMarker),
    /// A control batch without a marker: compaction has emptied it.
    Nothing,
}

impl ProducerBatch {
    /// The batch with this header; `None` without a producer, which is all that is looked at then.
    /// `marker` reads the records of a control batch.
    pub(crate) fn of(
        header: &BatchHeader,
        marker: impl FnOnce() -> Option<EndMarker>,
    ) -> Option<Self> {
        let producer = header.producer?;
        let content = if header.attributes.is_control() {
            marker().map_or(Content::Nothing, Content::End)
        } else {
            Content::Data {
                first: Sequence(producer.base_sequence),
                transactional: header.attributes.is_transactional(),
            }
        };
        Some(Self {
            producer: producer.id,
            epoch: producer.epoch,
            first_offset: header.base_offset,
            last_offset: header.last_offset(),
            timestamp: header.max_timestamp,
            content,
        })
    }

    /// How many offsets lie between the first and the last.
    pub(crate) fn offset_delta(&self) -> u32 {
        let delta = self.last_offset.distance_from(self.first_offset);
        u32::try_from(delta).unwrap_or(u32::MAX)
    }
}
