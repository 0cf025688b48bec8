//! Replay: the only code that changes an image.
//!
//! The **guard**. A controller decides on an image that runs ahead of what is committed. Should it
//! lose its leadership in between, and other records get in, what it decided no longer holds. So
//! an entry names the term and the position it was decided on, and replay refuses the whole entry
//! when either differs from where the log really put it. The test sees nothing but the entry and
//! the image, so every node comes to the same verdict. A refused entry moves index and term and
//! nothing else; as it used up no offsets, what was decided on top of it is refused as well.
//!
//! A record that makes no sense in the image refuses its entry likewise: replay never guesses.

mod brokers;
mod cluster;
mod invalid_record;
mod partitions;
mod topics;

use trimaran_types::{MetadataOffset, Timestamp};

pub use invalid_record::InvalidRecord;

use crate::entry::MetadataEntry;
use crate::image::{ImagePosition, MetadataImage};
use crate::record::{ChangeOrigin, MetadataRecord};

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyOutcome {
    /// Its records are in the image.
    Applied {
        /// The offset of its first record.
        base_offset: MetadataOffset,
        /// The offset after its last record.
        end_offset: MetadataOffset,
    },
    /// None of it is in the image.
    Refused(Refused),
}

/// Why an entry was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The image has replayed this index before; it did not move at all.
    #[error("entry {index} was replayed before, the image is at {at_index}")]
    Replayed {
        /// The entry's index.
        index: u64,
        /// The image's index.
        at_index: u64,
    },
    /// Decided in another term than the one it was committed in.
    #[error("entry was decided in term {decided} and written in term {written}")]
    Term {
        /// The term in the entry.
        decided: u64,
        /// The term of the log entry that carries it.
        written: u64,
    },
    /// Decided on another position than the one it was committed on.
    #[error("entry was decided on offset {decided}, the image is at {expected}")]
    Offset {
        /// The offset in the entry.
        decided: MetadataOffset,
        /// The image's next offset.
        expected: MetadataOffset,
    },
    /// A record makes no sense in the image.
    #[error("record {record} of the entry is invalid")]
    Invalid {
        /// Its place in the entry, from 0.
        record: usize,
        /// What is wrong with it.
        #[source]
        cause: InvalidRecord,
    },
}

impl Refused {
    /// Whether the entry shows that the image is of another history than its leader's.
    ///
    /// Within a term one leader proposes. It has applied everything before its term, and counts what
    /// it has proposed since, so an entry of its own may name too high an offset, where one before
    /// it was lost, and never too low a one.
    #[must_use]
    pub fn is_of_another_history(&self) -> bool {
        matches!(self, Self::Offset { decided, expected } if decided < expected)
    }
}

impl MetadataImage {
    /// The image after the entry that the log holds at `index`, in `term`.
    ///
    /// Entries come in the order of the log, each once; one from before the image's position is
    /// refused and leaves even the position alone.
    #[must_use]
    pub fn apply(&self, index: u64, term: u64, entry: &MetadataEntry) -> (Self, ApplyOutcome) {
        let at_index = self.position.index;
        if index <= at_index {
            let refused = Refused::Replayed { index, at_index };
            return (self.clone(), ApplyOutcome::Refused(refused));
        }
        match self.applied(index, term, entry) {
            Ok(image) => {
                debug_assert_eq!(image.validate(), Ok(()), "replay keeps the invariants");
                let end_offset = image.position.next_offset;
                (
                    image,
                    ApplyOutcome::Applied {
                        base_offset: entry.base_offset,
                        end_offset,
                    },
                )
            }
            Err(refused) => (self.advance(index, term), ApplyOutcome::Refused(refused)),
        }
    }

    /// The image after an entry at `index` that carries no records: blank, or of membership.
    #[must_use]
    pub fn advance(&self, index: u64, term: u64) -> Self {
        let mut image = self.clone();
        if index > image.position.index {
            image.position = ImagePosition {
                index,
                term,
                ..image.position
            };
        }
        image
    }

    /// The image as it will be once `records` are committed next, for deciding further.
    ///
    /// Index and term stay as they are, and the reasons' times are not known yet: this is a view
    /// to decide on, never one to publish.
    ///
    /// # Errors
    /// When a record makes no sense: then its entry would be refused, so it must not be proposed.
    pub fn replay_pending(&self, records: &[MetadataRecord]) -> Result<Self, InvalidRecord> {
        let (at, index) = (Timestamp(0), self.position.index);
        let mut image = self.clone();
        for record in records {
            let offset = image.position.next_offset;
            image.replay(record, ChangeOrigin { at, index, offset })?;
            image.position.next_offset = offset.plus(1);
        }
        Ok(image)
    }

    fn applied(&self, index: u64, term: u64, entry: &MetadataEntry) -> Result<Self, Refused> {
        if entry.term != term {
            return Err(Refused::Term {
                decided: entry.term,
                written: term,
            });
        }
        let expected = self.position.next_offset;
        if entry.base_offset != expected {
            return Err(Refused::Offset {
                decided: entry.base_offset,
                expected,
            });
        }
        let mut image = self.clone();
        let mut next_offset = expected;
        for (place, record) in entry.records.iter().enumerate() {
            let origin = ChangeOrigin {
                at: entry.timestamp,
                index,
                offset: next_offset,
            };
            image
                .replay(record, origin)
                .map_err(|cause| Refused::Invalid {
                    record: place,
                    cause,
                })?;
            next_offset = next_offset.plus(1);
        }

        image.position = ImagePosition {
            index,
            term,
            next_offset,
        };
        Ok(image)
    }

    /// Replays one record. On an error the image is half changed: the caller drops it.
    pub(crate) fn replay(
        &mut self,
        record: &MetadataRecord,
        origin: ChangeOrigin,
    ) -> Result<(), InvalidRecord> {
        match record {
            MetadataRecord::RegisterBroker(record) => brokers::register(self, record, origin),
            MetadataRecord::UnregisterBroker(record) => brokers::unregister(self, record),
            MetadataRecord::BrokerRegistrationChange(record) => {
                brokers::change(self, record, origin)
            }
            MetadataRecord::Topic(record) => topics::create(self, record),
            MetadataRecord::RemoveTopic(record) => topics::remove(self, record),
            MetadataRecord::Partition(record) => partitions::create(self, record, origin),
            MetadataRecord::PartitionChange(record) => partitions::change(self, record, origin),
            MetadataRecord::Config(record) => cluster::configure(self, record),
            MetadataRecord::ProducerIds(record) => cluster::hand_out_producer_ids(self, record),
            MetadataRecord::FeatureLevel(record) => {
                self.features.set(&record.name, record.level);
                Ok(())
            }
            MetadataRecord::NoOp(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod replay_test;
