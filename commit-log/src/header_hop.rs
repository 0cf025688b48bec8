//! [`HeaderHop`]: a walk from batch to batch by headers alone, without reading the records.
//!
//! Checksums are not looked at: whoever serves or believes a batch verifies it.

use std::io;

use trimaran_types::record_batch::{BATCH_HEADER_BYTES, BatchError, BatchHeader};

use crate::disk::DiskFile;

const BLOCK_BYTES: usize = 4096;

/// A batch's header and where the batch lies in its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlacedHeader {
    pub position: u64,
    pub header: BatchHeader,
}

/// Why the walk cannot go on.
#[derive(Debug)]
pub(crate) enum HopError {
    Io(io::Error),
    Batch { position: u64, cause: BatchError },
}

/// The walk.
pub(crate) struct HeaderHop<'a> {
    file: &'a dyn DiskFile,
    position: u64,
    end: u64,
    block: Vec<u8>,
    block_at: u64,
}

impl<'a> HeaderHop<'a> {
    /// Walks the batches of `file` that lie between `position` and `end`.
    pub(crate) const fn new(file: &'a dyn DiskFile, position: u64, end: u64) -> Self {
        Self {
            file,
            position,
            end,
            block: Vec::new(),
            block_at: 0,
        }
    }

    fn step(&mut self) -> Result<PlacedHeader, HopError> {
        let position = self.position;
        let cut_short = |need: usize| HopError::Batch {
            position,
            cause: BatchError::Truncated {
                have: usize::try_from(self.end - position).unwrap_or(usize::MAX),
                need,
            },
        };
        if self.end - position < BATCH_HEADER_BYTES as u64 {
            return Err(cut_short(BATCH_HEADER_BYTES));
        }
        let in_block = |block_at: u64, block: &[u8]| {
            let at = usize::try_from(position.checked_sub(block_at)?).ok()?;
            (block.len() >= at.checked_add(BATCH_HEADER_BYTES)?).then_some(at)
        };
        let at = match in_block(self.block_at, &self.block) {
            Some(at) => at,
            None => {
                self.block.clear();
                self.file
                    .read_at(position, BLOCK_BYTES, &mut self.block)
                    .map_err(HopError::Io)?;
                self.block_at = position;
                0
            }
        };
        let header = BatchHeader::parse(&self.block[at..])
            .map_err(|cause| HopError::Batch { position, cause })?;
        let next = position + header.total_bytes() as u64;
        if next > self.end {
            return Err(cut_short(header.total_bytes()));
        }
        self.position = next;
        Ok(PlacedHeader { position, header })
    }
}

impl Iterator for HeaderHop<'_> {
    type Item = Result<PlacedHeader, HopError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.end {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.position = self.end;
        }
        Some(step)
    }
}
