//! [`AbortedSums`]: `txnindex-checksums`, what each index of aborted transactions of a log holds.
//!
//! Kafka's `.txnindex` has no checksum. Whoever believes a wrong entry, or misses one, takes aborted
//! records for committed ones or the other way round, and the cleaner removes what was aborted. So this
//! file of our own tells how many entries each index has, and their CRC-32C. It is replaced whole, in
//! this order: entries, this file, recovery point. So it has every entry below the recovery point, and
//! after a clean stop every entry that there is. An index that differs from it is made anew from the
//! batches: a note that is older than its index costs time alone.

use std::collections::BTreeMap;
use std::io;

use trimaran_types::Offset;

use super::AbortedTransaction;
use crate::checksum_line;
use crate::disk::DiskFile;
use crate::index::IndexEntry as _;

/// How many entries an index has, and their checksum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AbortedSum {
    pub entries: usize,
    crc: u32,
}

/// Those of the segments that have an index with entries, by base offset.
pub(crate) type AbortedSums = BTreeMap<Offset, AbortedSum>;

fn encode(entries: &[AbortedTransaction]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * AbortedTransaction::BYTES);
    entries.iter().for_each(|entry| entry.put(&mut bytes));
    bytes
}

impl AbortedSum {
    /// Of an index that has just these.
    pub(crate) fn of(entries: &[AbortedTransaction]) -> Self {
        Self::default().with(entries)
    }

    /// Of the index with these behind it.
    #[must_use]
    pub(crate) fn with(self, entries: &[AbortedTransaction]) -> Self {
        Self {
            entries: self.entries + entries.len(),
            crc: crc32c::crc32c_append(self.crc, &encode(entries)),
        }
    }

    /// Bytes of the entries; `None` when no file has as many.
    pub(crate) fn bytes(self) -> Option<u64> {
        (self.entries as u64).checked_mul(AbortedTransaction::BYTES as u64)
    }

    /// Reads the entries that it is of from the front of the file; `None` when those are others.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn read_from(
        self,
        file: &dyn DiskFile,
    ) -> io::Result<Option<Vec<AbortedTransaction>>> {
        let in_file = file.bytes()?;
        let Some(bytes) = self.bytes().filter(|bytes| *bytes <= in_file) else {
            return Ok(None);
        };
        let mut raw = Vec::new();
        file.read_at(0, usize::try_from(bytes).unwrap_or(0), &mut raw)?;
        let entries: Vec<_> = raw
            .chunks_exact(AbortedTransaction::BYTES)
            .map_while(AbortedTransaction::take)
            .collect();
        Ok((Self::of(&entries) == self).then_some(entries))
    }
}

/// The index of the segment that is written: what the file has, and what still waits.
#[derive(Debug, Clone, Default)]
pub(crate) struct AbortedTail {
    pub written: AbortedSum,
    pub pending: Vec<AbortedTransaction>,
}

impl AbortedTail {
    /// The waiting entries as the file has them.
    pub(crate) fn encode_pending(&self) -> Vec<u8> {
        encode(&self.pending)
    }

    /// The waiting entries are in the file.
    pub(crate) fn spilled(&mut self) {
        self.written = self.written.with(&self.pending);
        self.pending.clear();
    }
}

/// The file's content: a version line, a count line, `base entries checksum` lines, its own checksum.
pub(crate) fn format(sums: &AbortedSums) -> String {
    let mut text = format!("0\n{}\n", sums.len());
    for (base, sum) in sums {
        text.push_str(&format!("{base} {} {}\n", sum.entries, sum.crc));
    }
    checksum_line::sealed(text)
}

/// Reads the file's content; `None` when it is damaged.
pub(crate) fn parse(text: &str) -> Option<AbortedSums> {
    let mut lines = checksum_line::opened(text)?.lines();
    if lines.next()? != "0" {
        return None;
    }
    let count: usize = lines.next()?.parse().ok()?;
    let mut sums = AbortedSums::new();
    for line in lines {
        let mut words = line.split(' ');
        let base = Offset(words.next()?.parse().ok().filter(|&base| base >= 0)?);
        let sum = AbortedSum {
            entries: words.next()?.parse().ok()?,
            crc: words.next()?.parse().ok()?,
        };
        if words.next().is_some() {
            return None;
        }
        sums.insert(base, sum);
    }
    (sums.len() == count).then_some(sums)
}

#[cfg(test)]
mod tests {
    use trimaran_types::ProducerId;

    use super::*;

    fn entry(last: i64) -> AbortedTransaction {
        AbortedTransaction {
            producer: ProducerId(1),
            first: Offset(last - 2),
            last: Offset(last),
            last_stable: Offset(last + 1),
        }
    }

    #[test]
    fn golden() {
        let sums = AbortedSums::from([
            (Offset(0), AbortedSum::of(&[entry(3), entry(9)])),
            (Offset(120), AbortedSum::of(&[entry(130)])),
        ]);
        let text = format(&sums);
        let expected = "0\n2\n0 2 1924531970\n120 1 1415013331\n#crc32c 3804792735\n";
        assert_eq!(text, expected);
        assert_eq!(parse(&text), Some(sums));
        let empty = AbortedSums::new();
        assert_eq!(parse(&format(&empty)), Some(empty));
    }

    #[test]
    fn what_is_no_list_of_sums_is_damaged() {
        for damaged in [
            "",
            "0\n",
            "1\n0\n",
            "0\n1\n",
            "0\n1\n-1 1 1\n",
            "0\n1\n0 1\n",
            "0\n1\n0 1 1 1\n",
            "0\n1\n0 -1 1\n",
            "0\n1\n0 1 4294967296\n",
            "0\n2\n0 1 1\n0 1 1\n",
        ] {
            let sealed = checksum_line::sealed(damaged.to_owned());
            assert_eq!(parse(&sealed), None, "{damaged:?}");
        }
        assert_eq!(parse("0\n0\n"), None, "without a checksum");
    }

    #[test]
    fn a_sum_grows_with_its_index_and_tells_order_and_number() {
        let (a, b) = (entry(3), entry(9));
        assert_eq!(AbortedSum::of(&[a]).with(&[b]), AbortedSum::of(&[a, b]));
        assert_ne!(AbortedSum::of(&[b, a]), AbortedSum::of(&[a, b]));
        let mut tail = AbortedTail {
            written: AbortedSum::of(&[a]),
            pending: vec![b],
        };
        assert_eq!(tail.encode_pending().len(), AbortedTransaction::BYTES);
        tail.spilled();
        assert_eq!(tail.written, AbortedSum::of(&[a, b]));
        assert!(tail.pending.is_empty());
    }
}
