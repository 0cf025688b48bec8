//! Snappy: xerial's frames, which Java writes, and a bare block, which librdkafka writes.
//!
//! A frame: 8 bytes of magic, version and oldest compatible version as i32, then chunks, each an
//! i32 length and a Snappy block. Frames may follow each other. What does not begin with the magic
//! is one bare block (`SnappyInputStream.java` of snappy-java).

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::error::Fault;
use super::output::Output;

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const HEADER_BYTES: usize = 16;
const VERSION: i32 = 1;
/// What Java's stream takes at a time.
const CHUNK_BYTES: usize = 32 * 1024;
/// A block that claims to become more than this for each of its bytes is counted first.
const CLAIM_RATIO_MAX: usize = 8;

pub(super) fn compress(plain: &[u8]) -> Result<Vec<u8>, String> {
    let mut block = Vec::with_capacity(HEADER_BYTES + plain.len() / 2);
    block.extend_from_slice(&MAGIC);
    block.extend_from_slice(&VERSION.to_be_bytes());
    block.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = Encoder::new();
    let mut room = vec![0; max_compress_len(CHUNK_BYTES.min(plain.len()))];
    for chunk in plain.chunks(CHUNK_BYTES) {
        let bytes = encoder
            .compress(chunk, &mut room)
            .map_err(|error| error.to_string())?;
        let length = i32::try_from(bytes).map_err(|error| error.to_string())?;
        block.extend_from_slice(&length.to_be_bytes());
        block.extend_from_slice(room.get(..bytes).unwrap_or_default());
    }
    Ok(block)
}

pub(super) fn decompress(block: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut plain = Output::new(bytes_max);
    if !block.starts_with(&MAGIC) {
        append(block, &mut plain)?;
        return Ok(plain.into_bytes());
    }
    let mut rest = block;
    while !rest.is_empty() {
        if rest.starts_with(&MAGIC) {
            rest = after_header(rest)?;
            continue;
        }
        let length = take_i32(&mut rest).ok_or_else(|| cut_short("a chunk's length"))?;
        let length = usize::try_from(length)
            .map_err(|_| Fault::malformed(format!("a chunk has length {length}")))?;
        let (chunk, behind) = rest
            .split_at_checked(length)
            .ok_or_else(|| cut_short("a chunk"))?;
        append(chunk, &mut plain)?;
        rest = behind;
    }
    Ok(plain.into_bytes())
}

fn after_header(frame: &[u8]) -> Result<&[u8], Fault> {
    let (header, mut rest) = frame
        .split_at_checked(MAGIC.len())
        .ok_or_else(|| cut_short("the frame header"))?;
    debug_assert_eq!(header, MAGIC);
    let _version = take_i32(&mut rest).ok_or_else(|| cut_short("the frame header"))?;
    let compatible = take_i32(&mut rest).ok_or_else(|| cut_short("the frame header"))?;
    if compatible > VERSION {
        let cause = format!("the frame needs a reader of version {compatible}");
        return Err(Fault::malformed(cause));
    }
    Ok(rest)
}

fn take_i32(rest: &mut &[u8]) -> Option<i32> {
    let (bytes, behind) = rest.split_first_chunk::<4>()?;
    *rest = behind;
    Some(i32::from_be_bytes(*bytes))
}

fn cut_short(what: &str) -> Fault {
    Fault::malformed(format!("{what} is cut short"))
}

/// Decompresses one bare block behind what is there.
fn append(block: &[u8], plain: &mut Output) -> Result<(), Fault> {
    if block.is_empty() {
        return Err(Fault::malformed("a block is empty"));
    }
    let claimed = decompress_len(block).map_err(Fault::malformed)?;
    if claimed > plain.left() {
        return Err(if is_true(block, claimed) {
            Fault::TooLarge
        } else {
            claims_too_much(claimed)
        });
    }
    if claimed > block.len().saturating_mul(CLAIM_RATIO_MAX) && !is_true(block, claimed) {
        return Err(claims_too_much(claimed));
    }
    plain.append(claimed, |room| {
        let decoded = Decoder::new().decompress(block, room);
        decoded.map_err(Fault::malformed)
    })
}

fn claims_too_much(claimed: usize) -> Fault {
    Fault::malformed(format!("a block claims {claimed} bytes and has fewer"))
}

/// Whether the elements of a block add up to what it claims. Reads tags only, reserves nothing.
fn is_true(block: &[u8], claimed: usize) -> bool {
    let claim_bytes = block.iter().take_while(|byte| **byte >= 0x80).count() + 1;
    let mut rest = block.get(claim_bytes..).unwrap_or_default();
    let mut total = 0_usize;
    while let Some((&tag, behind)) = rest.split_first() {
        let high = usize::from(tag >> 2);
        let (length, skipped) = match tag & 3 {
            // Up to 60 the length stands in the tag, above it in 1 to 4 bytes behind it.
            0 if high < 60 => (high + 1, high + 1),
            0 => {
                let width = high - 59;
                let Some(bytes) = behind.get(..width) else {
                    return false;
                };
                let length = bytes
                    .iter()
                    .rev()
                    .fold(0_usize, |length, byte| length << 8 | usize::from(*byte))
                    + 1;
                (length, width + length)
            }
            1 => ((high & 7) + 4, 1),
            2 => (high + 1, 2),
            _ => (high + 1, 4),
        };
        total = total.saturating_add(length);
        let Some(behind) = behind.get(skipped..) else {
            return false;
        };
        rest = behind;
    }
    total == claimed
}
