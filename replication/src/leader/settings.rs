//! [`LeaderSettings`].

use crate::Durability;

/// What a topic and a broker configure for a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaderSettings {
    /// `min.insync.replicas`, already limited by the number of replicas; at least 1.
    pub min_isr: usize,
    /// What counts as "the replica has it".
    pub durability: Durability,
    /// `replica.lag.time.max.ms`: a follower that was not caught up for longer leaves the ISR.
    pub lag_time_max_ms: u64,
    /// `replica.lag.bytes.max`: while a member of the ISR is this far behind, appends that do not wait
    /// for the ISR are held back.
    pub lag_bytes_max: u64,
}
