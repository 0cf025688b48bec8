//! [`FeatureLevel`].

use serde::{Deserialize, Serialize};

/// A feature was switched to a level (Kafka's `FeatureLevelRecord`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureLevel {
    /// The feature.
    pub name: String,
    /// Its level; 0 switches it off.
    pub level: u16,
}
