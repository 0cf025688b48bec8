//! [`AbortedTransaction`]: one entry of a `.txnindex` file.

use trimaran_types::{Offset, ProducerId};

use crate::index::IndexEntry;

const VERSION: i16 = 0;

/// A transaction that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer: ProducerId,
    /// Offset of its first record.
    pub first: Offset,
    /// Offset of its marker.
    pub last: Offset,
    /// The last stable offset when it had ended: no transaction that ended later began below it.
    pub last_stable: Offset,
}

/// Kafka's entry, big-endian: version i16, producer id i64, first offset i64, last offset i64, last
/// stable offset i64 (`AbortedTxn.java`).
impl IndexEntry for AbortedTransaction {
    const BYTES: usize = 34;

    fn put(self, into: &mut Vec<u8>) {
        into.extend_from_slice(&VERSION.to_be_bytes());
        for number in [
            self.producer.0,
            self.first.0,
            self.last.0,
            self.last_stable.0,
        ] {
            into.extend_from_slice(&number.to_be_bytes());
        }
    }

    fn take(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first_chunk()?;
        let number = |at: usize| Some(i64::from_be_bytes(*rest.get(at..)?.first_chunk()?));
        let entry = Self {
            producer: ProducerId(number(0)?),
            first: Offset(number(8)?),
            last: Offset(number(16)?),
            last_stable: Offset(number(24)?),
        };
        let is_plausible = i16::from_be_bytes(*version) == VERSION
            && entry.producer.0 >= 0
            && entry.first.0 >= 0
            && entry.first < entry.last
            && entry.last_stable.0 >= 0;
        is_plausible.then_some(entry)
    }

    fn follows(self, before: Self) -> bool {
        self.last > before.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_kafkas_bytes() {
        let entry = AbortedTransaction {
            producer: ProducerId(0x0102),
            first: Offset(3),
            last: Offset(0x0405),
            last_stable: Offset(6),
        };
        let mut bytes = Vec::new();
        entry.put(&mut bytes);
        let expected = [
            0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 4, 5, 0, 0, 0,
            0, 0, 0, 0, 6,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(AbortedTransaction::take(&bytes), Some(entry));
        for (at, value) in [(1, 1), (2, 0x80), (10, 0x80), (17, 9), (26, 0x80)] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            if at == 17 {
                damaged[16..18].copy_from_slice(&[9, 9]);
            }
            assert_eq!(AbortedTransaction::take(&damaged), None, "byte {at}");
        }
    }
}
