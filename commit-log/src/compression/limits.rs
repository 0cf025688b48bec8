//! [`DecompressLimits`]: how large the records of one batch may become.

use trimaran_types::limits::{BATCH_BYTES_MAX, DECOMPRESSED_BYTES_MAX, DECOMPRESSED_RATIO_MAX};

/// The bounds of one decompression, checked while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecompressLimits {
    /// Most bytes that come out, whatever goes in.
    pub bytes_max: usize,
    /// Most bytes that come out for each byte that goes in.
    pub ratio_max: usize,
    /// So many bytes may come out at any ratio: equal bytes compress a thousandfold and more.
    pub any_ratio_bytes_max: usize,
}

impl Default for DecompressLimits {
    fn default() -> Self {
        Self {
            bytes_max: DECOMPRESSED_BYTES_MAX,
            ratio_max: DECOMPRESSED_RATIO_MAX,
            any_ratio_bytes_max: BATCH_BYTES_MAX,
        }
    }
}

impl DecompressLimits {
    /// What may come out of so many bytes.
    #[must_use]
    pub fn bytes_max_of(&self, compressed_bytes: usize) -> usize {
        compressed_bytes
            .saturating_mul(self.ratio_max)
            .max(self.any_ratio_bytes_max)
            .min(self.bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_counts_between_the_two_bounds() {
        let limits = DecompressLimits {
            bytes_max: 10_000,
            ratio_max: 10,
            any_ratio_bytes_max: 1_000,
        };
        for (compressed, plain) in [(0, 1_000), (100, 1_000), (500, 5_000), (1_001, 10_000)] {
            assert_eq!(limits.bytes_max_of(compressed), plain);
        }
        assert_eq!(limits.bytes_max_of(usize::MAX), 10_000);
    }

    #[test]
    fn whatever_is_built_here_can_be_read_here() {
        assert!(DecompressLimits::default().bytes_max_of(1) >= BATCH_BYTES_MAX);
    }
}
