//! LZ4: one frame of independent blocks (`Lz4BlockInputStream.java`, `Lz4BlockOutputStream.java`).
//!
//! Refused like Kafka's readers do: blocks that depend on each other, dictionaries, the broken
//! header checksum of formats before v2. Refused beyond that: bytes behind the frame's end, which
//! Kafka ignores. Checksums, where a frame has them, are checked.

use std::io::{Read as _, Write as _};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::error::Fault;

const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();
const FLAG_INDEPENDENT: u8 = 1 << 5;
const FLAG_BLOCK_CHECKSUMS: u8 = 1 << 4;
const FLAG_CONTENT_SIZE: u8 = 1 << 3;
const FLAG_CONTENT_CHECKSUM: u8 = 1 << 2;
const FLAG_DICTIONARY: u8 = 1;
/// Says of a block's length that its bytes are not compressed.
const BLOCK_PLAIN: u32 = 1 << 31;

pub(super) fn compress(plain: &[u8]) -> Result<Vec<u8>, String> {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::with_capacity(plain.len() / 2));
    encoder
        .write_all(plain)
        .map_err(|error| error.to_string())?;
    encoder.finish().map_err(|error| error.to_string())
}

pub(super) fn decompress(block: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    check_structure(block).map_err(Fault::malformed)?;
    let mut plain = Vec::with_capacity(block.len().saturating_mul(3).min(bytes_max));
    let bound = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut decoder = FrameDecoder::new(block).take(bound.saturating_add(1));
    decoder.read_to_end(&mut plain).map_err(Fault::malformed)?;
    if plain.len() > bytes_max {
        return Err(Fault::TooLarge);
    }
    Ok(plain)
}

/// Walks from block to block, so that a frame cut short is not taken for its beginning, and that
/// memory for blocks is reserved only where there are some.
fn check_structure(frame: &[u8]) -> Result<(), &'static str> {
    let (magic, rest) = frame.split_first_chunk().ok_or("it is cut short")?;
    if *magic != MAGIC {
        return Err("it does not begin with the frame's magic");
    }
    let (&[flags, descriptor], rest) = rest.split_first_chunk().ok_or("it is cut short")?;
    if flags >> 6 != 1 {
        return Err("its frame version is not 1");
    }
    if flags & FLAG_INDEPENDENT == 0 {
        return Err("its blocks depend on each other");
    }
    if flags & FLAG_DICTIONARY != 0 {
        return Err("it needs a dictionary");
    }
    let block_bytes_max = match descriptor >> 4 & 7 {
        4 => 64 * 1024,
        5 => 256 * 1024,
        6 => 1024 * 1024,
        7 => 4 * 1024 * 1024,
        _ => return Err("its block size is unknown"),
    };
    let size_bytes = if flags & FLAG_CONTENT_SIZE == 0 { 0 } else { 8 };
    let mut rest = rest.get(size_bytes + 1..).ok_or("it is cut short")?;
    loop {
        let (length, behind) = rest.split_first_chunk().ok_or("it is cut short")?;
        let length = u32::from_le_bytes(*length);
        if length == 0 {
            rest = behind;
            break;
        }
        let bytes = (length & !BLOCK_PLAIN) as usize;
        if bytes > block_bytes_max {
            return Err("a block is larger than its frame says");
        }
        let checksum_bytes = if flags & FLAG_BLOCK_CHECKSUMS == 0 {
            0
        } else {
            4
        };
        rest = behind
            .get(bytes + checksum_bytes..)
            .ok_or("a block is cut short")?;
    }
    let checksum_bytes = if flags & FLAG_CONTENT_CHECKSUM == 0 {
        0
    } else {
        4
    };
    match rest.len() {
        left if left == checksum_bytes => Ok(()),
        left if left < checksum_bytes => Err("it is cut short"),
        _ => Err("bytes are left over after the frame"),
    }
}
