//! Connections between brokers that begin as HTTP and then carry frames of their own.
//!
//! The one half opens a connection with a call that every other call between nodes resembles, so it
//! is checked in the same way; the other half agrees, within a bound, and serves it. What is said on
//! it is its protocol's business: `routing/append_stream`, `fetcher/fetch_stream`.

mod accept;
mod message;
mod open;
mod room;

pub(crate) use accept::accept;
pub(crate) use message::{MessageError, read_message, write_message};
pub(crate) use open::{Opening, open};
pub(crate) use room::make_room;
