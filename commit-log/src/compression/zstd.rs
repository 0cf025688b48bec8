//! Zstandard: one frame or several (RFC 8878), decompressed in one step straight into the output, so
//! that no window is reserved because a header asks for it.

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{self, CCtx, DCtx, ErrorCode, get_error_name};

use super::error::Fault;

/// The first guess of what comes out, for each byte that goes in.
const GUESS_RATIO: usize = 8;
/// The smallest guess, and by how much a guess grows that was too small.
const GUESS_BYTES_MIN: usize = 256;
const GUESS_GROWTH: usize = 4;

pub(super) fn compress(plain: &[u8], level: i32) -> Result<Vec<u8>, String> {
    let level = level.clamp(zstd_safe::min_c_level(), zstd_safe::max_c_level());
    let mut block = Vec::with_capacity(zstd_safe::compress_bound(plain.len()));
    let mut context = CCtx::try_create().ok_or("no memory for its context")?;
    context
        .compress(&mut block, plain, level)
        .map_err(|code| get_error_name(code).to_owned())?;
    block.shrink_to_fit();
    Ok(block)
}

pub(super) fn decompress(block: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let context = DCtx::try_create();
    let mut context = context.ok_or_else(|| Fault::malformed("no memory for its context"))?;
    decompress_in(&mut context, block, bytes_max)
}

fn decompress_in(context: &mut DCtx<'_>, block: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    if block.is_empty() {
        return Err(Fault::malformed("there is no frame"));
    }
    // Counted from the blocks' headers: the most that can come out.
    let bound = zstd_safe::decompress_bound(block).map_err(malformed)?;
    let bound = usize::try_from(bound).unwrap_or(usize::MAX);
    let most = bound.min(bytes_max);
    let claimed = claimed_bytes(block).unwrap_or(most);
    let guess = block.len().saturating_mul(GUESS_RATIO);
    let mut room = guess.max(GUESS_BYTES_MIN).min(claimed).min(most);
    loop {
        let mut plain = Vec::with_capacity(room);
        match context.decompress(&mut plain, block) {
            Ok(_) => return Ok(plain),
            Err(code) if !is_too_small(code) => return Err(malformed(code)),
            Err(_) if room < most => {
                room = room.saturating_mul(GUESS_GROWTH).clamp(1, most);
            }
            Err(code) if bound <= bytes_max => return Err(malformed(code)),
            Err(_) => return Err(Fault::TooLarge),
        }
    }
}

/// What the first frame says of its own size.
fn claimed_bytes(block: &[u8]) -> Option<usize> {
    let claimed = zstd_safe::get_frame_content_size(block).ok()??;
    usize::try_from(claimed).ok()
}

fn is_too_small(code: ErrorCode) -> bool {
    code == (ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall as usize).wrapping_neg()
}

fn malformed(code: ErrorCode) -> Fault {
    Fault::malformed(get_error_name(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library's memory is not the program's own, so no allocator that counts sees it.
    #[test]
    fn the_library_takes_its_context_and_nothing_for_what_a_frame_claims() {
        const CONTEXT_BYTES_MAX: usize = 192 * 1024;
        // A window of 128 MiB, no size, and one block of five bytes that are not compressed.
        let claims = b"\x28\xb5\x2f\xfd\x00\x88\x29\x00\x00hello";
        let mut context = DCtx::create();
        let before = context.sizeof();
        assert!(before <= CONTEXT_BYTES_MAX, "{before}");
        let packed = compress(&vec![3; 3_000_000], 19).unwrap();
        for (block, bytes) in [(&claims[..], 5), (&packed, 3_000_000)] {
            let plain = decompress_in(&mut context, block, 3_000_000).unwrap();
            assert_eq!(plain.len(), bytes);
            assert_eq!(context.sizeof(), before);
        }
    }
}
