//! The records of the metadata log: one file a record.
//!
//! Every record carries its type and version, so that a reader that is too old says so and never
//! guesses. Change records name only what changes: an absent field means "unchanged". A field is
//! added only together with a new version of its record.

mod broker_registration_change;
mod change_origin;
mod change_reason;
mod codec;
mod config;
mod feature_level;
mod fence_reason;
mod leader_recovery;
mod no_op;
mod partition;
mod partition_change;
mod producer_ids;
mod register_broker;
mod remove_topic;
mod topic;
mod unregister_broker;

pub use broker_registration_change::BrokerRegistrationChange;
pub use change_origin::ChangeOrigin;
pub use change_reason::ChangeReason;
pub(crate) use codec::DecodedRecord;
pub use codec::{MetadataRecord, RecordType};
pub use config::{Config, ConfigResourceType};
pub use feature_level::FeatureLevel;
pub use fence_reason::FenceReason;
pub use leader_recovery::LeaderRecovery;
pub use no_op::NoOp;
pub use partition::Partition;
pub use partition_change::PartitionChange;
pub use producer_ids::ProducerIds;
pub use register_broker::RegisterBroker;
pub use remove_topic::RemoveTopic;
pub use topic::Topic;
pub use unregister_broker::UnregisterBroker;

#[cfg(test)]
mod golden_test;
