//! One partition replica: a task that owns the log and the role, and a handle to it.
//!
//! The owner takes what waits in its mailbox, writes all appends among it in one write call, asks
//! the pure core what follows, and carries that out. It never waits for a flush: that comes back
//! as an event, while the next writes gather. Reads do not pass through it.
//!
//! Bounds: the mailbox, the bytes of appends that wait (per partition and per broker), one flush and one
//! write of the log start in flight, one parked fetch for each follower.

mod append;
mod assign;
mod assignment;
mod budget;
mod clock;
mod durable_start;
mod event;
mod fetch;
mod flush;
mod follow;
mod handle;
mod held;
mod keys;
mod leader_actions;
mod leader_history;
mod log_start_writer;
mod owner;
mod pause_notes;
mod read;
mod refusal;
mod replace_segments;
mod retain;
mod role;
mod room;
mod room_gate;
mod seats;
mod status;
mod topic_settings;
mod trim;

pub use assignment::{AssignedRole, Assignment};
pub use budget::AppendBudget;
pub use clock::Clock;
pub use event::{Closing, FollowerNext};
pub use handle::{PartitionHandle, PartitionStart};
pub use log_start_writer::LogStartWriter;
pub use read::Records;
pub use room_gate::RoomGate;
pub use status::{PartitionRole, PartitionStatus};
pub use topic_settings::{TopicSettings, batch_bytes_max};

pub(crate) use event::{Event, FetchReply, Fetched, FollowerRequest, IsrAnswered};
pub(crate) use refusal::{no_such_partition, not_serving};
pub(crate) use seats::FetchWaiter;

#[cfg(test)]
mod partition_test;
