//! [`ProduceRecord`]: a line, checked and ready to send.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;
use trimaran_types::limits::RECORD_BYTES_MAX;

use super::EmbeddedFormat;

/// A record in the JSON of the REST API. The value is the line's own bytes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ProduceRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Box<RawValue>>,
    pub(crate) value: Box<RawValue>,
}

/// A line that cannot be a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLine {
    /// Not JSON.
    #[error("line {line} is not JSON: {cause}")]
    Json {
        /// Its number, from 1.
        line: u64,
        /// What the parser says.
        cause: String,
    },
    /// No object, or one without the key's field.
    #[error("line {line} has no field '{field}' to take the key from")]
    NoKey {
        /// Its number, from 1.
        line: u64,
        /// The field asked for.
        field: String,
    },
    /// Longer than any broker takes.
    #[error("line {line} is longer than a record may be ({RECORD_BYTES_MAX} bytes)")]
    TooLong {
        /// Its number, from 1.
        line: u64,
    },
    /// Not UTF-8.
    #[error("line {line} is not UTF-8 text")]
    NotText {
        /// Its number, from 1.
        line: u64,
    },
    /// The input failed.
    #[error("cannot read line {line}: {cause}")]
    Unreadable {
        /// Its number, from 1.
        line: u64,
        /// The system's word.
        cause: String,
    },
}

impl ProduceRecord {
    /// The record that `text`, the input's line number `line`, stands for.
    ///
    /// A key field that is null makes a record without key.
    ///
    /// # Errors
    /// When the line is not what `format` and `key_field` ask for.
    pub(crate) fn of_line(
        text: &str,
        line: u64,
        format: EmbeddedFormat,
        key_field: Option<&str>,
    ) -> Result<Self, BadLine> {
        let not_json = |error: serde_json::Error| BadLine::Json {
            line,
            cause: error.to_string(),
        };
        match format {
            EmbeddedFormat::Text => {
                let value = serde_json::value::to_raw_value(text).map_err(not_json)?;
                Ok(Self { key: None, value })
            }
            EmbeddedFormat::Json => {
                let value: Box<RawValue> = serde_json::from_str(text.trim()).map_err(not_json)?;
                let key = key_field
                    .map(|field| key(&value, field, line))
                    .transpose()?
                    .flatten();
                Ok(Self { key, value })
            }
        }
    }

    /// Bytes that the record takes in a request, about.
    pub(crate) fn size(&self) -> usize {
        const ENVELOPE: usize = 24;
        let key = self.key.as_ref().map_or(0, |key| key.get().len());
        ENVELOPE + key + self.value.get().len()
    }
}

/// The field of the object, as JSON; `None` where it is null.
fn key(object: &RawValue, field: &str, line: u64) -> Result<Option<Box<RawValue>>, BadLine> {
    let absent = || BadLine::NoKey {
        line,
        field: field.to_owned(),
    };
    let fields: HashMap<String, &RawValue> =
        serde_json::from_str(object.get()).map_err(|_| absent())?;
    let value = fields.get(field).copied().ok_or_else(absent)?;
    Ok((value.get() != "null").then(|| value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_line(text: &str, key_field: Option<&str>) -> Result<String, BadLine> {
        let record = ProduceRecord::of_line(text, 7, EmbeddedFormat::Json, key_field)?;
        Ok(serde_json::to_string(&record).unwrap())
    }

    #[test]
    fn the_value_keeps_its_bytes_and_the_key_is_taken_out() {
        for (text, field, expected) in [
            (
                r#"{"a": 1.0, "k": "x"}"#,
                None,
                r#"{"value":{"a": 1.0, "k": "x"}}"#,
            ),
            (
                r#" {"k": "x" , "z":1e400} "#,
                Some("k"),
                r#"{"key":"x","value":{"k": "x" , "z":1e400}}"#,
            ),
            (
                r#"{"k":{"n":[1]}}"#,
                Some("k"),
                r#"{"key":{"n":[1]},"value":{"k":{"n":[1]}}}"#,
            ),
            (r#"{"k":null}"#, Some("k"), r#"{"value":{"k":null}}"#),
            (
                r#"{"\u006b":5}"#,
                Some("k"),
                r#"{"key":5,"value":{"\u006b":5}}"#,
            ),
            ("17", None, r#"{"value":17}"#),
        ] {
            assert_eq!(json_line(text, field).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        for (text, field, part) in [
            ("{", None, "line 7 is not JSON"),
            ("", None, "line 7 is not JSON"),
            ("{} {}", None, "line 7 is not JSON"),
            ("{\"a\":1}", Some("k"), "line 7 has no field 'k'"),
            ("[1]", Some("k"), "line 7 has no field 'k'"),
        ] {
            let error = json_line(text, field).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn text_is_quoted_once() {
        let record = ProduceRecord::of_line("a \"b\"", 1, EmbeddedFormat::Text, None).unwrap();
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"value":"a \"b\""}"#
        );
    }
}
