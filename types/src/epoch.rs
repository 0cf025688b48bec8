//! The three epochs that fence the past: of a leader, of a partition's state, of a broker.

use serde::{Deserialize, Serialize};

/// Counts the leaderships of one partition; a higher epoch deposes every lower one.
///
/// It grows whenever a change names a leader, the same one included (KIP-631).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaderEpoch(pub i32);

/// Counts the changes of one partition's state; an ISR change must name the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionEpoch(pub i32);

/// One registration of a broker: the offset of its record in the metadata log.
///
/// Grows over the whole cluster, so a call of an earlier registration is recognised (KIP-903).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BrokerEpoch(pub u64);

impl LeaderEpoch {
    /// The epoch of a partition that has just been created.
    pub const FIRST: Self = Self(0);

    /// The epoch after this one; saturates, so that it can never go back.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl PartitionEpoch {
    /// The epoch of a partition that has just been created.
    pub const FIRST: Self = Self(0);

    /// The epoch after this one; saturates, so that it can never go back.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

macro_rules! display_as_number {
    ($($name:ident),*) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

display_as_number!(LeaderEpoch, PartitionEpoch, BrokerEpoch);
