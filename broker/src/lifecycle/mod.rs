//! How a broker starts and stops (KIP-631).
//!
//! Start: listeners (which answer about health only), metadata up to what is committed, the log
//! directory, registration, logs, assignments, then heartbeats that ask for service, and, once the
//! controllers agree, clients. Stop: leaderships move away, listeners close, logs close, and the mark
//! of a clean end comes last. A failure that the broker cannot get over ends the process through
//! [`Fatal`], with its reason.

mod controlled_shutdown;
mod data_plane;
mod descriptors;
mod directory;
mod fatal;
mod listeners;
mod membership;
mod observations;
mod run;
mod signals;
mod tasks;

pub use fatal::Fatal;
pub use run::run;
