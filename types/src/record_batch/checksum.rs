//! The checksum of a batch.

/// CRC-32C (RFC 3720, appendix B.4) of what Kafka's checksum covers: all from the attributes on.
pub(super) fn checksum(region: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(region)
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn another_implementation_agrees_at_every_length_and_alignment() {
        let bytes: Vec<u8> = (0..2_000_u32).map(|n| (n * 131 % 251) as u8).collect();
        for start in 0..20 {
            for end in start..bytes.len() {
                let region = &bytes[start..end];
                assert_eq!(checksum(region), crc32c::crc32c(region), "{start}..{end}");
            }
        }
    }
}
