//! gzip, as `java.util.zip` writes and reads it: one member or several behind each other (RFC 1952).

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::error::Fault;

pub(super) fn compress(plain: &[u8], level: u32) -> Result<Vec<u8>, String> {
    let level = Compression::new(level.clamp(1, 9));
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 2), level);
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.map_err(|error| error.to_string())
}

/// Memory grows with what came out: the output's size is not known before.
pub(super) fn decompress(block: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut plain = Vec::with_capacity(block.len().saturating_mul(3).min(bytes_max));
    let bound = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut decoder = MultiGzDecoder::new(block).take(bound.saturating_add(1));
    decoder.read_to_end(&mut plain).map_err(Fault::malformed)?;
    if plain.len() > bytes_max {
        return Err(Fault::TooLarge);
    }
    Ok(plain)
}
