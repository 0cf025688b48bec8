//! [`Aligned`]: bytes that start at a page, as writes past the page cache demand.

/// What devices and file systems ask of direct writes.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Bytes of an append, aligned.
pub(crate) struct Aligned {
    memory: Vec<u8>,
    start: usize,
    bytes: usize,
}

impl Aligned {
    /// `bytes` bytes of noise that no file system can fold together.
    pub(crate) fn noise(bytes: usize) -> Self {
        let memory: Vec<u8> = (0..bytes + PAGE_BYTES)
            .map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let start = memory.as_ptr().align_offset(PAGE_BYTES);
        Self {
            memory,
            start,
            bytes,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.bytes]
    }
}
