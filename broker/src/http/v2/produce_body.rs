//! The body of a v2 produce request, read without copying: JSON values keep the bytes that were
//! sent, base64 is decoded straight from the body.
//!
//! The whole body is checked before anything is sent anywhere: one bad record refuses the request.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use trimaran_api::ApiError;
use trimaran_types::limits::{RECORD_HEADERS_MAX, REQUEST_RECORDS_MAX};

use crate::http::content_type::EmbeddedFormat;
use crate::http::json_error;
use crate::http::json_scalar::{malformed, partition, string, string_bytes, timestamp};
use crate::produce::{Draft, DraftHeader, RecordError, decode_base64};

/// Reads the records of a body.
///
/// # Errors
/// 400: no JSON, or of the wrong shape, or a key or value that its format cannot hold.
/// 413: a record over the limit. 422: no records, or too many.
pub(super) fn parse(body: &[u8], format: EmbeddedFormat) -> Result<Vec<Draft<'_>>, ApiError> {
    let body: Body<'_> =
        serde_json::from_slice(body).map_err(|error| json_error::refused(&error))?;
    let Records { kept, count } = body.records;
    if count == 0 {
        return Err(ApiError::new(
            422,
            "'records' is empty or missing: there is nothing to produce",
        ));
    }
    if count > REQUEST_RECORDS_MAX {
        return Err(ApiError::new(
            422,
            format!("the request has {count} records, the limit is {REQUEST_RECORDS_MAX}"),
        ));
    }
    kept.into_iter()
        .enumerate()
        .map(|(place, record)| {
            record
                .draft(format)
                .map_err(|error| error.refusal(Some(place)))
        })
        .collect()
}

#[derive(Default)]
struct Body<'a> {
    records: Records<'a>,
}

/// The records up to the limit, and how many there are in all.
#[derive(Default)]
struct Records<'a> {
    kept: Vec<RecordJson<'a>>,
    count: usize,
}

#[derive(Default)]
struct RecordJson<'a> {
    key: Option<&'a RawValue>,
    value: Option<&'a RawValue>,
    partition: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
    headers: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum BodyField {
    Records,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum RecordField {
    Key,
    Value,
    Partition,
    Timestamp,
    Headers,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Body<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BodyVisitor;
        impl<'de> Visitor<'de> for BodyVisitor {
            type Value = Body<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with 'records'")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body<'de>, A::Error> {
                let mut records: Option<Records<'de>> = None;
                while let Some(field) = map.next_key()? {
                    match field {
                        BodyField::Records if records.is_some() => {
                            return Err(de::Error::duplicate_field("records"));
                        }
                        BodyField::Records => {
                            records = Some(map.next_value::<Option<_>>()?.unwrap_or_default());
                        }
                        BodyField::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(Body {
                    records: records.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_map(BodyVisitor)
    }
}

impl<'de> Deserialize<'de> for Records<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RecordsVisitor;
        impl<'de> Visitor<'de> for RecordsVisitor {
            type Value = Records<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Records<'de>, A::Error> {
                let mut records = Records::default();
                while records.count < REQUEST_RECORDS_MAX {
                    let Some(record) = seq.next_element()? else {
                        return Ok(records);
                    };
                    records.kept.push(record);
                    records.count += 1;
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    records.count = records.count.saturating_add(1);
                }
                Ok(records)
            }
        }
        deserializer.deserialize_seq(RecordsVisitor)
    }
}

impl<'de> Deserialize<'de> for RecordJson<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RecordVisitor;
        impl<'de> Visitor<'de> for RecordVisitor {
            type Value = RecordJson<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record: an object with 'value' and perhaps 'key'")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RecordJson<'de>, A::Error> {
                let mut record = RecordJson::default();
                let mut seen = [false; 5];
                while let Some(field) = map.next_key()? {
                    let (slot, place, name) = match field {
                        RecordField::Key => (&mut record.key, 0, "key"),
                        RecordField::Value => (&mut record.value, 1, "value"),
                        RecordField::Partition => (&mut record.partition, 2, "partition"),
                        RecordField::Timestamp => (&mut record.timestamp, 3, "timestamp"),
                        RecordField::Headers => (&mut record.headers, 4, "headers"),
                        RecordField::Other => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    if std::mem::replace(&mut seen[place], true) {
                        return Err(de::Error::duplicate_field(name));
                    }
                    *slot = map.next_value()?;
                }
                Ok(record)
            }
        }
        deserializer.deserialize_map(RecordVisitor)
    }
}

#[derive(Deserialize)]
struct HeaderJson<'a> {
    #[serde(borrow, alias = "name")]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Option<Cow<'a, str>>,
}

impl<'a> RecordJson<'a> {
    fn draft(self, format: EmbeddedFormat) -> Result<Draft<'a>, RecordError> {
        let draft = Draft {
            partition: self
                .partition
                .map(|raw| partition("partition", raw))
                .transpose()?,
            key: embedded("key", self.key, format)?,
            value: embedded("value", self.value, format)?,
            headers: self.headers.map(headers).transpose()?.unwrap_or_default(),
            timestamp: self.timestamp.map(timestamp).transpose()?,
        };
        draft.check()?;
        Ok(draft)
    }
}

/// The stored bytes of a key or value.
fn embedded<'a>(
    what: &'static str,
    raw: Option<&'a RawValue>,
    format: EmbeddedFormat,
) -> Result<Option<Cow<'a, [u8]>>, RecordError> {
    let Some(raw) = raw else { return Ok(None) };
    let bytes = match format {
        EmbeddedFormat::Json => Cow::Borrowed(raw.get().as_bytes()),
        EmbeddedFormat::Text => {
            string_bytes(raw).ok_or_else(|| malformed(what, "expected a JSON string"))?
        }
        EmbeddedFormat::Binary => {
            let decoded = string(raw).and_then(|text| decode_base64(&text));
            Cow::Owned(decoded.ok_or_else(|| {
                malformed(
                    what,
                    "it is not a base64 string; for JSON values send \
                     Content-Type: application/vnd.kafka.json.v2+json",
                )
            })?)
        }
    };
    Ok(Some(bytes))
}

fn headers(raw: &RawValue) -> Result<Vec<DraftHeader<'_>>, RecordError> {
    let headers: Vec<HeaderJson<'_>> = serde_json::from_str(raw.get()).map_err(|error| {
        malformed(
            "headers",
            format!("expected an array of objects with 'key' and 'value': {error}"),
        )
    })?;
    if headers.len() > RECORD_HEADERS_MAX {
        return Err(RecordError::TooManyHeaders {
            headers: headers.len(),
        });
    }
    headers
        .into_iter()
        .map(|header| {
            let value = header.value.map(|text| {
                decode_base64(&text)
                    .ok_or_else(|| malformed("a header's value", "it is not a base64 string"))
            });
            Ok(DraftHeader {
                name: header.key,
                value: value.transpose()?,
            })
        })
        .collect()
}

#[cfg(test)]
#[path = "produce_body_test.rs"]
mod tests;
