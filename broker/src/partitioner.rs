//! Which partition a record goes to: Kafka's default partitioner.
//!
//! A key decides by murmur2, so a key keeps its partition as long as the number of partitions stays
//! (`BuiltInPartitioner.partitionForKey`, `Utils.murmur2`). Records without a key stick to one
//! partition per request, which keeps them in one batch (KIP-480).

use trimaran_types::PartitionIndex;

/// The partition of a key among `count`; `None` when there is no partition at all.
#[must_use]
pub fn partition_of_key(key: &[u8], count: u32) -> Option<PartitionIndex> {
    let positive = murmur2(key) & 0x7fff_ffff;
    positive.checked_rem(count).map(PartitionIndex)
}

/// Kafka's 32-bit murmur2, with its seed.
#[must_use]
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // Keys are at most a mebibyte; Kafka's own length is 32 bits wide too.
    let mut hash = SEED ^ (data.len() as u32);
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    for (place, byte) in tail.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * place);
    }
    if !tail.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_agrees_with_kafka() {
        // The vectors of Kafka's `UtilsTest.testMurmur2`.
        let table: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ];
        for (text, hash) in table {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash, "{text}");
        }
    }

    #[test]
    fn a_key_falls_into_range_and_no_partition_is_no_answer() {
        for count in 1..50 {
            let partition = partition_of_key(b"N12345", count).unwrap();
            assert!(partition.0 < count);
        }
        assert_eq!(partition_of_key(b"x", 0), None);
    }
}
