//! Offset checkpoints: a version line, a count line, then `topic partition offset` lines.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use trimaran_types::{Offset, PartitionIndex, TopicName, TopicPartition};

use super::{LogDirError, at};
use crate::atomic_file;
use crate::disk::Disk;

/// The file's content.
pub(super) fn format(offsets: &BTreeMap<TopicPartition, Offset>) -> String {
    let mut text = format!("0\n{}\n", offsets.len());
    for (partition, offset) in offsets {
        text.push_str(&format!(
            "{} {} {offset}\n",
            partition.topic, partition.partition
        ));
    }
    text
}

/// Reads the file's content; `None` when it is damaged.
pub(crate) fn parse(text: &str) -> Option<BTreeMap<TopicPartition, Offset>> {
    let mut lines = text.lines();
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
    (offsets.len() == count).then_some(offsets)
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
        let text = "0\n2\na.b 0 12\nflights 11 9223372036854775807\n";
        let offsets = parse(text).expect("good");
        assert_eq!(format(&offsets), text);
        assert_eq!(
            offsets.values().map(|o| o.0).collect::<Vec<_>>(),
            [12, i64::MAX]
        );
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
        ] {
            assert_eq!(parse(damaged), None, "{damaged:?}");
        }
    }
}
