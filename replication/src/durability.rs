//! [`Durability`]: which of a replica's positions counts for the high watermark.

use trimaran_types::Offset;

/// What "a replica has the record" means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is on the replica's disk: the default, `flush.messages=1`.
    Synced,
    /// The replica has written it, perhaps only to memory: Kafka's own rule.
    Written,
}

impl Durability {
    /// The position that counts, of a replica's flushed end and its log end.
    #[must_use]
    pub fn counted(self, flushed_end: Offset, log_end: Offset) -> Offset {
        match self {
            Self::Synced => flushed_end.min(log_end),
            Self::Written => log_end,
        }
    }
}
