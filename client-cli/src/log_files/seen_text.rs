//! What was seen, as lines for people.

use trimaran_commit_log::{
    CheckpointFile, CleanShutdownFile, Finding, Seen, Severity, SnapshotProducer,
};
use trimaran_types::record_batch::{BatchHeader, Record};
use trimaran_types::{Offset, PartitionIndex, TopicId};

use crate::output::timestamp;

/// Longest key or value that is shown whole, in bytes.
const SHOWN_BYTES_MAX: usize = 120;

pub(super) fn text(seen: &Seen<'_>) -> String {
    match seen {
        Seen::Topic(id) => format!("topic id {id}"),
        Seen::Epochs(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|entry| format!("{} from offset {}", entry.epoch, entry.start))
                .collect();
            format!("leader epochs: {}", entries.join(", "))
        }
        Seen::Segment { file, base, bytes } => {
            format!("{}: base offset {base}, {bytes} bytes", file.display())
        }
        Seen::Batch {
            position, header, ..
        } => batch(*position, header),
        Seen::OffsetEntry { last, position } => {
            format!("  index: the batch that ends with offset {last} starts at {position}")
        }
        Seen::TimeEntry {
            timestamp: at,
            last,
        } => {
            format!(
                "  timeindex: up to offset {last} the largest timestamp is {} ({})",
                at.0,
                timestamp(Some(*at))
            )
        }
        Seen::Aborted(aborted) => format!(
            "  txnindex: producer {} aborted offsets {} to {}, the last stable offset was {}",
            aborted.producer, aborted.first, aborted.last, aborted.last_stable
        ),
        Seen::Snapshot { file, producers } => {
            format!("{}: {producers} producers", file.display())
        }
        Seen::Producer(found) => producer(found),
        Seen::Finding(found) => finding(found),
    }
}

fn batch(position: u64, header: &BatchHeader) -> String {
    let epoch = header
        .leader_epoch
        .map_or_else(|| "-".to_owned(), |epoch| epoch.to_string());
    let mut line = format!(
        "  at {position}: offsets {}-{}, epoch {epoch}, {} records, {} bytes, {}, {}, crc {:08x}",
        header.base_offset,
        header.last_offset(),
        header.record_count,
        header.total_bytes(),
        header.attributes.compression().name(),
        timestamp(Some(header.max_timestamp)),
        header.crc,
    );
    if let Some(producer) = header.producer {
        line.push_str(&format!(
            ", producer {} epoch {} sequence {}",
            producer.id, producer.epoch, producer.base_sequence
        ));
    }
    for (is_so, word) in [
        (header.attributes.is_transactional(), ", transactional"),
        (header.attributes.is_control(), ", control"),
        (header.attributes.has_delete_horizon(), ", delete horizon"),
    ] {
        if is_so {
            line.push_str(word);
        }
    }
    line
}

fn producer(found: &SnapshotProducer) -> String {
    let mut line = format!("  producer {} epoch {}", found.producer, found.epoch);
    if let Some((first, last)) = found.last_batch {
        line.push_str(&format!(
            ", last batch at offsets {first}-{last} up to sequence {}",
            found.last_sequence
        ));
    }
    if let Some(first) = found.transaction_first {
        line.push_str(&format!(", open transaction from offset {first}"));
    }
    if let Some(epoch) = found.coordinator_epoch {
        line.push_str(&format!(", coordinator epoch {epoch}"));
    }
    line.push_str(&format!(
        ", last heard of {}",
        timestamp(Some(found.last_timestamp))
    ));
    line
}

pub(super) fn record(record: &Record) -> String {
    let headers = match record.headers.len() {
        0 => String::new(),
        count => format!(", {count} headers"),
    };
    format!(
        "    {}: {} key {} value {}{headers}",
        record.offset,
        timestamp(Some(record.timestamp)),
        bytes(record.key.as_deref()),
        bytes(record.value.as_deref()),
    )
}

/// Bytes as quoted text with escapes, shortened.
fn bytes(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else {
        return "null".to_owned();
    };
    match bytes.get(..SHOWN_BYTES_MAX) {
        Some(front) => format!("\"{}\"... ({} bytes)", front.escape_ascii(), bytes.len()),
        None => format!("\"{}\"", bytes.escape_ascii()),
    }
}

pub(super) fn finding(found: &Finding) -> String {
    let position = found
        .position
        .map_or_else(String::new, |position| format!(" at {position}"));
    let offset = found
        .offset
        .map_or_else(String::new, |offset| format!(", offset {offset}"));
    format!(
        "{}: {}{position}{offset}: {}",
        severity(found.severity),
        found.file.display(),
        found.problem
    )
}

pub(super) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Rebuilt => "rebuilt at the next start",
        Severity::TornTail => "torn tail, cut at the next start",
        Severity::Damage => "DAMAGE",
    }
}

pub(super) fn clean_shutdown(file: &CleanShutdownFile) -> String {
    let name = file.path.display();
    match file.mark.map(|mark| mark.broker_epoch) {
        None => format!("{name}: damaged, taken for no mark of a clean shutdown"),
        Some(None) => format!("{name}: closed cleanly"),
        Some(Some(epoch)) => format!("{name}: closed cleanly in broker epoch {epoch}"),
    }
}

pub(super) fn flushed_ends(ends: &[(TopicId, PartitionIndex, Offset)]) -> String {
    let mut text = format!("flushed-ends: {} logs", ends.len());
    for (topic, partition, end) in ends {
        text.push_str(&format!(
            "\n  topic id {topic} partition {partition}: {end}"
        ));
    }
    text
}

pub(super) fn checkpoint(file: &CheckpointFile) -> String {
    let Some(offsets) = &file.offsets else {
        return format!("{}: damaged, taken for empty", file.path.display());
    };
    let mut text = format!("{}: {} partitions", file.path.display(), offsets.len());
    for (partition, offset) in offsets {
        text.push_str(&format!("\n  {partition} {offset}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_quoted_escaped_and_shortened() {
        assert_eq!(bytes(None), "null");
        assert_eq!(bytes(Some(b"a\"\n\xff")), r#""a\"\n\xff""#);
        let long = bytes(Some(&[b'x'; 500]));
        assert!(long.ends_with("x\"... (500 bytes)"), "{long}");
        assert!(long.len() < 150);
    }
}
