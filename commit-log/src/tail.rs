//! [`HotTail`]: the newest batches of a log, kept in memory as they were written.
//!
//! Invariant: chunks follow each other without a gap, each holds whole batches.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use trimaran_types::Offset;
use trimaran_types::record_batch::BatchHeader;

/// Most chunks of one tail: bounds what single-record appends cost beyond their bytes.
const CHUNKS_MAX: usize = 4096;

/// A chunk that yields this much is handed out as it is; less is copied together with the next.
const WITHOUT_COPY_BYTES_MIN: usize = 64 * 1024;

#[derive(Debug, Clone)]
struct Chunk {
    base: Offset,
    end: Offset,
    bytes: Bytes,
}

/// The newest batches of a log.
#[derive(Debug, Default)]
pub(crate) struct HotTail {
    chunks: VecDeque<Chunk>,
    bytes: usize,
}

impl HotTail {
    /// Bytes held.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes batches that were written at the log's end; drops the oldest beyond `bytes_max`.
    pub(crate) fn push(&mut self, base: Offset, end: Offset, bytes: Bytes, bytes_max: usize) {
        if self.chunks.back().is_some_and(|chunk| chunk.end != base) {
            self.clear();
        }
        self.bytes += bytes.len();
        self.chunks.push_back(Chunk { base, end, bytes });
        while self.bytes > bytes_max || self.chunks.len() > CHUNKS_MAX {
            match self.chunks.pop_front() {
                Some(chunk) => self.bytes -= chunk.bytes.len(),
                None => break,
            }
        }
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        self.chunks = VecDeque::new();
        self.bytes = 0;
    }

    /// Lets go of what begins below `end`; the files tell it differently now.
    pub(crate) fn forget_before(&mut self, end: Offset) {
        while self.chunks.front().is_some_and(|chunk| chunk.base < end) {
            if let Some(chunk) = self.chunks.pop_front() {
                self.bytes -= chunk.bytes.len();
            }
        }
    }

    /// The chunks from the one that holds `from`, enough for `bytes_max`; `None` when `from` is
    /// older than the tail. Only takes shares, so that a lock around it is short.
    pub(crate) fn chunks_from(&self, from: Offset, bytes_max: usize) -> Option<Vec<Bytes>> {
        self.chunks.front().filter(|chunk| chunk.base <= from)?;
        let first = self.chunks.partition_point(|chunk| chunk.end <= from);
        let mut found = Vec::new();
        let mut more = 0;
        for chunk in self.chunks.range(first..) {
            if more >= bytes_max {
                break;
            }
            // What the first chunk yields is known only after its headers were walked.
            if !found.is_empty() {
                more += chunk.bytes.len();
            }
            found.push(chunk.bytes.clone());
        }
        (!found.is_empty()).then_some(found)
    }
}

/// The whole batches in `chunks` from the one that holds `from`, ending at or before `end`: at
/// least one if there is one, and no more than `bytes_max` beyond it.
pub(crate) fn cut(chunks: &[Bytes], from: Offset, end: Offset, bytes_max: usize) -> Bytes {
    let mut parts: Vec<Bytes> = Vec::new();
    let mut total = 0;
    for chunk in chunks {
        let (start, stop) = window(
            chunk,
            from,
            end,
            bytes_max - total.min(bytes_max),
            parts.is_empty(),
        );
        if start < stop {
            total += stop - start;
            parts.push(chunk.slice(start..stop));
        }
        let enough = parts.len() == 1 && total >= WITHOUT_COPY_BYTES_MIN;
        if stop < chunk.len() || enough {
            break;
        }
    }
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let mut joined = BytesMut::with_capacity(total);
    parts.iter().for_each(|part| joined.extend_from_slice(part));
    joined.freeze()
}

/// Which bytes of a chunk are wanted.
fn window(
    chunk: &[u8],
    from: Offset,
    end: Offset,
    room: usize,
    first_counts: bool,
) -> (usize, usize) {
    let (mut start, mut stop) = (None, 0);
    while let Ok(header) = BatchHeader::parse(&chunk[stop..]) {
        let next = stop + header.total_bytes();
        if header.last_offset() < from {
            stop = next;
            continue;
        }
        let begin = start.unwrap_or(stop);
        let is_first = first_counts && start.is_none();
        if header.next_offset() > end || next > chunk.len() || (next - begin > room && !is_first) {
            break;
        }
        start = Some(begin);
        stop = next;
    }
    (start.unwrap_or(stop), stop)
}
