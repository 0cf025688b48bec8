//! What unit tests route to: partitions in memory, and images made by hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::{BoxFuture, FutureExt as _};
use trimaran_api::ApiError;
use trimaran_api::replica::{
    AppendResponse, OffsetAndTimestamp, PartitionOffsets, ReadQuery, ReplicaFetchRequest,
    ReplicaFetchResponse, RequiredAcks, TimestampQuery,
};
use trimaran_commit_log::admit_unopened;
use trimaran_metadata::record::{Config, ConfigResourceType, Partition, RegisterBroker, Topic};
use trimaran_metadata::{
    ChangeReason, FenceReason, LeaderRecovery, MetadataEntry, MetadataImage, MetadataRecord,
};
use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{
    BrokerEpoch, BrokerId, DirectoryId, IncarnationId, KafkaError, LeaderEpoch, Offset,
    PartitionEpoch, PartitionIndex, Timestamp, TopicId, TopicIdPartition, TopicName,
};

use super::{LocalPartitions, Records};

pub(crate) fn uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number)
}

pub(crate) fn partition(topic: u128, number: u32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId::from_uuid(uuid(topic)),
        partition: PartitionIndex(number),
    }
}

/// An image with one topic, and a leader (or none) for each of its partitions.
pub(crate) fn image(name: &str, leaders: &[Option<u32>]) -> MetadataImage {
    image_with(name, leaders, &[])
}

/// The same with settings of the topic.
pub(crate) fn image_with(
    name: &str,
    leaders: &[Option<u32>],
    configs: &[(&str, &str)],
) -> MetadataImage {
    let mut records: Vec<MetadataRecord> = (1..=3).map(|id| broker(id).into()).collect();
    let topic_id = TopicId::from_uuid(uuid(1));
    let name = TopicName::new(name).expect("a legal name");
    let topic = Topic {
        name: name.clone(),
        topic_id,
    };
    records.push(topic.into());
    for (number, leader) in (0..).zip(leaders) {
        records.push(one_partition(topic_id, number, *leader).into());
    }
    for (key, value) in configs {
        let config = Config {
            resource_type: ConfigResourceType::Topic,
            resource_name: name.to_string(),
            name: (*key).to_owned(),
            value: Some((*value).to_owned()),
        };
        records.push(config.into());
    }
    let empty = MetadataImage::default();
    let entry = MetadataEntry {
        term: 1,
        base_offset: empty.position.next_offset,
        timestamp: Timestamp(0),
        records,
    };
    let (image, outcome) = empty.apply(1, 1, &entry);
    assert!(
        matches!(outcome, trimaran_metadata::ApplyOutcome::Applied { .. }),
        "{outcome:?}"
    );
    image
}

/// The same image with `broker` listening at `address`.
pub(crate) fn with_address(
    image: &MetadataImage,
    broker: BrokerId,
    address: &str,
) -> MetadataImage {
    let mut snapshot = trimaran_metadata::Snapshot::of(image);
    for record in &mut snapshot.records {
        if let MetadataRecord::RegisterBroker(registration) = record
            && registration.broker_id == broker
        {
            registration.inter_node_address = address.to_owned();
        }
    }
    snapshot.image().expect("the records of an image")
}

fn broker(id: u32) -> RegisterBroker {
    RegisterBroker {
        broker_id: BrokerId(id),
        incarnation_id: IncarnationId::from_uuid(uuid(u128::from(id))),
        broker_epoch: BrokerEpoch(0),
        client_address: format!("127.0.0.1:{id}"),
        inter_node_address: format!("127.0.0.1:{}", 100 + id),
        rack: None,
        directories: vec![DirectoryId::from_uuid(uuid(u128::from(id)))],
        fenced: false,
        in_controlled_shutdown: false,
        reason: FenceReason::Registered,
        origin: None,
    }
}

fn one_partition(topic_id: TopicId, number: u32, leader: Option<u32>) -> Partition {
    let replicas: Vec<BrokerId> = (1..=3).map(BrokerId).collect();
    Partition {
        topic_id,
        partition: PartitionIndex(number),
        directories: (1..=3).map(|id| DirectoryId::from_uuid(uuid(id))).collect(),
        isr: replicas.clone(),
        replicas,
        leader: leader.map(BrokerId),
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        leader_recovery: LeaderRecovery::Recovered,
        adding_replicas: Vec::new(),
        removing_replicas: Vec::new(),
        eligible_leader_replicas: Vec::new(),
        last_known_eligible: Vec::new(),
        reason: ChangeReason::Created,
        reason_broker: None,
        origin: None,
    }
}

/// Logs in memory; every partition exists and everything is committed at once.
#[derive(Debug, Default)]
pub(crate) struct FakePartitions {
    logs: Mutex<BTreeMap<TopicIdPartition, Vec<RecordBatch>>>,
    refusals: Mutex<BTreeMap<TopicIdPartition, ApiError>>,
}

impl FakePartitions {
    /// Every append to the partition is refused from now on.
    pub(crate) fn refuse(&self, partition: TopicIdPartition, refusal: ApiError) {
        self.refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(partition, refusal);
    }

    /// The batches of a partition, as they lie in its log.
    pub(crate) fn stored(&self, partition: TopicIdPartition) -> Vec<RecordBatch> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.get(&partition).cloned().unwrap_or_default()
    }

    fn append_now(
        &self,
        partition: TopicIdPartition,
        batches: Vec<RecordBatch>,
    ) -> Result<AppendResponse, ApiError> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refusal) = refusals.get(&partition) {
            return Err(refusal.clone());
        }
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let log = logs.entry(partition).or_default();
        let base = end(log);
        for batch in batches {
            let batch = admit_unopened(batch).expect("a batch that a leader takes");
            let next = end(log);
            log.push(batch.stamped(next, LeaderEpoch(0)));
        }
        Ok(AppendResponse {
            base_offset: Some(base),
            log_append_time: None,
            leader_epoch: LeaderEpoch(0),
        })
    }

    fn read_now(
        &self,
        partition: TopicIdPartition,
        query: &ReadQuery,
    ) -> Result<Records, ApiError> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let log = logs.get(&partition).map_or(&[][..], Vec::as_slice);
        let high_watermark = end(log);
        if query.offset > high_watermark {
            let message = format!("no offset {}", query.offset);
            return Err(ApiError::kafka(KafkaError::OffsetOutOfRange, message));
        }
        let mut bytes = BytesMut::new();
        for batch in log
            .iter()
            .filter(|b| b.header().last_offset() >= query.offset)
        {
            if !bytes.is_empty() && bytes.len() + batch.bytes().len() > query.bytes_max {
                break;
            }
            bytes.extend_from_slice(batch.bytes());
        }
        Ok(Records {
            bytes: Bytes::from(bytes),
            high_watermark,
            log_start: Offset::ZERO,
            leader_epoch: LeaderEpoch(0),
        })
    }
}

fn end(log: &[RecordBatch]) -> Offset {
    log.last()
        .map_or(Offset::ZERO, |batch| batch.header().last_offset().next())
}

fn search(log: &[RecordBatch], wanted: TimestampQuery) -> Option<OffsetAndTimestamp> {
    let records = log.iter().flat_map(|batch| {
        let records = batch.records().expect("not compressed");
        records.map(|record| record.expect("a good record"))
    });
    let mut found = records.map(|record| OffsetAndTimestamp {
        offset: record.offset,
        timestamp: record.timestamp,
    });
    match wanted {
        TimestampQuery::AtLeast(at_least) => found.find(|it| it.timestamp >= at_least),
        TimestampQuery::Max => found.min_by_key(|it| std::cmp::Reverse(it.timestamp)),
    }
}

impl LocalPartitions for FakePartitions {
    fn append(
        &self,
        partition: TopicIdPartition,
        batches: Vec<RecordBatch>,
        _acks: RequiredAcks,
        _timeout: Duration,
    ) -> BoxFuture<'_, Result<AppendResponse, ApiError>> {
        std::future::ready(self.append_now(partition, batches)).boxed()
    }

    fn read(
        &self,
        partition: TopicIdPartition,
        query: ReadQuery,
    ) -> BoxFuture<'_, Result<Records, ApiError>> {
        std::future::ready(self.read_now(partition, &query)).boxed()
    }

    fn offsets(
        &self,
        partition: TopicIdPartition,
        wanted: Option<TimestampQuery>,
    ) -> BoxFuture<'_, Result<PartitionOffsets, ApiError>> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let log = logs.get(&partition).map_or(&[][..], Vec::as_slice);
        let log_end = end(log);
        let offsets = PartitionOffsets {
            log_start: Offset::ZERO,
            high_watermark: log_end,
            log_end,
            leader_epoch: LeaderEpoch(0),
            found: wanted.and_then(|wanted| search(log, wanted)),
        };
        std::future::ready(Ok(offsets)).boxed()
    }

    fn trim(
        self: Arc<Self>,
        _partition: TopicIdPartition,
        before: Offset,
        _timeout: Duration,
    ) -> BoxFuture<'static, Result<Offset, ApiError>> {
        std::future::ready(Ok(before)).boxed()
    }

    fn fetch(
        &self,
        _request: ReplicaFetchRequest,
    ) -> BoxFuture<'_, Result<ReplicaFetchResponse, ApiError>> {
        let partitions = Vec::new();
        std::future::ready(Ok(ReplicaFetchResponse { partitions })).boxed()
    }
}
