//! Text and numbers in a record's JSON, as clients write them.

use std::borrow::Cow;

use serde_json::value::RawValue;
use trimaran_types::{PartitionIndex, Timestamp};

use crate::produce::RecordError;
use crate::wall_clock;

/// A part of a record that is not what it should be.
pub(super) fn malformed(what: &'static str, cause: impl Into<String>) -> RecordError {
    RecordError::Malformed {
        what,
        cause: cause.into(),
    }
}

/// The text of a JSON string; `None` for any other value. Without escapes it is not copied.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') {
        return serde_json::from_str(raw.get()).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// The bytes of a JSON string.
pub(super) fn string_bytes(raw: &RawValue) -> Option<Cow<'_, [u8]>> {
    Some(match string(raw)? {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

/// A number, also as text: some clients write all numbers so (seen of `kafka-bridge` clients).
fn lenient_text(raw: &RawValue) -> Cow<'_, str> {
    string(raw).unwrap_or(Cow::Borrowed(raw.get()))
}

/// A partition's number; `what` is the name of the field.
pub(super) fn partition(what: &'static str, raw: &RawValue) -> Result<PartitionIndex, RecordError> {
    lenient_text(raw)
        .parse()
        .map(PartitionIndex)
        .map_err(|_| malformed(what, "expected a number from 0 up"))
}

/// A record's timestamp.
pub(super) fn timestamp(raw: &RawValue) -> Result<Timestamp, RecordError> {
    wall_clock::parse(&lenient_text(raw)).ok_or_else(|| {
        malformed(
            "timestamp",
            "expected milliseconds since 1970, or UTC text such as 2026-01-31T12:00:00.000Z",
        )
    })
}
