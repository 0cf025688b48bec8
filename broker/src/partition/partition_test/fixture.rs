//! One owner with a real log in a folder of its own; its peers are played by the test.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use trimaran_api::ApiError;
use trimaran_api::replica::{FetchPartitionResult, ReadQuery, RequiredAcks};
use trimaran_commit_log::{Disk, Flusher, Log, LogConfig, LogContext, OpenAs, RealDisk};
use trimaran_replication::follower::FetchPosition;
use trimaran_replication::leader::FollowerFetch;
use trimaran_replication::{CommittedState, Peer};
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType, split};
use trimaran_types::{
    BrokerEpoch, BrokerId, DirectoryId, KafkaError, LeaderEpoch, Offset, PartitionEpoch,
    PartitionIndex, Timestamp, TopicId, TopicIdPartition, TopicName, TopicPartition,
};

use super::super::*;
use super::gated_disk::{Gate, GatedDisk};
use crate::codec_work::CodecWork;
use crate::isr_changes::IsrChanges;

pub(super) const OWN: BrokerId = BrokerId(1);
pub(super) const PEER: BrokerId = BrokerId(2);
pub(super) const SOON: Duration = Duration::from_millis(50);
/// Small, so that a few appends reach it.
pub(super) const LAG_BYTES_MAX: u64 = 4_096;
pub(super) const LONG: Duration = Duration::from_secs(20);

pub(super) struct Fixture {
    pub(super) handle: PartitionHandle,
    pub(super) context: LogContext,
    pub(super) folder: tempfile::TempDir,
}

fn settings(min_isr: usize) -> TopicSettings {
    TopicSettings {
        log: LogConfig::default(),
        min_isr,
        bounded: Vec::new(),
    }
}

pub(super) fn fixture_with(budget_bytes: usize) -> Fixture {
    fixture_on(Arc::new(RealDisk), budget_bytes)
}

/// On a disk whose syncs wait while the gate is closed.
pub(super) fn gated_fixture() -> (Fixture, Gate) {
    let gate = Gate::default();
    let disk = Arc::new(GatedDisk(gate.clone()));
    (fixture_on(disk, 1 << 20), gate)
}

fn fixture_on(disk: Arc<dyn Disk>, budget_bytes: usize) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let context = LogContext::standalone(disk, folder.path());
    let id = TopicIdPartition {
        topic_id: TopicId::from_uuid(uuid::Uuid::from_u128(7)),
        partition: PartitionIndex(0),
    };
    let topic = TopicPartition {
        topic: TopicName::new("flights").unwrap(),
        partition: PartitionIndex(0),
    };
    let open_as = OpenAs {
        topic_id: id.topic_id,
        recovery_point: Offset::ZERO,
        log_start: None,
        clean_shutdown: false,
    };
    let dir = folder.path().join("flights-0");
    let (log, _) = Log::open(&context, &dir, LogConfig::default(), open_as).unwrap();
    let flusher = Arc::new(Flusher::start(Arc::clone(&context.latch), 2, 100).unwrap());
    let handle = PartitionHandle::start(PartitionStart {
        id,
        topic,
        own: OWN,
        directory_id: DirectoryId::from_uuid(uuid::Uuid::from_u128(9)),
        log,
        high_watermark: Offset::ZERO,
        settings: settings(1),
        lag_time_max_ms: 10_000,
        lag_bytes_max: LAG_BYTES_MAX,
        flusher,
        log_starts: LogStartWriter::new(context.clone()),
        room_gate: RoomGate::default(),
        isr_changes: IsrChanges::new(),
        broker_budget: AppendBudget::new(budget_bytes),
        partition_budget: AppendBudget::new(budget_bytes),
        codecs: CodecWork::default(),
        clock: Clock::start(),
    });
    Fixture {
        handle,
        context,
        folder,
    }
}

pub(super) fn fixture() -> Fixture {
    fixture_with(1 << 20)
}

pub(super) fn assignment(
    role: AssignedRole,
    isr: &[BrokerId],
    epoch: i32,
    min_isr: usize,
) -> Assignment {
    let peer = |id: u64| Peer {
        broker_epoch: BrokerEpoch(id),
        active: true,
    };
    Assignment {
        role,
        state: CommittedState {
            replicas: vec![OWN, PEER],
            isr: isr.to_vec(),
            leader_epoch: LeaderEpoch(epoch),
            partition_epoch: PartitionEpoch(epoch),
        },
        peers: [(OWN, peer(1)), (PEER, peer(2))].into(),
        settings: settings(min_isr),
    }
}

pub(super) fn batch(values: &[&str]) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    for value in values {
        builder
            .push(Timestamp(1), None, Some(value.as_bytes()), &[])
            .unwrap();
    }
    builder.build().unwrap()
}

impl Fixture {
    pub(super) async fn lead(&self, isr: &[BrokerId], epoch: i32, min_isr: usize) {
        assert!(
            self.handle
                .assign(assignment(AssignedRole::Leader, isr, epoch, min_isr))
                .await
        );
        let mut watch = self.handle.watch();
        let leads = |status: &PartitionStatus| status.leader_epoch == Some(LeaderEpoch(epoch));
        watch.wait_for(leads).await.unwrap();
    }

    pub(super) async fn append(
        &self,
        values: &[&str],
        acks: RequiredAcks,
    ) -> Result<Option<Offset>, ApiError> {
        let response = self.handle.append(vec![batch(values)], acks, LONG).await;
        response.map(|response| response.base_offset)
    }

    pub(super) async fn read(&self, offset: i64, wait_ms: u64) -> Result<Vec<String>, ApiError> {
        let offset = Offset(offset);
        let query = ReadQuery {
            offset,
            bytes_max: 1 << 20,
            bytes_min: 1,
            wait_ms,
        };
        self.handle
            .read(&query)
            .await
            .map(|records| values(records.bytes))
    }

    pub(super) async fn peer_fetches(
        &self,
        log_end: i64,
        flushed_end: i64,
        epoch: i32,
    ) -> FetchReply {
        let fetch = FollowerFetch {
            replica: PEER,
            broker_epoch: BrokerEpoch(2),
            leader_epoch: LeaderEpoch(epoch),
            fetch_offset: Offset(log_end),
            flushed_end: Offset(flushed_end),
            last_fetched_epoch: None,
            log_start: Offset(0),
        };
        let (reply, answer) = oneshot::channel();
        let request = FollowerRequest {
            fetch,
            waiter: Arc::default(),
            reply,
        };
        assert!(
            self.handle
                .send(Event::FollowerFetch(Box::new(request)))
                .await
        );
        answer.await.unwrap()
    }

    pub(super) async fn position(&self) -> FetchPosition {
        let (reply, answer) = oneshot::channel();
        assert!(self.handle.send(Event::Where(reply)).await);
        answer.await.unwrap().position.unwrap()
    }

    pub(super) async fn fetched(
        &self,
        asked: FetchPosition,
        result: FetchPartitionResult,
    ) -> FollowerNext {
        let (reply, answer) = oneshot::channel();
        let fetched = Fetched {
            asked,
            result,
            reply,
        };
        assert!(self.handle.send(Event::Fetched(Box::new(fetched))).await);
        answer.await.unwrap()
    }

    pub(super) fn result(&self, high_watermark: i64, records: Bytes) -> FetchPartitionResult {
        FetchPartitionResult {
            partition: self.handle.id(),
            error: None,
            high_watermark: Offset(high_watermark),
            log_start: Offset(0),
            diverging: None,
            records,
        }
    }

    pub(super) async fn until(
        &self,
        mut holds: impl FnMut(&PartitionStatus) -> bool,
    ) -> PartitionStatus {
        let mut watch = self.handle.watch();
        let found = tokio::time::timeout(LONG, watch.wait_for(|status| holds(status))).await;
        *found.expect("in time").unwrap()
    }
}

fn values(bytes: Bytes) -> Vec<String> {
    split(bytes)
        .flat_map(|batch| batch.unwrap().records().unwrap())
        .map(|record| String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap())
        .collect()
}

pub(super) fn kafka(refusal: &ApiError) -> (Option<KafkaError>, Option<&str>) {
    let details = refusal.body.details.as_ref();
    let outcome = details
        .and_then(|details| details.get("outcome"))
        .and_then(|text| text.as_str());
    (refusal.body.kafka_error, outcome)
}

impl Fixture {
    pub(super) async fn append_one(&self, text: &str) -> Offset {
        self.append(&[text], RequiredAcks::All)
            .await
            .unwrap()
            .unwrap()
    }
}
