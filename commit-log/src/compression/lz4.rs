//! LZ4: one frame of independent blocks (`Lz4BlockInputStream.java`, `Lz4BlockOutputStream.java`).
//!
//! Refused like Kafka's readers do: blocks that depend on each other, dictionaries, the broken
//! header checksum of formats before v2. Refused beyond that: bytes behind the frame's end, which
//! Kafka ignores. Checksums, where a frame has them, are checked.
//!
//! The walk over the frame is here, so that blocks go straight into the output and nothing is reserved
//! because a header names large blocks: some thirty bytes may name 4 MiB.

use std::io::Write as _;

use lz4_flex::block::decompress_into;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use twox_hash::XxHash32;

use super::error::Fault;
use super::output::Output;

const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();
const FLAG_INDEPENDENT: u8 = 1 << 5;
const FLAG_BLOCK_CHECKSUMS: u8 = 1 << 4;
const FLAG_CONTENT_SIZE: u8 = 1 << 3;
const FLAG_CONTENT_CHECKSUM: u8 = 1 << 2;
const FLAG_RESERVED: u8 = 1 << 1;
const FLAG_DICTIONARY: u8 = 1;
/// Bits of the block descriptor that say nothing.
const DESCRIPTOR_RESERVED: u8 = 0x8f;
/// Says of a block's length that its bytes are not compressed.
const BLOCK_PLAIN: u32 = 1 << 31;

/// No byte of a block becomes more.
const RATIO_MAX: usize = 255;
/// A block that may become more than this, and more than so much for each of its bytes, is counted
/// first: the largest one that Kafka's clients write.
const UNCOUNTED_BYTES_MAX: usize = 64 * 1024;
const UNCOUNTED_RATIO_MAX: usize = 8;

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

pub(super) fn decompress(frame: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut rest = frame;
    let header = Header::take(&mut rest).map_err(Fault::malformed)?;
    let mut plain = Output::new(bytes_max);
    while let Some(block) = header.take_block(&mut rest).map_err(Fault::malformed)? {
        match block {
            Block::Plain(bytes) => plain.append(bytes.len(), |room| {
                room.copy_from_slice(bytes);
                Ok(bytes.len())
            })?,
            Block::Packed(bytes) => unpack(bytes, header.block_bytes_max, &mut plain)?,
        }
    }
    header
        .check_end(rest, plain.bytes())
        .map_err(Fault::malformed)?;
    Ok(plain.into_bytes())
}

/// What a frame says of itself.
struct Header {
    flags: u8,
    block_bytes_max: usize,
    content_bytes: Option<u64>,
}

enum Block<'a> {
    Plain(&'a [u8]),
    Packed(&'a [u8]),
}

const CUT_SHORT: &str = "it is cut short";

impl Header {
    fn take(rest: &mut &[u8]) -> Result<Self, &'static str> {
        if take::<4>(rest)? != MAGIC {
            return Err("it does not begin with the frame's magic");
        }
        let covered = *rest;
        let [flags, descriptor] = take(rest)?;
        if flags >> 6 != 1 {
            return Err("its frame version is not 1");
        }
        if flags & FLAG_INDEPENDENT == 0 {
            return Err("its blocks depend on each other");
        }
        if flags & FLAG_DICTIONARY != 0 {
            return Err("it needs a dictionary");
        }
        if flags & FLAG_RESERVED != 0 || descriptor & DESCRIPTOR_RESERVED != 0 {
            return Err("its reserved bits are set");
        }
        let block_bytes_max = match descriptor >> 4 & 7 {
            4 => 64 * 1024,
            5 => 256 * 1024,
            6 => 1024 * 1024,
            7 => 4 * 1024 * 1024,
            _ => return Err("its block size is unknown"),
        };
        let content_bytes = match flags & FLAG_CONTENT_SIZE {
            0 => None,
            _ => Some(u64::from_le_bytes(take(rest)?)),
        };
        let covered = &covered[..covered.len() - rest.len()];
        let [checksum] = take(rest)?;
        if XxHash32::oneshot(0, covered).to_le_bytes()[1] != checksum {
            return Err("its header's checksum is wrong");
        }
        Ok(Self {
            flags,
            block_bytes_max,
            content_bytes,
        })
    }

    /// The next block, `None` at the mark of the end.
    fn take_block<'a>(&self, rest: &mut &'a [u8]) -> Result<Option<Block<'a>>, &'static str> {
        let length = u32::from_le_bytes(take(rest)?);
        if length == 0 {
            return Ok(None);
        }
        let bytes = (length & !BLOCK_PLAIN) as usize;
        if bytes > self.block_bytes_max {
            return Err("a block is larger than its frame says");
        }
        let (block, behind) = rest.split_at_checked(bytes).ok_or("a block is cut short")?;
        *rest = behind;
        if self.flags & FLAG_BLOCK_CHECKSUMS != 0
            && u32::from_le_bytes(take(rest)?) != XxHash32::oneshot(0, block)
        {
            return Err("a block's checksum is wrong");
        }
        Ok(Some(if length & BLOCK_PLAIN == 0 {
            Block::Packed(block)
        } else {
            Block::Plain(block)
        }))
    }

    /// What lies behind the mark of the end, and what came out in front of it.
    fn check_end(&self, mut rest: &[u8], plain: &[u8]) -> Result<(), &'static str> {
        if self.flags & FLAG_CONTENT_CHECKSUM != 0
            && u32::from_le_bytes(take(&mut rest)?) != XxHash32::oneshot(0, plain)
        {
            return Err("its content's checksum is wrong");
        }
        if !rest.is_empty() {
            return Err("bytes are left over after the frame");
        }
        match self.content_bytes {
            Some(said) if said != plain.len() as u64 => Err("it has not as many bytes as it says"),
            _ => Ok(()),
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (taken, behind) = rest.split_first_chunk::<N>().ok_or(CUT_SHORT)?;
    *rest = behind;
    Ok(*taken)
}

/// Decompresses one block behind what is there.
fn unpack(block: &[u8], block_bytes_max: usize, plain: &mut Output) -> Result<(), Fault> {
    let mut room = block.len().saturating_mul(RATIO_MAX).min(block_bytes_max);
    let uncounted_max = block.len().saturating_mul(UNCOUNTED_RATIO_MAX);
    if room > plain.left() || room > uncounted_max.max(UNCOUNTED_BYTES_MAX) {
        let counted = count(block).ok_or_else(|| Fault::malformed("a block ends inside"))?;
        if counted > block_bytes_max {
            return Err(Fault::malformed(
                "a block becomes larger than its frame says",
            ));
        }
        room = counted;
    }
    plain.append(room, |room| {
        decompress_into(block, room).map_err(Fault::malformed)
    })
}

/// How many bytes the sequences of a block make. Reads tokens and lengths only, reserves nothing.
fn count(block: &[u8]) -> Option<usize> {
    let mut rest = block;
    let mut total = 0_usize;
    loop {
        let (&token, behind) = rest.split_first()?;
        rest = behind;
        let literals = take_length(usize::from(token >> 4), &mut rest)?;
        rest = rest.get(literals..)?;
        total = total.saturating_add(literals);
        // The last sequence has literals alone.
        if rest.is_empty() {
            return Some(total);
        }
        rest = rest.get(2..)?;
        let copied = take_length(usize::from(token & 15), &mut rest)?;
        total = total.saturating_add(copied).saturating_add(4);
    }
}

/// A length that begins in the four bits of a token.
fn take_length(bits: usize, rest: &mut &[u8]) -> Option<usize> {
    let mut length = bits;
    if bits < 15 {
        return Some(length);
    }
    loop {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        length = length.saturating_add(usize::from(byte));
        if byte != u8::MAX {
            return Some(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of one block, of the largest size that there is.
    fn framed(length: u32, block: &[u8]) -> Vec<u8> {
        let mut frame = MAGIC.to_vec();
        frame.extend_from_slice(&[0x60, 0x70]);
        frame.push(XxHash32::oneshot(0, &[0x60, 0x70]).to_le_bytes()[1]);
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(block);
        frame.extend_from_slice(&[0; 4]);
        frame
    }

    fn one_block(block: &[u8]) -> Vec<u8> {
        framed(u32::try_from(block.len()).unwrap(), block)
    }

    #[test]
    fn what_a_block_makes_is_counted_before_anything_is_reserved() {
        for bytes in [0, 1, 14, 15, 300, 70_000, 1_000_000] {
            for value in [
                vec![7; bytes],
                (0..bytes).map(|n| (n * n % 251) as u8).collect(),
            ] {
                let block = lz4_flex::block::compress(&value);
                assert_eq!(count(&block), Some(value.len()));
                let opened = decompress(&one_block(&block), usize::MAX).unwrap();
                assert_eq!(opened, value);
                assert!(opened.capacity() <= value.len().max(UNCOUNTED_BYTES_MAX));
            }
        }
    }

    #[test]
    fn blocks_that_lie_are_malformed() {
        // A literal, a match of 4 MiB and more behind it, and what ends inside.
        let mut long = vec![0x1f, b'x', 1, 0];
        long.extend(std::iter::repeat_n(255, 20_000));
        long.extend_from_slice(&[0, 0x10, b'y']);
        assert!(count(&long).unwrap() > 4 * 1024 * 1024);
        for block in [&long[..], &[0xf0, 255, 255], &[0x10], &[0x0f, 1, 0]] {
            let opened = decompress(&one_block(block), usize::MAX);
            assert!(matches!(opened, Err(Fault::Malformed(_))), "{opened:?}");
        }
    }

    #[test]
    fn a_frame_tells_of_blocks_that_are_not_compressed_and_checks_what_it_can() {
        let plain = b"as it is";
        let frame = framed(8 | BLOCK_PLAIN, plain);
        assert_eq!(decompress(&frame, 8).unwrap(), plain);
        assert_eq!(decompress(&frame, 7), Err(Fault::TooLarge));
        let info = FrameInfo::new()
            .content_size(Some(300))
            .block_checksums(true)
            .content_checksum(true);
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&[5; 300]).unwrap();
        let frame = encoder.finish().unwrap();
        assert_eq!(decompress(&frame, 300).unwrap(), [5; 300]);
        // Every byte of it is covered by something.
        for at in 0..frame.len() {
            let mut bad = frame.clone();
            bad[at] ^= 1;
            assert!(decompress(&bad, 300).is_err(), "byte {at}");
        }
    }
}
