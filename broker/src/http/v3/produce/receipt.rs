//! Receipts: one JSON object a record, in the order of the records.

use trimaran_api::ApiError;
use trimaran_api::rest::{ProducedData, ProducedRecord};
use trimaran_types::{ClusterId, Timestamp, TopicName};

use super::record::{DataKind, Parsed};
use crate::produce::RecordResult;
use crate::wall_clock;

/// What a receipt repeats of its record.
#[derive(Debug, Clone)]
pub(super) struct Described {
    key: Option<(DataKind, usize)>,
    value: Option<(DataKind, usize)>,
    timestamp: Timestamp,
}

impl Described {
    pub(super) fn of(parsed: &Parsed<'_>, now: Timestamp) -> Self {
        let size =
            |bytes: &Option<std::borrow::Cow<'_, [u8]>>| bytes.as_ref().map_or(0, |it| it.len());
        Self {
            key: parsed.key_kind.map(|kind| (kind, size(&parsed.draft.key))),
            value: parsed
                .value_kind
                .map(|kind| (kind, size(&parsed.draft.value))),
            timestamp: parsed.draft.timestamp.unwrap_or(now),
        }
    }
}

/// Writes receipts of one stream.
#[derive(Debug, Clone)]
pub(super) struct Receipts {
    pub(super) cluster_id: ClusterId,
    pub(super) topic: TopicName,
}

impl Receipts {
    /// The receipt of a record that was sent.
    pub(super) fn push(&self, out: &mut Vec<u8>, record: &Described, result: RecordResult) {
        let append_time = result.append_time;
        let offset = match result.result {
            Ok(offset) => offset,
            Err(error) => return push_error(out, in_stream(error)),
        };
        let data = |(kind, size): (DataKind, usize)| ProducedData {
            kind: kind.name().to_owned(),
            size,
        };
        let receipt = ProducedRecord {
            error_code: 200,
            cluster_id: self.cluster_id,
            topic_name: self.topic.clone(),
            partition_id: result.partition,
            offset,
            timestamp: wall_clock::text(append_time.unwrap_or(record.timestamp)),
            key: record.key.map(data),
            value: record.value.map(data),
        };
        push_json(out, &receipt);
    }
}

/// The receipt of a record, or of a stream, that was refused.
pub(super) fn push_error(out: &mut Vec<u8>, error: ApiError) {
    push_json(out, &error.body);
}

/// A refused append under the codes that streams use: 50003 is worth a retry, 50002 is not.
fn in_stream(error: ApiError) -> ApiError {
    if error.status.is_client_error() {
        return error;
    }
    let code = if error.body.retriable { 50003 } else { 50002 };
    error.with_code(code)
}

fn push_json<T: serde::Serialize>(out: &mut Vec<u8>, value: &T) {
    if let Err(error) = serde_json::to_writer(&mut *out, value) {
        tracing::error!(%error, "a receipt cannot be written");
    }
    out.extend_from_slice(b"\r\n");
}
