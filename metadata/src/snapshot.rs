//! [`Snapshot`]: an image as the records that make it.
//!
//! Law: `Snapshot::of(image).image()` is `image`, with epochs, reasons and position. The bytes are
//! laid out like an entry's: one format byte, then MessagePack with the names of the fields; the
//! checksum is the store's work.

use serde::{Deserialize, Serialize};

use crate::entry::{EntryError, decode_formatted, known_records};
use crate::image::{BrokerRegistration, ImagePosition, MetadataImage, PartitionRef};
use crate::record::{
    Config, ConfigResourceType, DecodedRecord, FeatureLevel, MetadataRecord, Partition,
    ProducerIds, RegisterBroker, Topic,
};
use crate::replay::InvalidRecord;
use crate::snapshot_replay::SnapshotReplay;

/// The only format so far.
const SNAPSHOT_FORMAT: u8 = 1;

/// An image as the records that make it, with the position that it stands at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// How far the log had been replayed.
    pub position: ImagePosition,
    /// The records.
    pub records: Vec<MetadataRecord>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecodedSnapshot {
    position: ImagePosition,
    records: Vec<DecodedRecord>,
}

/// Why bytes are no snapshot, or a snapshot makes no image.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes are not a snapshot that this software knows in full.
    #[error("metadata snapshot cannot be read or written")]
    Bytes(#[from] EntryError),
    /// A record makes no sense after those before it.
    #[error("record {record} of the metadata snapshot is invalid")]
    Invalid {
        /// Its place, from 0.
        record: usize,
        /// What is wrong with it.
        #[source]
        cause: InvalidRecord,
    },
}

impl Snapshot {
    /// The snapshot of an image.
    #[must_use]
    pub fn of(image: &MetadataImage) -> Self {
        Self {
            position: image.position,
            records: records_of(image),
        }
    }

    /// The image that it was taken of.
    ///
    /// # Errors
    /// When a record makes no sense: the snapshot is damaged.
    pub fn image(&self) -> Result<MetadataImage, SnapshotError> {
        let mut replay = SnapshotReplay::begin(self.position);
        replay.replay(&self.records)?;
        Ok(replay.finish())
    }

    /// Its bytes.
    ///
    /// # Errors
    /// When a record has no MessagePack form.
    pub fn encode(&self) -> Result<Vec<u8>, SnapshotError> {
        let mut bytes = vec![SNAPSHOT_FORMAT];
        rmp_serde::encode::write_named(&mut bytes, self).map_err(EntryError::Unencodable)?;
        Ok(bytes)
    }

    /// The snapshot in these bytes.
    ///
    /// # Errors
    /// When they are not exactly one snapshot that this software knows in full.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let decoded: DecodedSnapshot = decode_formatted(bytes)?;
        Ok(Self {
            position: decoded.position,
            records: known_records(decoded.records)?,
        })
    }
}

/// The records that make `image` from an empty one: features, brokers, then topic after topic.
#[must_use]
pub fn records_of(image: &MetadataImage) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    for (name, level) in image.features.iter() {
        records.push(
            FeatureLevel {
                name: name.to_owned(),
                level,
            }
            .into(),
        );
    }
    records.extend(
        image
            .brokers
            .iter()
            .map(|broker| broker_record(broker).into()),
    );
    for topic in image.topics.iter() {
        let topic_id = topic.topic_id;
        records.push(
            Topic {
                name: topic.name.clone(),
                topic_id,
            }
            .into(),
        );
        records.extend(topic.partitions().map(|(partition, state)| {
            partition_record(PartitionRef {
                topic,
                partition,
                state,
            })
            .into()
        }));
    }
    config_records(image, &mut records);
    let producer_ids = &image.producer_ids;
    if let Some(owner) = producer_ids.last_block {
        records.push(
            ProducerIds {
                broker_id: owner.broker_id,
                broker_epoch: owner.broker_epoch,
                next_producer_id: producer_ids.next_producer_id,
            }
            .into(),
        );
    }
    records
}

fn broker_record(broker: &BrokerRegistration) -> RegisterBroker {
    RegisterBroker {
        broker_id: broker.broker_id,
        incarnation_id: broker.incarnation_id,
        broker_epoch: broker.broker_epoch,
        client_address: broker.client_address.clone(),
        inter_node_address: broker.inter_node_address.clone(),
        rack: broker.rack.clone(),
        directories: broker.directories.clone(),
        fenced: broker.fenced,
        in_controlled_shutdown: broker.in_controlled_shutdown,
        reason: broker.last_change.reason,
        origin: Some(broker.last_change.origin),
    }
}

fn partition_record(found: PartitionRef<'_>) -> Partition {
    let state = found.state;
    Partition {
        topic_id: found.topic.topic_id,
        partition: found.partition,
        replicas: state.replicas.clone(),
        directories: state.directories.clone(),
        isr: state.isr.clone(),
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        partition_epoch: state.partition_epoch,
        leader_recovery: state.leader_recovery,
        adding_replicas: state.adding_replicas.clone(),
        removing_replicas: state.removing_replicas.clone(),
        eligible_leader_replicas: state.eligible_leader_replicas.clone(),
        last_known_eligible: state.last_known_eligible.clone(),
        reason: state.last_change.reason,
        reason_broker: state.last_change.broker,
        origin: Some(state.last_change.origin),
    }
}

fn config_records(image: &MetadataImage, records: &mut Vec<MetadataRecord>) {
    let configs = &image.configs;
    let topics = configs
        .topics_map()
        .iter()
        .map(|(name, values)| (name.to_string(), values));
    let brokers = configs
        .brokers_map()
        .iter()
        .map(|(id, values)| (id.to_string(), values));
    let cluster = std::iter::once((String::new(), configs.cluster_map()));
    let owners = topics
        .map(|owner| (ConfigResourceType::Topic, owner))
        .chain(
            brokers
                .chain(cluster)
                .map(|owner| (ConfigResourceType::Broker, owner)),
        );
    for (resource_type, (resource_name, values)) in owners {
        records.extend(values.iter().map(|(key, value)| {
            MetadataRecord::from(Config {
                resource_type,
                resource_name: resource_name.clone(),
                name: key.clone(),
                value: Some(value.clone()),
            })
        }));
    }
}

#[cfg(test)]
mod tests {
    use trimaran_types::MetadataOffset;

    use super::*;
    use crate::record::NoOp;

    fn snapshot() -> Snapshot {
        let position = ImagePosition {
            index: 9,
            term: 2,
            next_offset: MetadataOffset(5),
        };
        Snapshot {
            position,
            records: vec![NoOp {}.into()],
        }
    }

    #[test]
    fn the_bytes_of_a_snapshot_are_frozen() {
        let golden = b"\x01\x82\xa8position\x83\xa5index\x09\xa4term\x02\xabnext_offset\x05\
            \xa7records\x91\x83\xa4type\xa4NoOp\xa7version\0\xa4data\x80";
        assert_eq!(snapshot().encode().unwrap(), golden);
        assert_eq!(Snapshot::decode(golden).unwrap(), snapshot());
    }

    #[test]
    fn what_is_cut_or_makes_no_sense_is_refused() {
        let bytes = snapshot().encode().unwrap();
        for length in 0..bytes.len() {
            assert!(
                Snapshot::decode(&bytes[..length]).is_err(),
                "cut to {length}"
            );
        }
        let partition = trimaran_types::PartitionIndex(0);
        let topic_id = "AAAAAAAAAAAAAAAAAAAAAQ".parse().unwrap();
        let stray = crate::record::PartitionChange::new(
            topic_id,
            partition,
            crate::record::ChangeReason::Elected,
        );
        let damaged = Snapshot {
            records: vec![NoOp {}.into(), stray.into()],
            ..snapshot()
        };
        assert!(matches!(
            damaged.image(),
            Err(SnapshotError::Invalid { record: 1, .. })
        ));
    }
}
