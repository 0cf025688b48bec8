//! Looking for bit rot: finished segments are read again from the device and verified.
//!
//! Damage is found anyway when somebody reads it; this finds it while the other replicas are still
//! well (Bairavasundaram et al., FAST 2008: most latent errors are in data that nobody reads).

use trimaran_types::Offset;
use trimaran_types::limits::REPLICA_FETCH_BYTES_MAX;
use trimaran_types::record_batch::BatchHeader;

use super::{LogReader, ReadError, from_file};
use crate::disk::OpenHow;
use crate::names::SegmentFile;

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scrubbed {
    /// Where the next step starts; `None` when every finished segment was verified.
    pub next: Option<Offset>,
    /// Bytes that were read and are good.
    pub bytes: usize,
}

impl LogReader {
    /// Verifies the batches of finished segments from the one that holds `from` on, about
    /// `bytes_max` bytes of them and at least one batch. A step does not pass the end of a segment.
    ///
    /// The system is asked to forget a segment before its first step, so that the device answers
    /// and not memory. That is a wish: dirty and mapped pages stay.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] where a batch is damaged. A log that is truncated, compacted or
    /// shortened meanwhile is none: the step then read nothing and is to be tried again.
    pub fn scrub(&self, from: Offset, bytes_max: usize) -> Result<Scrubbed, ReadError> {
        let (generation, from, segment, end) = {
            let state = self.shared.read();
            let from = from.max(state.log_start);
            let next = state
                .segments
                .partition_point(|segment| segment.base <= from);
            match (
                state.segments.get(next.saturating_sub(1)),
                state.segments.get(next),
            ) {
                (Some(segment), Some(next)) => (state.generation, from, *segment, next.base),
                // The last segment is still being written.
                _ => {
                    return Ok(Scrubbed {
                        next: None,
                        bytes: 0,
                    });
                }
            }
        };
        if from <= segment.base
            && let Ok(file) = self
                .shared
                .file(&segment, SegmentFile::Log, OpenHow::Existing)
        {
            file.forget_cached();
        }
        let bytes_max = bytes_max.min(REPLICA_FETCH_BYTES_MAX);
        let read = from_file::read(&self.shared, from, end, bytes_max);
        if self.shared.read().generation != generation {
            return Ok(Scrubbed {
                next: Some(from),
                bytes: 0,
            });
        }
        let read = read?;
        let next = end_of(&read).filter(|next| *next > from).unwrap_or(end);
        Ok(Scrubbed {
            next: Some(next),
            bytes: read.len(),
        })
    }
}

/// The offset after the last batch; the batches were verified.
fn end_of(batches: &[u8]) -> Option<Offset> {
    let (mut end, mut at) = (None, 0);
    while let Ok(header) = BatchHeader::parse(batches.get(at..)?) {
        end = Some(header.next_offset());
        at += header.total_bytes();
    }
    end
}
