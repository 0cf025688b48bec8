//! The v3 REST API (Confluent's REST API v3), as far as it is there.

mod alter_configs;
mod answer;
mod brokers;
mod clusters;
mod create_topic;
mod links;
mod partitions;
pub(in crate::http) mod produce;
mod topic_configs;
mod topics;
mod truncate;

pub(super) use alter_configs::{alter, reset, set};
pub(super) use brokers::{broker, brokers};
pub(super) use clusters::{cluster, clusters};
pub(super) use create_topic::create;
pub(super) use partitions::{partition, partitions, replica, replicas};
pub(super) use topic_configs::{config, configs};
pub(super) use topics::{delete, topic, topics};
pub(super) use truncate::truncate;
