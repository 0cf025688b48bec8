//! Whether a leader may append a producer's batch: the rules of Kafka's `ProducerAppendInfo`.

use trimaran_types::record_batch::EndMarker;
use trimaran_types::{KafkaError, ProducerEpoch, ProducerId};

use super::batch::{Content, ProducerBatch};
use super::entry::{ProducerEntry, RememberedBatch};
use super::{PRODUCERS_MAX, Sequence};

/// Who asks for an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A client, which may repeat itself and may not write markers.
    Client,
    /// A coordinator of the cluster, whose batches carry no sequence that counts.
    Coordinator,
}

/// What to do with a batch that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Append it.
    New,
    /// It is in the log already, here.
    Duplicate(RememberedBatch),
}

/// Why a producer's batch is refused. Nothing of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProducerRefusal {
    /// A batch is missing before it, or it is too old to be recognised as a repetition.
    #[error(
        "producer {producer} in epoch {epoch} sent sequence {found}, its last one here is {last}"
    )]
    OutOfOrderSequence {
        /// The producer.
        producer: ProducerId,
        /// The epoch of the batch.
        epoch: ProducerEpoch,
        /// The batch's first sequence.
        found: Sequence,
        /// The last one in the log; none in an epoch that begins.
        last: Sequence,
    },
    /// Another holder of the id has a higher epoch.
    #[error("producer {producer} has epoch {found}, the log has seen epoch {latest}")]
    FencedEpoch {
        /// The producer.
        producer: ProducerId,
        /// The batch's epoch.
        found: ProducerEpoch,
        /// The latest one.
        latest: ProducerEpoch,
    },
    /// A deposed transaction coordinator.
    #[error("producer {producer}: marker of coordinator epoch {found}, the log has seen {latest}")]
    FencedCoordinator {
        /// The producer.
        producer: ProducerId,
        /// The marker's coordinator epoch.
        found: i32,
        /// The latest one.
        latest: i32,
    },
    /// Records outside of a transaction while one is open.
    #[error("producer {producer} has an open transaction and sent records outside of it")]
    OutsideTransaction {
        /// The producer.
        producer: ProducerId,
    },
    /// The log remembers as many producers as it may.
    #[error("log remembers {PRODUCERS_MAX} producers, no more until some expire")]
    TooManyProducers,
    /// A client sent what only the cluster writes, or a producer without epoch or sequence.
    #[error("batch is a marker, or has a producer id without epoch or sequence")]
    NotFromProducer,
}

impl ProducerRefusal {
    /// The error that Kafka's protocol has for it.
    #[must_use]
    pub const fn kafka_error(&self) -> KafkaError {
        match self {
            Self::OutOfOrderSequence { .. } => KafkaError::OutOfOrderSequenceNumber,
            Self::FencedEpoch { .. } => KafkaError::InvalidProducerEpoch,
            Self::FencedCoordinator { .. } => KafkaError::TransactionCoordinatorFenced,
            Self::OutsideTransaction { .. } => KafkaError::InvalidTxnState,
            Self::TooManyProducers => KafkaError::ThrottlingQuotaExceeded,
            Self::NotFromProducer => KafkaError::InvalidRecord,
        }
    }
}

/// Judges a batch against what is known of its producer; `None` means nothing is known, and then
/// any sequence is taken, since retention may have removed what came before (KAFKA-5793).
pub(super) fn check(
    entry: Option<&ProducerEntry>,
    batch: &ProducerBatch,
    origin: Origin,
) -> Result<Verdict, ProducerRefusal> {
    match batch.content {
        Content::Data {
            first,
            transactional,
        } => {
            if origin == Origin::Client && (first.0 < 0 || batch.epoch.0 < 0) {
                return Err(ProducerRefusal::NotFromProducer);
            }
            let Some(entry) = entry else {
                return Ok(Verdict::New);
            };
            check_epoch(entry, batch)?;
            if origin == Origin::Client {
                let last = first.plus(batch.offset_delta());
                if batch.epoch == entry.epoch
                    && let Some(found) = entry.find(first, last)
                {
                    return Ok(Verdict::Duplicate(found));
                }
                check_sequence(entry, batch, first)?;
            }
            if entry.transaction_first.is_some() && !transactional {
                return Err(ProducerRefusal::OutsideTransaction {
                    producer: batch.producer,
                });
            }
        }
        Content::End(_) | Content::Nothing if origin == Origin::Client => {
            return Err(ProducerRefusal::NotFromProducer);
        }
        Content::End(marker) => {
            if let Some(entry) = entry {
                check_epoch(entry, batch)?;
                check_coordinator(entry, batch.producer, marker)?;
            }
        }
        Content::Nothing => {}
    }
    Ok(Verdict::New)
}

fn check_epoch(entry: &ProducerEntry, batch: &ProducerBatch) -> Result<(), ProducerRefusal> {
    if batch.epoch < entry.epoch {
        return Err(ProducerRefusal::FencedEpoch {
            producer: batch.producer,
            found: batch.epoch,
            latest: entry.epoch,
        });
    }
    Ok(())
}

fn check_sequence(
    entry: &ProducerEntry,
    batch: &ProducerBatch,
    found: Sequence,
) -> Result<(), ProducerRefusal> {
    let last = if batch.epoch == entry.epoch {
        entry.last_sequence()
    } else {
        Sequence::NONE
    };
    if last.is_followed_by(found) {
        return Ok(());
    }
    Err(ProducerRefusal::OutOfOrderSequence {
        producer: batch.producer,
        epoch: batch.epoch,
        found,
        last,
    })
}

fn check_coordinator(
    entry: &ProducerEntry,
    producer: ProducerId,
    marker: EndMarker,
) -> Result<(), ProducerRefusal> {
    match entry.coordinator_epoch {
        Some(latest) if marker.coordinator_epoch < latest => {
            Err(ProducerRefusal::FencedCoordinator {
                producer,
                found: marker.coordinator_epoch,
                latest,
            })
        }
        _ => Ok(()),
    }
}
