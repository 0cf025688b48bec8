//! Sessions: which brokers are alive, as the active controller hears them.
//!
//! Soft state, never logged: a new active controller gives every broker a fresh session. Silence
//! for a session's length fences a broker; so does a broken session connection whose broker
//! refuses a new one. One broker is fenced at a time, and the commit of its fencing is the proof
//! that a quorum still follows this controller.
//!
//! The elections that did not fit into a decision, or that a dead predecessor left undone, belong
//! to the same task: whoever asked for them may be gone before they are made.

mod connections;
mod fencing;
mod shared;
mod table;
mod watchman;

pub(crate) use connections::{Connections, SessionGuard};
pub(crate) use shared::SharedSessions;
pub(crate) use table::Sessions;
pub(crate) use watchman::watch_sessions;
