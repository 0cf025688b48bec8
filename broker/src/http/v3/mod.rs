//! The v3 REST API (Confluent's REST API v3), as far as it is there.

mod answer;
mod brokers;
mod clusters;
mod create_topic;
mod links;
pub(in crate::http) mod produce;
mod topics;
mod truncate;

pub(super) use brokers::{broker, brokers};
pub(super) use clusters::{cluster, clusters};
pub(super) use create_topic::create;
pub(super) use topics::{delete, topic, topics};
pub(super) use truncate::truncate;
