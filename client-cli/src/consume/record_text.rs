//! A record as one JSON object: bytes become JSON where they are JSON, text where they are text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use trimaran_types::{Offset, PartitionIndex, Timestamp};

use crate::partition_reader::ReadRecord;

/// A record for programs.
#[derive(Debug, Serialize)]
pub(super) struct RecordJson<'a> {
    partition: PartitionIndex,
    offset: Offset,
    timestamp: Timestamp,
    key: Data<'a>,
    value: Data<'a>,
}

/// Bytes in the most readable form that carries them whole.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Null,
    Json(&'a RawValue),
    Text(&'a str),
    Binary { base64: String },
}

/// The JSON form of `record`.
pub(super) fn json(record: &ReadRecord) -> RecordJson<'_> {
    RecordJson {
        partition: record.partition,
        offset: record.offset,
        timestamp: record.timestamp,
        key: data(record.key.as_deref()),
        value: data(record.value.as_deref()),
    }
}

fn data(bytes: Option<&[u8]>) -> Data<'_> {
    let Some(bytes) = bytes else {
        return Data::Null;
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Data::Binary {
            base64: STANDARD.encode(bytes),
        };
    };
    // A newline inside would break "one record a line".
    match serde_json::from_str::<&RawValue>(text) {
        Ok(json) if !text.contains(['\n', '\r']) => Data::Json(json),
        _ => Data::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_bytes_has_its_form() {
        for (bytes, expected) in [
            (None, "null"),
            (Some(&b"{\"a\": 1.0}"[..]), "{\"a\": 1.0}"),
            (Some(b"\"N1\""), "\"N1\""),
            (Some(b"N1"), "\"N1\""),
            (Some(b"{\n}"), "\"{\\n}\""),
            (Some(b""), "\"\""),
            (Some(&[0xff, 0xfe]), "{\"base64\":\"//4=\"}"),
        ] {
            assert_eq!(serde_json::to_string(&data(bytes)).unwrap(), expected);
        }
    }
}
