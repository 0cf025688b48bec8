//! The v3 REST API (Confluent's REST API v3), as far as it is there.

mod alter_configs;
mod answer;
mod broker_configs;
mod brokers;
mod clusters;
mod create_topic;
mod links;
mod none_yet;
mod partitions;
pub(in crate::http) mod produce;
mod reassignments;
mod replicas;
mod strict_body;
mod topic_configs;
mod topics;
mod truncate;

pub(super) use alter_configs::{alter, reset, set};
pub(super) use broker_configs::{
    of_broker as broker_configs, of_cluster as cluster_configs, one_of_broker as broker_config,
    one_of_cluster as cluster_config,
};
pub(super) use brokers::{broker, brokers};
pub(super) use clusters::{cluster, clusters};
pub(super) use create_topic::create;
pub(super) use none_yet::{acls, consumer_groups};
pub(super) use partitions::{partition, partitions};
pub(super) use reassignments::{
    all as reassignments, of_topic as topic_reassignments, reassignment,
};
pub(super) use replicas::{of_broker as broker_replicas, replica, replicas};
pub(super) use topic_configs::{config, configs};
pub(super) use topics::{delete, topic, topics};
pub(super) use truncate::truncate;
