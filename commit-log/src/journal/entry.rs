//! [`Entry`]: the bytes that a log has been appended since it was last durable, for the journal.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use trimaran_types::Offset;

use super::format::ENTRY_OVERHEAD_BYTES;
use crate::disk::DiskFile;

/// Bytes of one segment, from the place up to which it is durable to its end.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The name of the log's folder.
    pub(crate) name: Arc<str>,
    /// See [`super::Journal::begin_anew`].
    pub(crate) incarnation: u64,
    /// The segment.
    pub(crate) base: Offset,
    /// Where in its file the bytes stand.
    pub(crate) position: u64,
    /// The bytes, in pieces.
    pub(crate) pieces: Vec<Bytes>,
    /// The open file that they were written through.
    pub(crate) file: Arc<dyn DiskFile>,
    /// The log's directory, for messages.
    pub(crate) log_dir: PathBuf,
    /// Whose flush it is; the flusher's number.
    pub(crate) ticket: u64,
}

impl Entry {
    /// What it takes in a group, at most.
    pub(super) fn bytes_max(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum::<usize>() + ENTRY_OVERHEAD_BYTES
    }
}
