//! The v2 REST API (Confluent's REST Proxy API v2), with the stateless reads that only Redpanda has.

mod metadata;
mod number_text;
mod offsets;
mod produce;
mod produce_answer;
mod produce_body;
mod record_json;
mod records;
mod time_query;
pub(in crate::http) mod topic_configs;

pub(super) use metadata::{brokers, partition, partitions, topic, topics};
pub(super) use offsets::offsets;
pub(super) use produce::{produce_to_partition, produce_to_topic, required_acks};
pub(super) use records::records;
