//! [`Config`].

use serde::{Deserialize, Serialize};

/// A configuration value was set, or removed when `value` is null (Kafka's `ConfigRecord`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What kind of thing it configures.
    pub resource_type: ConfigResourceType,
    /// Which one: a topic's name; a broker's id, or nothing for the default of all brokers.
    pub resource_name: String,
    /// The key.
    pub name: String,
    /// The value as text; null removes it.
    pub value: Option<String>,
}

/// What a configuration value belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigResourceType {
    /// One topic.
    Topic,
    /// One broker, or all.
    Broker,
}
