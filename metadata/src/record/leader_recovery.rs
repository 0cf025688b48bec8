//! [`LeaderRecovery`].

use serde::{Deserialize, Serialize};

/// Whether a partition's leader may lack acknowledged records (KIP-704).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaderRecovery {
    /// The leader was elected cleanly, or has said that it is done recovering.
    #[default]
    Recovered,
    /// The leader was elected uncleanly; nobody may join it in the ISR until it has recovered.
    Recovering,
}
