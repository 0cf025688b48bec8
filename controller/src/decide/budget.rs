//! [`RecordBudget`]: how much one decision may write.
//!
//! An entry has limits on records and bytes, and other requests want to share it. A decision that
//! may be cut takes half of the records and of the bytes at most; one that must be whole may fill
//! an entry.

use trimaran_metadata::MetadataRecord;
use trimaran_metadata::record::PartitionChange;
use trimaran_types::limits::{METADATA_ENTRY_BYTES_MAX, METADATA_ENTRY_RECORDS_MAX};

/// Envelope, field names, numbers and texts of fixed length: more than any record needs.
const FIXED_BYTES_MAX: usize = 512;
/// One broker id in MessagePack.
const BROKER_BYTES_MAX: usize = 5;
/// One 22-character id in MessagePack.
const ID_BYTES_MAX: usize = 23;

/// What is left for a decision to write.
#[derive(Debug, Clone)]
pub(super) struct RecordBudget {
    records: usize,
    bytes: usize,
}

impl RecordBudget {
    /// For a decision that may be cut.
    pub(super) const fn of_a_part() -> Self {
        Self {
            records: METADATA_ENTRY_RECORDS_MAX / 2,
            bytes: METADATA_ENTRY_BYTES_MAX / 2,
        }
    }

    /// For a decision that must be whole. Leaves room for the entry's own fields.
    pub(super) const fn of_an_entry() -> Self {
        Self {
            records: METADATA_ENTRY_RECORDS_MAX,
            bytes: METADATA_ENTRY_BYTES_MAX - 1024,
        }
    }

    #[cfg(test)]
    pub(super) const fn of_records(records: usize) -> Self {
        Self {
            records,
            bytes: METADATA_ENTRY_BYTES_MAX,
        }
    }

    /// Sets room for `record` aside; false when there is none.
    pub(super) fn take(&mut self, record: &MetadataRecord) -> bool {
        self.take_bytes(encoded_bytes_max(record))
    }

    /// The same for a change that is no record yet.
    pub(super) fn take_change(&mut self, change: &PartitionChange) -> bool {
        self.take_bytes(change_bytes_max(change))
    }

    const fn take_bytes(&mut self, bytes: usize) -> bool {
        if self.records == 0 || self.bytes < bytes {
            return false;
        }
        self.records -= 1;
        self.bytes -= bytes;
        true
    }
}

/// A bound on a record's size in the log, found without encoding it.
pub(super) fn encoded_bytes_max(record: &MetadataRecord) -> usize {
    let (brokers, ids, texts) = match record {
        MetadataRecord::RegisterBroker(record) => {
            let texts = record.client_address.len() + record.inter_node_address.len();
            let rack = record.rack.as_ref().map_or(0, String::len);
            (0, record.directories.len(), texts + rack)
        }
        MetadataRecord::BrokerRegistrationChange(record) => {
            (0, record.directories.as_ref().map_or(0, Vec::len), 0)
        }
        MetadataRecord::Topic(record) => (0, 0, record.name.as_str().len()),
        MetadataRecord::Partition(record) => {
            let brokers = record.replicas.len()
                + record.isr.len()
                + record.adding_replicas.len()
                + record.removing_replicas.len()
                + record.eligible_leader_replicas.len()
                + record.last_known_eligible.len();
            (brokers, record.directories.len(), 0)
        }
        MetadataRecord::PartitionChange(record) => return change_bytes_max(record),
        MetadataRecord::Config(record) => {
            let value = record.value.as_ref().map_or(0, String::len);
            (0, 0, record.resource_name.len() + record.name.len() + value)
        }
        MetadataRecord::FeatureLevel(record) => (0, 0, record.name.len()),
        MetadataRecord::UnregisterBroker(_)
        | MetadataRecord::RemoveTopic(_)
        | MetadataRecord::ProducerIds(_)
        | MetadataRecord::NoOp(_) => (0, 0, 0),
    };
    FIXED_BYTES_MAX + brokers * BROKER_BYTES_MAX + ids * ID_BYTES_MAX + texts
}

fn change_bytes_max(change: &PartitionChange) -> usize {
    let brokers: usize = [
        &change.replicas,
        &change.isr,
        &change.adding_replicas,
        &change.removing_replicas,
        &change.eligible_leader_replicas,
        &change.last_known_eligible,
    ]
    .into_iter()
    .flatten()
    .map(Vec::len)
    .sum();
    let directories = change.directories.as_ref().map_or(0, Vec::len);
    FIXED_BYTES_MAX + brokers * BROKER_BYTES_MAX + directories * ID_BYTES_MAX
}
