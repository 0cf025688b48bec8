//! What the fuzz targets share: a bound on memory, good checksums on bad batches, and a directory
//! of logs to damage.

pub mod directory;
pub mod memory;
#[path = "../../commit-log/tests/crash/sim_disk.rs"]
#[expect(dead_code, reason = "the crash tests use all of it")]
mod sim_disk;

use bytes::Bytes;

/// Where a batch's checksum is, and where what it covers begins.
const CRC_AT: usize = 17;
const CRC_REGION_AT: usize = 21;
const HEADER_BYTES: usize = 61;

/// Turns bytes into a batch whose length, magic and checksum are right, whatever else is wrong with
/// it; `None` when they are too few.
pub fn with_good_checksum(data: &[u8]) -> Option<Bytes> {
    let mut batch = data.to_vec();
    let length = i32::try_from(batch.len().checked_sub(12)?).ok()?;
    if batch.len() < HEADER_BYTES {
        return None;
    }
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[16] = 2;
    let crc = crc32c::crc32c(&batch[CRC_REGION_AT..]);
    batch[CRC_AT..CRC_REGION_AT].copy_from_slice(&crc.to_be_bytes());
    Some(batch.into())
}
