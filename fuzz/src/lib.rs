//! What the fuzz targets share: a bound on memory, good checksums on bad batches, a directory of logs to
//! damage, and a second reading of what a journal holds.

pub mod directory;
pub mod journal;
pub mod memory;
mod memory_disk;
pub mod read;
mod start_over;

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

/// Takes numbers and bytes off the front of an input. Numbers go on behind its end, different ones for
/// each input, so that a short one tells a long story, too.
#[derive(Debug)]
pub struct Draws<'a> {
    rest: &'a [u8],
    state: u64,
}

impl<'a> Draws<'a> {
    /// From this input.
    pub fn new(input: &'a [u8]) -> Self {
        let state = u64::from(crc32c::crc32c(input)) << 20 | input.len() as u64 & 0xf_ffff;
        Self { rest: input, state }
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        if let Some((&byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            return byte;
        }
        // The generator SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 56) as u8
    }

    /// Two bytes.
    pub fn short(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    /// As many bytes of the input as there are, `bytes_max` at most.
    pub fn bytes(&mut self, bytes_max: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(bytes_max.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}
