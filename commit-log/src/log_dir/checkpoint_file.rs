//! Offset checkpoints: a version line, a count line, then `topic partition offset` lines, the last of
//! which carries the checksum of all that stands before it.
//!
//! The format is Kafka's, which has no checksum; a flipped digit would be believed. So an entry of a
//! topic that cannot exist holds it: Kafka and its tools read it as an offset of a partition that
//! nobody asks for. Only a file that somebody else wrote lacks it, and is taken as it is (ADR 0014).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use trimaran_types::{Offset, PartitionIndex, TopicName, TopicPartition};

use super::{LogDirError, at};
use crate::atomic_file;
use crate::disk::Disk;

/// No topic may be called so.
const CHECKSUM_TOPIC: &str = "#crc32c";

/// The file's content.
pub(super) fn format(offsets: &BTreeMap<TopicPartition, Offset>) -> String {
    let mut text = format!("0\n{}\n", offsets.len() + 1);
    for (partition, offset) in offsets {
        text.push_str(&format!(
            "{} {} {offset}\n",
            partition.topic, partition.partition
        ));
    }
    let checksum = crc32c::crc32c(text.as_bytes());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{CHECKSUM_TOPIC} 0 {checksum}");
    text
}

/// Reads the file's content; `None` when it is damaged.
pub(crate) fn parse(text: &str) -> Option<BTreeMap<TopicPartition, Offset>> {
    let (entries, checksum) = match text.rfind(CHECKSUM_TOPIC) {
        Some(at) => (&text[..at], Some(&text[at..])),
        None => (text, None),
    };
    if let Some(line) = checksum {
        let expected = crc32c::crc32c(entries.as_bytes());
        if line != format!("{CHECKSUM_TOPIC} 0 {expected}\n") {
            return None;
        }
    }
    let mut lines = entries.lines();
    if lines.next()?.trim() != "0" {
        return None;
    }
    let count: usize = lines.next()?.trim().parse().ok()?;
    let mut offsets = BTreeMap::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let topic = TopicName::new(words.next()?).ok()?;
        let partition = PartitionIndex(words.next()?.parse().ok()?);
        let offset = Offset(words.next()?.parse().ok().filter(|&offset| offset >= 0)?);
        if words.next().is_some() {
            return None;
        }
        offsets.insert(TopicPartition { topic, partition }, offset);
    }
    let with_checksum = offsets.len() + usize::from(checksum.is_some());
    (with_checksum == count).then_some(offsets)
}

/// Reads a checkpoint. A damaged one is reported and taken for empty, as Kafka does: every
/// checkpoint is a bound that only makes the next start cheaper or stricter.
pub(super) fn read_or_warn(
    disk: &dyn Disk,
    path: &Path,
) -> Result<BTreeMap<TopicPartition, Offset>, LogDirError> {
    Ok(read(disk, path)?.unwrap_or_default())
}

/// Reads a checkpoint; `None` when there is none or it is damaged, which is reported.
pub(super) fn read(
    disk: &dyn Disk,
    path: &Path,
) -> Result<Option<BTreeMap<TopicPartition, Offset>>, LogDirError> {
    let text = match atomic_file::read_text(disk, path) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(at(path)(error)),
    };
    let parsed = parse(&text);
    if parsed.is_none() {
        tracing::warn!(file = %path.display(), "checkpoint is damaged, taken for empty");
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let text = "0\n3\na.b 0 12\nflights 11 9223372036854775807\n#crc32c 0 3298605040\n";
        let offsets = parse(text).expect("good");
        assert_eq!(format(&offsets), text);
        assert_eq!(
            offsets.values().map(|o| o.0).collect::<Vec<_>>(),
            [12, i64::MAX]
        );
        let empty = BTreeMap::new();
        assert_eq!(parse(&format(&empty)), Some(empty));
        for damaged in [
            "",
            "0\n",
            "1\n0\n",
            "0\n1\n",
            "0\n1\na 0\n",
            "0\n1\na 0 -1\n",
            "0\n1\na 0 1 2\n",
            "0\n2\na 0 1\na 0 1\n",
            "0\n1\n../x 0 1\n",
            "#crc32c 0 0\n",
        ] {
            assert_eq!(parse(damaged), None, "{damaged:?}");
        }
    }

    #[test]
    fn what_kafka_wrote_is_taken_as_it_is() {
        let offsets = parse("0\n1\na 3 7\n").expect("good");
        assert_eq!(offsets.into_values().collect::<Vec<_>>(), [Offset(7)]);
    }

    /// A reader of Kafka's format that knows nothing of checksums finds the lines that it counts.
    #[test]
    fn kafka_reads_the_checksum_as_one_more_entry() {
        let text = format(&parse("0\n1\na 3 7\n").expect("good"));
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("0"));
        let count: usize = lines.next().unwrap().parse().unwrap();
        let entries: Vec<&str> = lines.collect();
        assert_eq!(entries.len(), count);
        for entry in entries {
            let words: Vec<&str> = entry.split(' ').collect();
            let [_, partition, offset] = words[..] else {
                panic!("{entry}");
            };
            assert!(partition.parse::<i32>().is_ok() && offset.parse::<i64>().is_ok());
        }
    }

    /// No single byte may make it say something else: the damage is seen, or nothing has changed.
    #[test]
    fn no_damaged_byte_is_believed() {
        let text = "0\n2\na 0 1200\nflights 11 345\n";
        let offsets = parse(text).expect("good");
        let good = format(&offsets).into_bytes();
        for at in 0..good.len() {
            for flip in 1..=u8::MAX {
                let mut damaged = good.clone();
                damaged[at] ^= flip;
                let Ok(damaged) = String::from_utf8(damaged) else {
                    continue;
                };
                let mut found = parse(&damaged);
                // The checksum's own name may become one that a topic could have.
                if let Some(found) = &mut found {
                    found.retain(|partition, _| !partition.topic.as_str().ends_with("crc32c"));
                }
                assert!(
                    found.is_none() || found.as_ref() == Some(&offsets),
                    "{damaged:?}: {found:?}"
                );
            }
        }
        for end in 0..good.len() {
            let cut = std::str::from_utf8(&good[..end]).expect("ascii");
            assert_eq!(parse(cut), None, "{cut:?}");
        }
    }
}
