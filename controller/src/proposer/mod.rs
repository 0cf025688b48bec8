//! The proposer: every change of the metadata goes through this one task.
//!
//! It works only on the leader, and only after the leader has applied an entry of its own term:
//! then the image has every earlier change. It decides against the image and what is proposed but
//! not committed yet, so many changes may be in flight; what waits together is packed into one
//! entry. A caller is answered after its entry, and everything it was decided on, is committed and
//! applied. When any proposal fails, all that was decided on top of it is failed too, and deciding
//! starts afresh from the image once nothing is in flight.
//!
//! Safety does not rest on this task: an entry carries the term and the position it was decided
//! on, and replay refuses it anywhere else (the guard).

mod caller;
mod error;
#[cfg(test)]
mod guard_test;
mod handle;
mod pending;
#[cfg(test)]
mod pending_test;
mod task;

pub(crate) use error::ProposeError;
pub(crate) use handle::{Confirm, Proposer};
pub(crate) use task::ProposerTask;
