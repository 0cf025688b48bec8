//! [`KafkaError`]: the errors of the cluster, by Kafka's own names and numbers.

use serde::{Deserialize, Serialize};

macro_rules! kafka_errors {
    ($($(#[doc = $doc:literal])* $variant:ident = $code:literal, $name:literal, $retriable:literal;)*) => {
        /// An error under the name and number that Kafka's protocol gives it.
        ///
        /// Serialized as its name (`NOT_LEADER_OR_FOLLOWER`), so that a person can read it.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum KafkaError {
            $($(#[doc = $doc])* #[serde(rename = $name)] $variant,)*
        }

        impl KafkaError {
            /// Every error, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> i16 {
                match self { $(Self::$variant => $code),* }
            }

            /// The name, as Kafka writes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Whether the same request may succeed later with nothing changed by the caller.
            #[must_use]
            pub const fn is_retriable(self) -> bool {
                match self { $(Self::$variant => $retriable),* }
            }
        }
    };
}

kafka_errors! {
    /// Something unforeseen; the log of the node has the cause.
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR", false;
    /// The offset asked for is below the log's start or beyond its end.
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE", false;
    /// Bytes whose checksum or structure is wrong.
    CorruptMessage = 2, "CORRUPT_MESSAGE", true;
    /// No such topic, or no such partition of it.
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION", true;
    /// The partition has no leader now.
    LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE", true;
    /// This broker does not lead the partition (any more).
    NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER", true;
    /// The work was not done in the time that the caller gave it; it may still take effect.
    RequestTimedOut = 7, "REQUEST_TIMED_OUT", true;
    /// The broker that owns the work cannot be reached.
    BrokerNotAvailable = 8, "BROKER_NOT_AVAILABLE", true;
    /// A record or batch over the limit.
    MessageTooLarge = 10, "MESSAGE_TOO_LARGE", false;
    /// The connection broke before the answer; the work may have taken effect.
    NetworkException = 13, "NETWORK_EXCEPTION", true;
    /// A name that topics may not have.
    InvalidTopicException = 17, "INVALID_TOPIC_EXCEPTION", false;
    /// Fewer in-sync replicas than `min.insync.replicas`; nothing was written.
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS", true;
    /// The in-sync replicas became too few after the write; the records are in the log.
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", true;
    /// `acks` is none of all, 1 and 0.
    InvalidRequiredAcks = 21, "INVALID_REQUIRED_ACKS", false;
    /// The caller may not do this.
    ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED", false;
    /// A timestamp out of bounds.
    InvalidTimestamp = 32, "INVALID_TIMESTAMP", false;
    /// A topic of this name exists.
    TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS", false;
    /// A number of partitions that cannot be.
    InvalidPartitions = 37, "INVALID_PARTITIONS", false;
    /// More replicas than usable brokers, or none.
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR", false;
    /// A replica assignment that cannot be.
    InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT", false;
    /// A configuration key or value that cannot be.
    InvalidConfig = 40, "INVALID_CONFIG", false;
    /// This controller is not the active one.
    NotController = 41, "NOT_CONTROLLER", true;
    /// A request that makes no sense.
    InvalidRequest = 42, "INVALID_REQUEST", false;
    /// A bound of the cluster refuses the request.
    PolicyViolation = 44, "POLICY_VIOLATION", false;
    /// A producer's sequence number that does not follow its last one; nothing was written.
    OutOfOrderSequenceNumber = 45, "OUT_OF_ORDER_SEQUENCE_NUMBER", false;
    /// A producer epoch below one that the partition has seen: the producer was fenced.
    InvalidProducerEpoch = 47, "INVALID_PRODUCER_EPOCH", false;
    /// A write that does not fit the state of its producer's transaction.
    InvalidTxnState = 48, "INVALID_TXN_STATE", false;
    /// A marker of a transaction coordinator that was deposed.
    TransactionCoordinatorFenced = 52, "TRANSACTION_COORDINATOR_FENCED", false;
    /// The log directory failed; its partitions are out of service on this broker.
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR", true;
    /// A leader epoch older than the current one.
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH", true;
    /// A leader epoch that this broker has not heard of yet.
    UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH", true;
    /// A broker epoch of an earlier registration.
    StaleBrokerEpoch = 77, "STALE_BROKER_EPOCH", false;
    /// The new leader does not know the end offset yet.
    OffsetNotAvailable = 78, "OFFSET_NOT_AVAILABLE", true;
    /// A record that breaks a rule of its topic.
    InvalidRecord = 87, "INVALID_RECORD", false;
    /// A quota or a bound is reached; later there may be room.
    ThrottlingQuotaExceeded = 89, "THROTTLING_QUOTA_EXCEEDED", true;
    /// The partition's state changed meanwhile; the change was refused.
    InvalidUpdateVersion = 95, "INVALID_UPDATE_VERSION", false;
    /// No topic has this id.
    UnknownTopicId = 100, "UNKNOWN_TOPIC_ID", true;
    /// Another live process is registered under this broker id.
    DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION", false;
    /// The broker is not registered.
    BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED", false;
    /// The node belongs to another cluster.
    InconsistentClusterId = 104, "INCONSISTENT_CLUSTER_ID", false;
    /// A replica that may not be in the ISR now.
    IneligibleReplica = 107, "INELIGIBLE_REPLICA", false;
    /// The change was done and deposed the caller.
    NewLeaderElected = 108, "NEW_LEADER_ELECTED", false;
    /// A registration that cannot be.
    InvalidRegistration = 119, "INVALID_REGISTRATION", false;
}

impl std::fmt::Display for KafkaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_distinct() {
        for (place, error) in KafkaError::ALL.iter().enumerate() {
            for later in &KafkaError::ALL[place + 1..] {
                assert!(
                    error.code() < later.code(),
                    "{error} and {later} are out of order"
                );
                assert_ne!(error.name(), later.name());
            }
        }
    }
}
