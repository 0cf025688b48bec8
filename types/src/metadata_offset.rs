//! [`MetadataOffset`].

use serde::{Deserialize, Serialize};

/// The place of one record in the metadata log, counted over records, not over raft entries.
///
/// A raft entry holds many records; its guard names the offset of its first one. Offsets are dense
/// over the entries that replay accepts, so they are alike on every node.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct MetadataOffset(pub u64);

impl MetadataOffset {
    /// Where the first record of a new cluster goes.
    pub const ZERO: Self = Self(0);

    /// The offset `count` records further; saturates.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl std::fmt::Display for MetadataOffset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
