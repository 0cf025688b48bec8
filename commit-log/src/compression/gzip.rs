//! gzip, as `java.util.zip` writes and reads it: one member or several behind each other (RFC 1952).

use std::io::Write as _;

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::error::Fault;
use super::output::Output;

pub(super) fn compress(plain: &[u8], level: u32) -> Result<Vec<u8>, String> {
    let level = Compression::new(level.clamp(1, 9));
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 2), level);
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written.map_err(|error| error.to_string())
}

/// Memory grows with what came out: the output's size is not known before.
pub(super) fn decompress(block: &[u8], bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut plain = Output::new(bytes_max);
    plain.append_all(MultiGzDecoder::new(block), block.len())?;
    Ok(plain.into_bytes())
}
