//! One replica of a partition, leader or follower, as a function of events.
//!
//! Pure: time comes in as an argument, effects go out as values. Whoever owns a replica tells the
//! core what happened (a fetch, a write, a finished flush, a committed ISR change) and carries out
//! the actions that come back. Nothing here reads a clock, a log or a socket.
//!
//! Positions of a leader that acknowledges synced records, in order:
//! `log_start ≤ high_watermark ≤ flushed_end ≤ log_end`.
//!
//! Reading order: `committed_state` and `peers` (what the controllers have agreed), `leader` (what
//! may be acknowledged, who is in sync), `follower` (what to append, where to truncate).

mod committed_state;
mod durability;
pub mod follower;
pub mod leader;
mod peers;
mod positions;

pub use committed_state::CommittedState;
pub use durability::Durability;
pub use peers::{Peer, Peers};
pub use positions::LogPositions;

#[cfg(test)]
mod simulation_test;
