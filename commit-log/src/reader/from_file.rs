//! Reading and verifying batches of one segment.

use bytes::Bytes;
use trimaran_types::Offset;
use trimaran_types::record_batch::{BatchHeader, RecordBatch};

use super::ReadError;
use super::find::find_batch;
use crate::damage::Damage;
use crate::disk::OpenHow;
use crate::names::SegmentFile;
use crate::shared::Shared;

/// Whole batches from the one that holds `from`, ending at or before `end`, in one read call once
/// the first is found.
pub(super) fn read(
    shared: &Shared,
    from: Offset,
    end: Offset,
    bytes_max: usize,
) -> Result<Bytes, ReadError> {
    let Some((segment, first)) = find_batch(shared, from)? else {
        return Ok(Bytes::new());
    };
    let path = shared.path(SegmentFile::Log, segment.base);
    let left = usize::try_from(segment.bytes - first.position).unwrap_or(usize::MAX);
    let want = bytes_max.min(left).max(first.header.total_bytes());
    let mut buffer = Vec::new();
    shared
        .file(&segment, SegmentFile::Log, OpenHow::Existing)
        .and_then(|file| file.read_at(first.position, want, &mut buffer))
        .map_err(|source| ReadError::Io {
            path: path.clone(),
            source,
        })?;

    let gaps_allowed = shared.gaps_allowed();
    let mut good = 0;
    let mut expected = first.header.base_offset;
    while good < buffer.len() {
        match verify(&buffer[good..], expected, gaps_allowed) {
            Ok(header) if header.next_offset() <= end => {
                good += header.total_bytes();
                expected = header.next_offset();
            }
            // Also said of the first batch only once it is verified: a damaged length in offsets must
            // not look like a batch that is not visible yet.
            Ok(_) => break,
            Err(cause) if good == 0 => {
                let (position, offset) = (first.position, expected);
                return Err(ReadError::Corrupt {
                    file: path,
                    position,
                    offset,
                    cause,
                });
            }
            // Cut off by the read, or damaged; the next read will start right there and tell.
            Err(_) => break,
        }
    }
    buffer.truncate(good);
    Ok(Bytes::from(buffer))
}

fn verify(bytes: &[u8], expected: Offset, gaps_allowed: bool) -> Result<BatchHeader, Damage> {
    let header = RecordBatch::verify_front(bytes)?;
    let found = header.base_offset;
    if found < expected || (found > expected && !gaps_allowed) {
        return Err(Damage::OffsetOutOfOrder { expected, found });
    }
    Ok(header)
}
