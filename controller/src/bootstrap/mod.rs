//! The first start of a quorum (KIP-853's `--initial-controllers`, without the by-hand part).
//!
//! An empty directory draws an id. The voter with the lowest id waits until all voters answer,
//! draws the cluster id, writes it down with every voter's directory, and tells the others; each
//! writes it down before it takes part. A crash at any point is safe: whoever is empty asks the
//! others, and adopts what names its directory. An empty directory that the others' founding does
//! not name is a replaced disk: its node must not vote under its old id, so it refuses to start.

mod desk;
mod rendezvous;

pub(crate) use desk::{AdoptError, BootstrapDesk};
pub(crate) use rendezvous::{BootstrapError, rendezvous};
