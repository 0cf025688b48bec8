//! [`JournalLimits`]: how large a journal is.

/// Both halves together, by default, in bytes.
pub const JOURNAL_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// The smallest journal, both halves together: a few entries must fit.
pub const JOURNAL_BYTES_MIN: u64 = 1024 * 1024;
/// The largest: a start reads all of it.
pub const JOURNAL_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// How large the journal of a directory is, and what goes through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalLimits {
    /// Largest size of each of the two files, in bytes; what is over a multiple of 4 KiB is not used.
    pub half_bytes: u64,
    /// A flush of so many bytes, or more, goes to the segment's file.
    pub flush_bytes_end: usize,
    /// The files are lengthened by so much at once, in bytes.
    pub chunk_bytes: u64,
    /// Bytes that logs keep in memory for a flush through the journal, all together.
    pub kept_bytes_max: usize,
}

impl JournalLimits {
    /// For a journal of `bytes`, both files together (`log.journal.bytes`), within
    /// [`JOURNAL_BYTES_MIN`] and [`JOURNAL_BYTES_MAX`]; `None` for 0, which switches it off.
    #[must_use]
    pub fn of_bytes(bytes: u64) -> Option<Self> {
        (bytes > 0).then(|| Self {
            half_bytes: bytes.clamp(JOURNAL_BYTES_MIN, JOURNAL_BYTES_MAX) / 2,
            flush_bytes_end: 64 * 1024,
            chunk_bytes: 1024 * 1024,
            kept_bytes_max: 64 * 1024 * 1024,
        })
    }
}
