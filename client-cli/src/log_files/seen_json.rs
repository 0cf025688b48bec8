//! What was seen, as JSON for programs: one object a line, told apart by its `kind`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use trimaran_commit_log::{
    CheckpointFile, CleanShutdownFile, Finding, Seen, Severity, SnapshotProducer,
};
use trimaran_types::record_batch::{BatchHeader, Record};
use trimaran_types::{Offset, PartitionIndex, TopicId};

pub(super) fn json(seen: &Seen<'_>) -> Value {
    match seen {
        Seen::Topic(id) => json!({"kind": "topic", "topic_id": id.to_string()}),
        Seen::Epochs(entries) => {
            let epochs: Vec<Value> = entries
                .iter()
                .map(|entry| json!({"epoch": entry.epoch.0, "start_offset": entry.start.0}))
                .collect();
            json!({"kind": "epochs", "epochs": epochs})
        }
        Seen::Segment { file, base, bytes } => {
            json!({"kind": "segment", "file": file, "base_offset": base.0, "bytes": bytes})
        }
        Seen::Batch {
            position, header, ..
        } => batch(*position, header),
        Seen::OffsetEntry { last, position } => {
            json!({"kind": "offset_index", "last_offset": last.0, "position": position})
        }
        Seen::TimeEntry { timestamp, last } => {
            json!({"kind": "time_index", "timestamp": timestamp.0, "last_offset": last.0})
        }
        Seen::Aborted(aborted) => json!({
            "kind": "aborted_transaction",
            "producer_id": aborted.producer.0,
            "first_offset": aborted.first.0,
            "marker_offset": aborted.last.0,
            "last_stable_offset": aborted.last_stable.0,
        }),
        Seen::Snapshot { file, producers } => {
            json!({"kind": "snapshot", "file": file, "producers": producers})
        }
        Seen::Producer(found) => producer(found),
        Seen::Finding(found) => finding(found),
    }
}

fn batch(position: u64, header: &BatchHeader) -> Value {
    let producer = header.producer.map(|producer| {
        json!({"id": producer.id, "epoch": producer.epoch, "base_sequence": producer.base_sequence})
    });
    json!({
        "kind": "batch",
        "position": position,
        "base_offset": header.base_offset.0,
        "last_offset": header.last_offset().0,
        "leader_epoch": header.leader_epoch.map(|epoch| epoch.0),
        "records": header.record_count,
        "bytes": header.total_bytes(),
        "compression": header.attributes.compression().name(),
        "max_timestamp": header.max_timestamp.0,
        "crc": header.crc,
        "producer": producer,
        "transactional": header.attributes.is_transactional(),
        "control": header.attributes.is_control(),
        "delete_horizon": header.attributes.has_delete_horizon(),
    })
}

fn producer(found: &SnapshotProducer) -> Value {
    json!({
        "kind": "producer",
        "id": found.producer.0,
        "epoch": found.epoch.0,
        "last_sequence": found.last_batch.map(|_| found.last_sequence.0),
        "last_batch_first_offset": found.last_batch.map(|(first, _)| first.0),
        "last_batch_last_offset": found.last_batch.map(|(_, last)| last.0),
        "last_timestamp": found.last_timestamp.0,
        "coordinator_epoch": found.coordinator_epoch,
        "transaction_first_offset": found.transaction_first.map(|first| first.0),
    })
}

/// A record; keys and values are base64, so that every byte arrives.
pub(super) fn record(record: &Record) -> Value {
    let encoded = |bytes: Option<&[u8]>| bytes.map(|bytes| STANDARD.encode(bytes));
    let headers: Vec<Value> = record
        .headers
        .iter()
        .map(|header| {
            json!({"key": String::from_utf8_lossy(&header.key), "value_base64": encoded(header.value.as_deref())})
        })
        .collect();
    json!({
        "kind": "record",
        "offset": record.offset.0,
        "timestamp": record.timestamp.0,
        "key_base64": encoded(record.key.as_deref()),
        "value_base64": encoded(record.value.as_deref()),
        "headers": headers,
    })
}

pub(super) fn unreadable_records(cause: &str) -> Value {
    json!({"kind": "unreadable_records", "cause": cause})
}

pub(super) fn finding(found: &Finding) -> Value {
    json!({
        "kind": "finding",
        "severity": severity(found.severity),
        "file": found.file,
        "position": found.position,
        "offset": found.offset.map(|offset| offset.0),
        "problem": found.problem.to_string(),
    })
}

pub(super) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Rebuilt => "rebuilt",
        Severity::TornTail => "torn_tail",
        Severity::Damage => "damage",
    }
}

pub(super) fn clean_shutdown(file: &CleanShutdownFile) -> Value {
    let epoch = file.mark.and_then(|mark| mark.broker_epoch);
    json!({
        "kind": "clean_shutdown",
        "file": file.path,
        "is_good": file.mark.is_some(),
        "broker_epoch": epoch.map(|epoch| epoch.0),
    })
}

pub(super) fn flushed_ends(ends: &[(TopicId, PartitionIndex, Offset)]) -> Value {
    let logs: Vec<Value> = ends
        .iter()
        .map(|(topic, partition, end)| {
            json!({"topic_id": topic.to_string(), "partition": partition.0, "offset": end.0})
        })
        .collect();
    json!({"kind": "flushed_ends", "logs": logs})
}

pub(super) fn checkpoint(file: &CheckpointFile) -> Value {
    let offsets = file.offsets.as_ref().map(|offsets| {
        offsets
            .iter()
            .map(|(partition, offset)| (partition.to_string(), json!(offset.0)))
            .collect::<serde_json::Map<_, _>>()
    });
    json!({"kind": "checkpoint", "file": file.path, "offsets": offsets})
}
