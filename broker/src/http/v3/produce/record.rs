//! One record of the stream: its JSON, read and checked.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::http::json_error;
use crate::http::json_scalar::{malformed, partition, string, string_bytes, timestamp};
use crate::produce::{Draft, DraftHeader, RecordError, decode_base64};

/// Why an object is no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadRecord {
    /// Only this one; the stream goes on.
    Itself(RecordError),
    /// It is not even JSON, so nobody knows where the next one begins.
    Stream(String),
}

/// The kind under which a key or value came, for its receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataKind {
    Binary,
    Json,
    String,
}

impl DataKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Binary => "BINARY",
            Self::Json => "JSON",
            Self::String => "STRING",
        }
    }
}

/// A record and the kinds of its key and value.
#[derive(Debug)]
pub(super) struct Parsed<'a> {
    pub(super) draft: Draft<'a>,
    pub(super) key_kind: Option<DataKind>,
    pub(super) value_kind: Option<DataKind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordJson<'a> {
    #[serde(borrow, default)]
    partition_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    headers: Option<Vec<HeaderJson<'a>>>,
    #[serde(borrow, default)]
    key: Option<DataJson<'a>>,
    #[serde(borrow, default)]
    value: Option<DataJson<'a>>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderJson<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Option<Cow<'a, str>>,
}

/// Other fields of a datum (`schema`, `schema_id`, …) belong to schema formats.
#[derive(Deserialize)]
struct DataJson<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// Reads one object of the stream.
pub(super) fn parse(object: &[u8]) -> Result<Parsed<'_>, BadRecord> {
    let record: RecordJson<'_> =
        serde_json::from_slice(object).map_err(|error| refused(object, &error))?;
    let (key, key_kind) = datum("key", record.key)?;
    let (value, value_kind) = datum("value", record.value)?;
    let draft = Draft {
        partition: record
            .partition_id
            .map(|raw| partition("partition_id", raw))
            .transpose()?,
        key,
        value,
        headers: headers(record.headers.unwrap_or_default())?,
        timestamp: record.timestamp.map(timestamp).transpose()?,
    };
    draft.check()?;
    Ok(Parsed {
        draft,
        key_kind,
        value_kind,
    })
}

impl From<RecordError> for BadRecord {
    fn from(error: RecordError) -> Self {
        Self::Itself(error)
    }
}

/// An object of the wrong shape may be broken further on, too: then the stream cannot be trusted.
fn refused(object: &[u8], error: &serde_json::Error) -> BadRecord {
    if let Err(broken) = serde_json::from_slice::<&RawValue>(object) {
        return BadRecord::Stream(json_error::refused(&broken).body.message);
    }
    if let Some(field) = json_error::unknown_field(error) {
        return BadRecord::Itself(RecordError::UnknownField { field });
    }
    BadRecord::Itself(malformed("the record", error.to_string()))
}

type Datum<'a> = (Option<Cow<'a, [u8]>>, Option<DataKind>);

/// The stored bytes of a key or value, and its kind.
fn datum<'a>(what: &'static str, sent: Option<DataJson<'a>>) -> Result<Datum<'a>, RecordError> {
    let Some(DataJson { kind, data }) = sent else {
        return Ok((None, None));
    };
    let kind = match kind.as_deref() {
        Some("BINARY") => DataKind::Binary,
        Some("JSON") => DataKind::Json,
        Some("STRING") => DataKind::String,
        Some("AVRO" | "JSONSCHEMA" | "PROTOBUF") | None => return Err(RecordError::NeedsSchemas),
        Some(other) => {
            let shown: String = other.chars().take(64).collect();
            let cause = format!("type '{shown}' is none of BINARY, JSON and STRING");
            return Err(malformed(what, cause));
        }
    };
    let Some(data) = data else {
        return Ok((None, Some(kind)));
    };
    let bytes = match kind {
        DataKind::Json => Cow::Borrowed(data.get().as_bytes()),
        DataKind::String => {
            string_bytes(data).ok_or_else(|| malformed(what, "expected a JSON string"))?
        }
        DataKind::Binary => string(data)
            .and_then(|text| decode_base64(&text))
            .map(Cow::Owned)
            .ok_or_else(|| malformed(what, "it is not a base64 string"))?,
    };
    Ok((Some(bytes), Some(kind)))
}

fn headers(sent: Vec<HeaderJson<'_>>) -> Result<Vec<DraftHeader<'_>>, RecordError> {
    sent.into_iter()
        .map(|header| {
            let value = header.value.map(|text| {
                decode_base64(&text)
                    .ok_or_else(|| malformed("a header's value", "it is not a base64 string"))
            });
            Ok(DraftHeader {
                name: header.name,
                value: value.transpose()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_types::PartitionIndex;

    #[test]
    fn every_kind_is_stored_as_it_should_be() {
        let parsed = parse(
            br#"{"partition_id":3,"headers":[{"name":"h","value":"aGk="},{"name":"h"}],
                "key":{"type":"STRING","data":"k\n"},"value":{"type":"JSON","data":{"a": 1.0}},
                "timestamp":"1970-01-01T00:00:01.000Z"}"#,
        )
        .unwrap();
        let draft = parsed.draft;
        assert_eq!(draft.partition, Some(PartitionIndex(3)));
        assert_eq!(draft.key.as_deref(), Some(&b"k\n"[..]));
        assert_eq!(draft.value.as_deref(), Some(&br#"{"a": 1.0}"#[..]));
        assert_eq!(draft.headers.len(), 2);
        assert_eq!(draft.timestamp.map(|at| at.0), Some(1_000));
        assert_eq!(parsed.key_kind, Some(DataKind::String));
        assert_eq!(parsed.value_kind, Some(DataKind::Json));
        let empty = parse(b"{}").unwrap();
        assert_eq!(empty.draft, Draft::default());
        let tombstone = parse(br#"{"value":{"type":"BINARY","data":null}}"#).unwrap();
        assert_eq!(tombstone.draft.value, None);
    }

    #[test]
    fn a_bad_record_is_told_apart_from_a_bad_stream() {
        for (object, code) in [
            (r#"{"value":{"type":"BINARY","data":"!!"}}"#, 400),
            (r#"{"value":{"type":"BINARY","data":7}}"#, 400),
            (r#"{"value":{"type":"STRING","data":7}}"#, 400),
            (r#"{"value":{"type":"PICTURE","data":7}}"#, 400),
            (r#"{"value":{"type":"AVRO","data":7}}"#, 42206),
            (r#"{"value":{"schema_id":1,"data":7}}"#, 42206),
            (r#"{"value":7}"#, 400),
            (r#"{"colour":7}"#, 422),
            (r#"{"partition_id":-1}"#, 400),
            (r#"{"timestamp":"soon"}"#, 400),
            (r#"{"headers":[{"name":"h","value":"%"}]}"#, 400),
        ] {
            match parse(object.as_bytes()) {
                Err(BadRecord::Itself(error)) => {
                    assert_eq!(error.error_code(), code, "{object}: {error}");
                }
                other => panic!("{object}: {other:?}"),
            }
        }
        for object in [r#"{"a":]}"#, "{7}", r#"{"value":01}"#] {
            assert!(
                matches!(parse(object.as_bytes()), Err(BadRecord::Stream(_))),
                "{object}"
            );
        }
    }
}
