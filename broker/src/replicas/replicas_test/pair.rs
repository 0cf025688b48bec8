//! Two brokers and their controllers, as far as the data plane needs them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use trimaran_api::client::{Controllers, http_client};
use trimaran_api::controller::SessionLease;
use trimaran_api::replica::{AppendResponse, RequiredAcks};
use trimaran_api::{ApiError, body, headers, paths};
use trimaran_commit_log::{Disk, LogDir, RealDisk};
use trimaran_metadata::record::{
    Config, ConfigResourceType, Partition, PartitionChange, RegisterBroker, RemoveTopic, Topic,
};
use trimaran_metadata::{ChangeReason, FenceReason, LeaderRecovery, MetadataImage, MetadataRecord};
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType, split};
use trimaran_types::{
    BrokerEpoch, BrokerId, ClusterId, DirectoryId, IncarnationId, LeaderEpoch, Offset,
    PartitionEpoch, PartitionIndex, Timestamp, TopicId, TopicIdPartition, TopicName,
};
use uuid::Uuid;

use crate::assignments::Assignments;
use crate::config::ReplicationConfig;
use crate::context::BrokerContext;
use crate::fetcher::Fetchers;
use crate::isr_changes::IsrWorker;
use crate::partition::{PartitionHandle, PartitionStatus};
use crate::replicas::{DataDirs, OpenReport, Replicas};
use crate::session::Lease;

use super::quorum::{Quorum, alter};
use super::served::{Served, fetch};

pub(super) const ONE: BrokerId = BrokerId(1);
pub(super) const TWO: BrokerId = BrokerId(2);
/// Small, so that a few appends reach it.
pub(super) const LAG_BYTES_MAX: u64 = 64 << 10;
const LONG: Duration = Duration::from_secs(20);

pub(super) struct Broker {
    pub(super) replicas: Arc<Replicas>,
    pub(super) fetchers: Arc<Fetchers>,
    tasks: Vec<JoinHandle<()>>,
}

pub(super) struct Pair {
    pub(super) quorum: Arc<Quorum>,
    controller: SocketAddr,
    folders: [tempfile::TempDir; 2],
    brokers: [Option<Broker>; 2],
    lag_time_max: Duration,
    /// Log directories of each broker beside the first.
    pub(super) extra_dirs: usize,
    /// What the brokers that start find their log directories on.
    pub(super) disk: Arc<dyn Disk>,
    /// Topics whose removal the brokers that start have replayed.
    pub(super) removed: BTreeSet<TopicId>,
    fetches: Arc<AtomicUsize>,
    lease: watch::Sender<Option<Lease>>,
    _controller_task: JoinHandle<()>,
}

pub(super) fn msgpack<T: serde::Serialize>(value: &T) -> impl IntoResponse + use<T> {
    (
        [(http::header::CONTENT_TYPE, headers::MSGPACK)],
        body::to_msgpack(value).unwrap(),
    )
}

async fn serve(app: axum::Router) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (
        address,
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }),
    )
}

fn place(id: BrokerId) -> usize {
    usize::try_from(id.0).unwrap() - 1
}

/// The identity of a broker's log directory.
pub(super) fn directory(id: BrokerId, number: usize) -> DirectoryId {
    DirectoryId::from_uuid(Uuid::from_u128(
        1_000 + u128::from(id.0) + 100 * number as u128,
    ))
}

impl Pair {
    pub(super) async fn start() -> Self {
        Self::start_with(Duration::from_secs(10)).await
    }

    pub(super) async fn start_with(lag_time_max: Duration) -> Self {
        Self::start_as(lag_time_max, 0).await
    }

    /// Every broker with so many log directories beside the first.
    pub(super) async fn start_with_dirs(extra_dirs: usize) -> Self {
        Self::start_as(Duration::from_secs(10), extra_dirs).await
    }

    async fn start_as(lag_time_max: Duration, extra_dirs: usize) -> Self {
        let image = watch::Sender::new(Arc::new(MetadataImage::default()));
        let quorum = Arc::new(Quorum {
            image,
            changing: Mutex::new(100),
        });
        let app = axum::Router::new()
            .route(paths::ALTER_PARTITIONS, post(alter))
            .with_state(Arc::clone(&quorum));
        let (controller, controller_task) = serve(app).await;
        let mut pair = Self {
            quorum,
            controller,
            folders: [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()],
            brokers: [None, None],
            lag_time_max,
            extra_dirs,
            disk: Arc::new(RealDisk),
            removed: BTreeSet::new(),
            fetches: Arc::default(),
            lease: watch::Sender::new(None),
            _controller_task: controller_task,
        };
        pair.restart(ONE).await;
        pair.restart(TWO).await;
        pair
    }

    /// Both brokers' heartbeats were answered just now, and not for a long time again.
    pub(super) fn give_lease(&self) {
        let given = SessionLease {
            session_ms: 600_000,
            quorum_age_ms: 0,
            metadata_end: self.image().position.next_offset,
        };
        let lease = Lease::new(tokio::time::Instant::now(), given, Duration::from_secs(600));
        self.lease.send_replace(Some(lease));
    }

    /// Fetches that followers have sent so far.
    pub(super) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }

    /// Starts a broker on its folder, under a new registration.
    pub(super) async fn restart(&mut self, id: BrokerId) -> OpenReport {
        let context = self.context(id);
        let replicas = Replicas::new(context.clone(), self.data_dirs(id), 8);
        let app = axum::Router::new()
            .route(paths::REPLICA_FETCH, get(fetch))
            .with_state(Served::new(&replicas, &self.fetches));
        let (address, server) = serve(app).await;
        self.register(id, address);
        let image = context.current_image();
        let opening = replicas.open_all(&image, &self.removed);
        let report = opening.await.unwrap();
        let fetchers = Arc::new(Fetchers::new(context.clone()));
        let mut assignments = Assignments::new(Arc::clone(&replicas), Arc::clone(&fetchers));
        assignments.apply(image).await;
        let worker = IsrWorker::new(
            context.clone(),
            replicas.isr_changes().clone(),
            Arc::clone(replicas.table()),
        );
        let tasks = vec![
            server,
            tokio::spawn(assignments.run(context.image.clone())),
            tokio::spawn(worker.run()),
            tokio::spawn(Arc::clone(&replicas).watch_directories()),
            tokio::spawn(Arc::clone(&replicas).watch_replicas()),
        ];
        self.brokers[place(id)] = Some(Broker {
            replicas,
            fetchers,
            tasks,
        });
        report
    }

    /// From now on the controllers hear what the broker reports of its replicas.
    pub(super) fn hear(&mut self, id: BrokerId) {
        let quorum = Arc::clone(&self.quorum);
        let broker = self.brokers[place(id)].as_mut().expect("running");
        let mut reports = broker.replicas.reports();
        broker.tasks.push(tokio::spawn(async move {
            loop {
                let report = Arc::clone(&reports.borrow_and_update());
                quorum.heard(id, &report);
                if reports.changed().await.is_err() {
                    return;
                }
            }
        }));
    }

    pub(super) fn data_dirs(&self, id: BrokerId) -> DataDirs {
        let cluster_id = ClusterId::from_uuid(Uuid::from_u128(1));
        let open = |number: usize| {
            let (disk, folder) = (Arc::clone(&self.disk), self.folder(id, number));
            LogDir::open(disk, &folder, cluster_id, id, directory(id, number)).unwrap()
        };
        let dirs = (0..=self.extra_dirs).map(open).collect();
        DataDirs::new(dirs, Vec::new()).unwrap()
    }

    /// Where a log directory of a broker is.
    pub(super) fn folder(&self, id: BrokerId, number: usize) -> PathBuf {
        let first = self.folders[place(id)].path();
        match number {
            0 => first.to_owned(),
            number => first.join(format!("extra-{number}")),
        }
    }

    pub(super) fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.quorum.image.borrow())
    }

    pub(super) fn context(&self, id: BrokerId) -> BrokerContext {
        let http = http_client(Duration::from_secs(1)).unwrap();
        let broker_epoch = BrokerEpoch(self.quorum.fresh_uuid().as_u128().try_into().unwrap());
        let addresses = vec![self.controller.to_string()];
        BrokerContext {
            broker_id: id,
            cluster_id: ClusterId::from_uuid(Uuid::from_u128(1)),
            broker_epoch: watch::channel(Some(broker_epoch)).1,
            controllers: Arc::new(Controllers::new(http.clone(), addresses)),
            http,
            image: self.quorum.image.subscribe(),
            lease: self.lease.subscribe(),
            replication: ReplicationConfig {
                lag_time_max: self.lag_time_max,
                lag_bytes_max: LAG_BYTES_MAX,
                fetch_wait_max: Duration::from_millis(500),
                append_bytes_max: 64 << 20,
            },
            log_defaults: Arc::default(),
        }
    }

    fn register(&self, id: BrokerId, address: SocketAddr) {
        // The epoch that the context was made with is the last number drawn.
        let last = *self
            .quorum
            .changing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.quorum
            .change(&[MetadataRecord::RegisterBroker(RegisterBroker {
                broker_id: id,
                incarnation_id: IncarnationId::from_uuid(Uuid::from_u128(last)),
                broker_epoch: BrokerEpoch(last.try_into().unwrap()),
                client_address: address.to_string(),
                inter_node_address: address.to_string(),
                rack: None,
                directories: (0..=self.extra_dirs)
                    .map(|number| directory(id, number))
                    .collect(),
                fenced: false,
                in_controlled_shutdown: false,
                reason: FenceReason::Registered,
                origin: None,
            })]);
    }

    pub(super) fn broker(&self, id: BrokerId) -> &Broker {
        self.brokers[place(id)].as_ref().expect("running")
    }

    /// Stops in order; tells whether the directory was marked.
    pub(super) async fn stop(&mut self, id: BrokerId) -> bool {
        let broker = self.brokers[place(id)].take().expect("running");
        broker.fetchers.stop();
        for task in broker.tasks {
            task.abort();
            let _ = task.await;
        }
        let was_clean = broker.replicas.shutdown().await;
        drop(broker.fetchers);
        released(broker.replicas).await;
        was_clean
    }

    /// Ends a broker as a kill would: nothing is closed and nothing is marked.
    pub(super) async fn crash(&mut self, id: BrokerId) {
        let broker = self.brokers[place(id)].take().expect("running");
        broker.fetchers.stop();
        for task in broker.tasks {
            task.abort();
            let _ = task.await;
        }
        drop(broker.fetchers);
        released(broker.replicas).await;
    }

    /// Creates a topic of one partition and waits until both brokers have taken it up.
    pub(super) async fn create(
        &self,
        name: &str,
        replicas: &[BrokerId],
        isr: &[BrokerId],
    ) -> TopicIdPartition {
        let id = self.create_records(name, replicas, isr, 0);
        for replica in replicas {
            self.until(*replica, id, |status| status.leader_epoch.is_some())
                .await;
        }
        id
    }

    /// Creates a topic in the brokers' log directories of this number.
    pub(super) async fn create_in(&self, name: &str, number: usize) -> TopicIdPartition {
        let id = self.create_records(name, &[ONE, TWO], &[ONE, TWO], number);
        for replica in [ONE, TWO] {
            self.until(replica, id, |status| status.leader_epoch.is_some())
                .await;
        }
        id
    }

    /// Creates a topic without waiting.
    pub(super) fn create_unseen(&self, name: &str, replicas: &[BrokerId]) -> TopicIdPartition {
        self.create_records(name, replicas, replicas, 0)
    }

    /// The same, in the brokers' log directories of this number.
    pub(super) fn create_unseen_in(&self, name: &str, number: usize) -> TopicIdPartition {
        self.create_records(name, &[ONE, TWO], &[ONE, TWO], number)
    }

    fn create_records(
        &self,
        name: &str,
        replicas: &[BrokerId],
        isr: &[BrokerId],
        number: usize,
    ) -> TopicIdPartition {
        let topic_id = TopicId::from_uuid(self.quorum.fresh_uuid());
        let partition = PartitionIndex(0);
        self.quorum.change(&[
            MetadataRecord::Topic(Topic {
                name: TopicName::new(name).unwrap(),
                topic_id,
            }),
            MetadataRecord::Partition(Partition {
                topic_id,
                partition,
                replicas: replicas.to_vec(),
                directories: replicas.iter().map(|id| directory(*id, number)).collect(),
                isr: isr.to_vec(),
                leader: isr.first().copied(),
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
            }),
        ]);
        TopicIdPartition {
            topic_id,
            partition,
        }
    }

    pub(super) fn delete(&self, id: TopicIdPartition) {
        let topic_id = id.topic_id;
        self.quorum
            .change(&[MetadataRecord::RemoveTopic(RemoveTopic { topic_id })]);
    }

    pub(super) fn elect(&self, id: TopicIdPartition, leader: BrokerId) {
        let reason = ChangeReason::Elected;
        let mut change = PartitionChange::new(id.topic_id, id.partition, reason);
        change.leader = Some(Some(leader));
        self.quorum
            .change(&[MetadataRecord::PartitionChange(change)]);
    }

    pub(super) fn set_isr(&self, id: TopicIdPartition, leader: BrokerId, isr: &[BrokerId]) {
        let reason = ChangeReason::Elected;
        let mut change = PartitionChange::new(id.topic_id, id.partition, reason);
        change.leader = Some(Some(leader));
        change.isr = Some(isr.to_vec());
        self.quorum
            .change(&[MetadataRecord::PartitionChange(change)]);
    }

    /// Another ISR under the same leadership.
    pub(super) fn shrink_isr(&self, id: TopicIdPartition, isr: &[BrokerId]) {
        let reason = ChangeReason::Elected;
        let mut change = PartitionChange::new(id.topic_id, id.partition, reason);
        change.isr = Some(isr.to_vec());
        self.quorum
            .change(&[MetadataRecord::PartitionChange(change)]);
    }

    pub(super) fn partition_epoch(&self, id: TopicIdPartition) -> PartitionEpoch {
        let image = self.quorum.image.borrow();
        image.partition(id).unwrap().partition_epoch
    }

    /// Loses a log's directory, as a careless hand would.
    pub(super) fn lose(&self, id: BrokerId, name: &str) {
        std::fs::remove_dir_all(self.log_dir(id, name)).unwrap();
    }

    /// Flips a bit in the first record of a log's first segment.
    pub(super) fn damage(&self, id: BrokerId, name: &str) {
        let path = self.log_dir(id, name).join("00000000000000000000.log");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[65] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }

    pub(super) fn log_dir(&self, id: BrokerId, name: &str) -> std::path::PathBuf {
        self.folders[place(id)].path().join("logs").join(name)
    }

    /// Waits until exactly these replicas of the broker are out of service.
    pub(super) async fn until_out_of_service(&self, at: BrokerId, names: &[&str]) {
        let reached = async {
            while self.broker(at).replicas.out_of_service() != names {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let in_time = tokio::time::timeout(LONG, reached).await.is_ok();
        let found = self.broker(at).replicas.out_of_service();
        assert!(in_time, "broker {at} stays at {found:?}");
    }

    pub(super) fn set_config(&self, id: TopicIdPartition, name: &str, value: &str) {
        let image = Arc::clone(&self.quorum.image.borrow());
        let topic = image.topics.get(id.topic_id).unwrap().name.to_string();
        self.quorum.change(&[MetadataRecord::Config(Config {
            resource_type: ConfigResourceType::Topic,
            resource_name: topic,
            name: name.to_owned(),
            value: Some(value.to_owned()),
        })]);
    }

    pub(super) async fn append(
        &self,
        at: BrokerId,
        id: TopicIdPartition,
        text: &str,
    ) -> Result<AppendResponse, ApiError> {
        let deadline = tokio::time::Instant::now() + LONG;
        loop {
            let replicas = &self.broker(at).replicas;
            let result = replicas
                .append(id, vec![batch(text)], RequiredAcks::All, LONG)
                .await;
            // A test knows of an election before the broker does.
            let is_early = result.as_ref().is_err_and(|refusal| {
                refusal.body.kafka_error == Some(trimaran_types::KafkaError::NotLeaderOrFollower)
            }) && self.quorum.image.borrow().partition(id).is_some();
            if !is_early || tokio::time::Instant::now() > deadline {
                return result;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the broker's replica exists and `holds`.
    pub(super) async fn until(
        &self,
        at: BrokerId,
        id: TopicIdPartition,
        holds: impl Fn(&PartitionStatus) -> bool,
    ) {
        let seen = || {
            self.broker(at)
                .replicas
                .get(id)
                .map(|handle| handle.status())
        };
        let reached = async {
            while !seen().is_some_and(|status| holds(&status)) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let in_time = tokio::time::timeout(LONG, reached).await.is_ok();
        assert!(in_time, "broker {at} stays at {:?}", seen());
    }

    pub(super) async fn until_isr(&self, id: TopicIdPartition, isr: &[BrokerId]) {
        let mut image = self.quorum.image.subscribe();
        let reached =
            image.wait_for(|image| image.partition(id).is_some_and(|state| state.isr == isr));
        tokio::time::timeout(LONG, reached)
            .await
            .expect("in time")
            .unwrap();
    }

    pub(super) fn stray_directories(&self, id: BrokerId) -> usize {
        self.folders_ending_in(id, "-stray").len()
    }

    pub(super) fn folders_ending_in(&self, id: BrokerId, end: &str) -> Vec<std::path::PathBuf> {
        let logs = self.folders[place(id)].path().join("logs");
        let paths = std::fs::read_dir(logs)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.to_string_lossy().ends_with(end))
            .collect()
    }
}

/// Waits until nobody else has the replicas: the directory's lock ends with the last owner.
async fn released(replicas: Arc<Replicas>) {
    let last = Arc::downgrade(&replicas);
    drop(replicas);
    while last.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
}

pub(super) fn batch(text: &str) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    builder
        .push(Timestamp(1), None, Some(text.as_bytes()), &[])
        .unwrap();
    builder.build().unwrap()
}

/// Every record in the replica's log, committed or not.
pub(super) fn read_all(handle: &PartitionHandle) -> Vec<String> {
    let mut texts = Vec::new();
    let mut from = Offset(0);
    loop {
        let bytes = handle
            .reader()
            .read(from, Offset(i64::MAX), 1 << 20)
            .unwrap();
        if bytes.is_empty() {
            return texts;
        }
        for batch in split(bytes) {
            let batch = batch.unwrap();
            from = batch.header().next_offset();
            for record in batch.records().unwrap() {
                let value = record.unwrap().value.unwrap();
                texts.push(String::from_utf8(value.to_vec()).unwrap());
            }
        }
    }
}
