//! What a log knows about the producers that write to it (KIP-98, KIP-360, KIP-854).
//!
//! A pure core: [`ProducerStates`] is a function of the batches that it was shown, in order, and
//! answers whether the next one is new, a repetition, or refused (promise P-ONCE). The same batches
//! give the same state on a leader, on a follower, and at a restart, which starts from a snapshot
//! file and shows it the rest of the log. Files are dealt with in [`snapshot_files`].

mod batch;
mod check;
mod draft;
mod entry;
mod sequence;
mod snapshot;
mod snapshot_files;
mod snapshot_producer;
mod states;
mod transactions;

#[cfg(test)]
mod golden_test;
#[cfg(test)]
mod states_test;

pub(crate) use batch::ProducerBatch;
pub use check::ProducerRefusal;
pub(crate) use check::{Origin, Verdict};
pub(crate) use draft::Draft;
pub use entry::ProducerEnd;
pub use sequence::Sequence;
pub(crate) use snapshot_files::{SnapshotFiles, load_snapshot, read_snapshot};
pub use snapshot_producer::SnapshotProducer;
pub(crate) use states::ProducerStates;

/// Most producers that one log remembers. A leader refuses further ones until some have expired;
/// 100,000 make a snapshot of 4.6 MB.
pub const PRODUCERS_MAX: usize = 100_000;

/// How many of a producer's last batches are remembered: as many as a client may have in flight
/// (KIP-98).
pub(crate) const BATCHES_REMEMBERED: usize = 5;
