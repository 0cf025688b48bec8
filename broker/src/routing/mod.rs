//! Routing: a client's append, read or question, done by the broker that leads the partition.
//!
//! Any broker takes any request. Where this one leads, the work is done here; else it goes to the
//! leader's inter-node listener, once: a forwarded request is never forwarded again. When the leader
//! moves or is out of reach, the request waits for newer metadata and is tried again until its
//! deadline. An append is tried again only when the first try surely wrote nothing; what may have
//! been written is answered as unknown, never sent twice.

mod append_stream;
mod local;
mod locate;
mod outcome;
mod own_replicas;
mod records;
mod remote;
mod retry;
mod router;

pub use local::LocalPartitions;
pub use locate::{Whereabouts, locate};
pub use outcome::{outcome_of, unknown_outcome, with_outcome};
pub use records::Records;
pub use remote::Remote;
pub use router::PartitionRouter;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod retry_test;
