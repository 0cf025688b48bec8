//! From a client's records to batches at their leaders, and back to one result a record.
//!
//! What a client wrote has been read and checked before it comes here; here it gets its partition,
//! its place in a batch, and its offset or its refusal. All partitions are served at once.

mod assign;
mod base64_text;
mod compression;
mod draft;
mod error;
mod send;
mod timestamps;

pub use assign::{Assigned, assign, check_place};
pub use base64_text::decode as decode_base64;
pub use compression::topic_compression;
pub use draft::{Draft, DraftHeader};
pub use error::RecordError;
pub use send::{ProduceTo, RecordResult, send};
