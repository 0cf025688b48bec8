//! [`World`]: a cluster for tests, which changes only by decisions that are committed.

use trimaran_api::controller::{
    AlterPartitionsRequest, ConfigEntry, CreateTopicRequest, HeartbeatRequest, HeartbeatResponse,
    IsrMember, PartitionAlteration, PartitionAlterationResult, RegisterBrokerRequest,
};
use trimaran_metadata::{ApplyOutcome, FenceReason, MetadataEntry, MetadataImage, PartitionState};
use trimaran_types::{
    BrokerEpoch, BrokerId, ClusterId, DirectoryId, IncarnationId, MetadataOffset, PartitionIndex,
    Timestamp, TopicId, TopicIdPartition, TopicName,
};

use super::brokers::{self, HeartbeatContext, RegisterContext};
use super::budget::encoded_bytes_max;
use super::partitions::LackingRoom;
use super::{Decision, FollowUp, Refusal, partitions, topics};

/// An id that is not reserved and tells its number.
pub(super) fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(number: u32) -> T {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |shift: u32| char::from(DIGITS[usize::try_from((number >> shift) & 63).unwrap()]);
    format!("x{}{}{}{}AA", "A".repeat(16), digit(12), digit(6), digit(0))
        .parse()
        .unwrap()
}

pub(super) fn ids(numbers: &[u32]) -> Vec<BrokerId> {
    numbers.iter().copied().map(BrokerId).collect()
}

pub(super) fn cluster_id() -> ClusterId {
    id(1)
}

pub(super) struct World {
    pub(super) image: MetadataImage,
    /// What brokers have said of it.
    pub(super) lacking_room: LackingRoom,
    drawn: u32,
}

impl World {
    /// `count` brokers, 1 and up, all in service.
    pub(super) fn with_brokers(count: u32) -> Self {
        let mut world = Self {
            image: MetadataImage::default(),
            lacking_room: LackingRoom::default(),
            drawn: 1000,
        };
        for broker in 1..=count {
            world.start(broker);
        }
        world
    }

    fn draw(&mut self) -> u32 {
        self.drawn += 1;
        self.drawn
    }

    /// Commits a decision as an entry of its own.
    pub(super) fn commit<R>(&mut self, decision: Decision<R>) -> R {
        let index = self.image.position.index + 1;
        let entry = MetadataEntry {
            term: 1,
            base_offset: self.image.position.next_offset,
            timestamp: Timestamp(1_000 + i64::try_from(index).unwrap()),
            records: decision.records,
        };
        let bytes = entry.encode().expect("a decision fits into an entry").len();
        let bytes_max: usize = entry.records.iter().map(encoded_bytes_max).sum();
        assert!(
            bytes <= bytes_max + 1024,
            "{bytes} bytes, budgeted {bytes_max}: {entry:?}"
        );
        let (image, outcome) = self.image.apply(index, 1, &entry);
        assert!(
            matches!(outcome, ApplyOutcome::Applied { .. }),
            "{outcome:?} of {entry:?}"
        );
        self.image = image;
        self.check();
        decision.response
    }

    /// What must hold after every decision, cut ones included.
    pub(super) fn check(&self) {
        assert_eq!(self.image.validate(), Ok(()));
        for found in self.image.partitions() {
            let (state, brokers) = (found.state, &self.image.brokers);
            for member in &state.isr {
                assert!(
                    brokers.is_active(*member),
                    "{member} is in the ISR of {state:?}"
                );
                let directory = state.directory_of(*member).unwrap();
                let has_it = brokers
                    .get(*member)
                    .unwrap()
                    .directories
                    .contains(&directory);
                assert!(has_it, "{member} has not its directory, {state:?}");
            }
            assert_eq!(state.leader.is_none(), state.isr.is_empty(), "{state:?}");
            let minimum = self.image.min_insync_replicas(&found.topic.name, state);
            if state.isr.len() >= minimum {
                assert!(state.eligible_leader_replicas.is_empty(), "{state:?}");
            }
            if state.isr.is_empty() {
                assert_eq!(state.last_known_eligible.len(), 1, "{state:?}");
            } else {
                assert!(state.last_known_eligible.is_empty(), "{state:?}");
            }
        }
    }

    pub(super) fn request(&mut self, broker: u32) -> RegisterBrokerRequest {
        RegisterBrokerRequest {
            cluster_id: Some(cluster_id()),
            broker_id: BrokerId(broker),
            incarnation_id: id::<IncarnationId>(self.draw()),
            client_address: format!("127.0.0.1:{}", 8000 + broker),
            inter_node_address: format!("127.0.0.1:{}", 9000 + broker),
            rack: None,
            directories: vec![id::<DirectoryId>(broker)],
            previous_broker_epoch: None,
        }
    }

    pub(super) fn epoch(&self, broker: u32) -> BrokerEpoch {
        self.image
            .brokers
            .get(BrokerId(broker))
            .unwrap()
            .broker_epoch
    }

    pub(super) fn register(&mut self, request: &RegisterBrokerRequest) -> BrokerEpoch {
        loop {
            let context = RegisterContext {
                cluster_id: cluster_id(),
                session_is_valid: false,
            };
            let decision = brokers::register(&self.image, request, context).unwrap();
            if let Some(response) = self.commit(decision).response {
                return response.broker_epoch;
            }
        }
    }

    /// Registers a new run and takes it into service.
    pub(super) fn start(&mut self, broker: u32) {
        let request = self.request(broker);
        self.register(&request);
        self.unfence(broker);
    }

    pub(super) fn heartbeat_of(&self, broker: u32) -> HeartbeatRequest {
        HeartbeatRequest {
            broker_id: BrokerId(broker),
            broker_epoch: self.epoch(broker),
            metadata_end: self.image.position.next_offset,
            want_fence: false,
            want_shutdown: false,
            offline_directories: Vec::new(),
            damaged_replicas: Vec::new(),
            restored_replicas: Vec::new(),
            replicas_lacking_room: Vec::new(),
        }
    }

    /// Sends the heartbeat and whatever has to follow; the lowest metadata end is that of the log.
    pub(super) fn heartbeat(&mut self, request: &HeartbeatRequest) -> HeartbeatResponse {
        let end = self.image.position.next_offset;
        self.heartbeat_seen_up_to(request, Some(end))
    }

    pub(super) fn heartbeat_seen_up_to(
        &mut self,
        request: &HeartbeatRequest,
        lowest_active_metadata_end: Option<MetadataOffset>,
    ) -> HeartbeatResponse {
        loop {
            let context = HeartbeatContext {
                lowest_active_metadata_end,
                lacking_room: self.lacking_room.clone(),
            };
            let decision = brokers::heartbeat(&self.image, request, context).unwrap();
            let outcome = self.commit(decision);
            match outcome.follow_up {
                FollowUp::Nothing => return outcome.response,
                FollowUp::DecideAgain => {}
                FollowUp::ElectLeaderless => {
                    self.sweep();
                    return outcome.response;
                }
            }
        }
    }

    pub(super) fn sweep(&mut self) {
        while self.commit(partitions::elect_leaderless(&self.image)) != FollowUp::Nothing {}
    }

    pub(super) fn unfence(&mut self, broker: u32) {
        let request = self.heartbeat_of(broker);
        assert!(!self.heartbeat(&request).is_fenced);
    }

    pub(super) fn fence(&mut self, broker: u32) {
        let epoch = self.epoch(broker);
        loop {
            let reason = FenceReason::SessionTimeout;
            let decision = brokers::fence(&self.image, BrokerId(broker), epoch, reason).unwrap();
            if self.commit(decision) == FollowUp::Nothing {
                return;
            }
        }
    }

    /// A topic with the given replicas by partition and settings.
    pub(super) fn create(&mut self, name: &str, replicas: &[&[u32]], settings: &[(&str, &str)]) {
        let request = CreateTopicRequest {
            name: name.to_owned(),
            partitions: None,
            replication_factor: None,
            assignments: Some(
                (0..)
                    .map(PartitionIndex)
                    .zip(replicas.iter().map(|list| ids(list)))
                    .collect(),
            ),
            configs: settings
                .iter()
                .map(|(key, value)| setting(key, value))
                .collect(),
            validate_only: false,
        };
        let topic_id = id::<TopicId>(self.draw());
        let decision = topics::create_topic(&self.image, &request, topic_id, 0).unwrap();
        self.commit(decision);
    }

    pub(super) fn partition_id(&self, name: &str, partition: u32) -> TopicIdPartition {
        let topic = self
            .image
            .topics
            .by_name(&TopicName::new(name).unwrap())
            .unwrap();
        let partition = PartitionIndex(partition);
        TopicIdPartition {
            topic_id: topic.topic_id,
            partition,
        }
    }

    pub(super) fn state(&self, name: &str, partition: u32) -> &PartitionState {
        self.image
            .partition(self.partition_id(name, partition))
            .unwrap()
    }

    /// What the leader of a partition would send to get this ISR now.
    pub(super) fn alteration(
        &self,
        name: &str,
        partition: u32,
        isr: &[u32],
    ) -> PartitionAlteration {
        let state = self.state(name, partition);
        PartitionAlteration {
            partition: self.partition_id(name, partition),
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            new_isr: isr
                .iter()
                .map(|member| IsrMember {
                    broker_id: BrokerId(*member),
                    broker_epoch: Some(self.epoch(*member)),
                })
                .collect(),
        }
    }

    pub(super) fn alter(
        &mut self,
        sender: u32,
        alteration: PartitionAlteration,
    ) -> PartitionAlterationResult {
        let request = AlterPartitionsRequest {
            broker_id: BrokerId(sender),
            broker_epoch: self.epoch(sender),
            partitions: vec![alteration],
        };
        let decision = partitions::alter_partitions(&self.image, &request).unwrap();
        self.commit(decision).partitions.remove(0)
    }

    /// The leader brings the ISR to this.
    pub(super) fn set_isr(&mut self, name: &str, partition: u32, isr: &[u32]) {
        let leader = self.state(name, partition).leader.unwrap();
        let alteration = self.alteration(name, partition, isr);
        assert_eq!(self.alter(leader.0, alteration).error, None);
    }
}

pub(super) fn setting(name: &str, value: &str) -> ConfigEntry {
    ConfigEntry {
        name: name.to_owned(),
        value: Some(value.to_owned()),
    }
}

/// The refusal of a decision that must not be.
pub(super) fn refused<R: std::fmt::Debug>(decision: Result<Decision<R>, Refusal>) -> Refusal {
    decision.expect_err("must be refused")
}
