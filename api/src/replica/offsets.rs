//! The bounds of a partition's log, and where a time lies in it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

/// What a leader says of its partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionOffsets {
    /// First offset kept.
    pub log_start: Offset,
    /// First offset that consumers may not read yet.
    pub high_watermark: Offset,
    /// First unwritten offset.
    pub log_end: Offset,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The record that was asked for by its timestamp; absent when there is none, or nobody asked.
    #[serde(default)]
    pub found: Option<OffsetAndTimestamp>,
}

/// A record that was found by its timestamp (Kafka's `ListOffsets`). It lay below the high watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetAndTimestamp {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: Timestamp,
}

/// Which record is asked for by its timestamp. As text: milliseconds since 1970, or `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TimestampQuery {
    /// The first one that is so late or later.
    AtLeast(Timestamp),
    /// The first of those with the largest timestamp (KIP-734).
    Max,
}

/// Query of `GET /v1/partitions/{topic_id}/{partition}/offsets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetsQuery {
    /// The record that is looked for beside the bounds, if one is.
    #[serde(default)]
    pub timestamp: Option<TimestampQuery>,
}

impl fmt::Display for TimestampQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(timestamp) => timestamp.0.fmt(f),
            Self::Max => f.write_str("max"),
        }
    }
}

impl FromStr for TimestampQuery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(ms) => Ok(Self::AtLeast(Timestamp(ms))),
            Err(_) if text == "max" => Ok(Self::Max),
            Err(_) => {
                let shown: String = text.chars().take(64).collect();
                Err(format!("timestamp '{shown}' is neither a number nor 'max'"))
            }
        }
    }
}

impl TryFrom<String> for TimestampQuery {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TimestampQuery> for String {
    fn from(query: TimestampQuery) -> Self {
        query.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_comes_back_from_its_text() {
        for query in [
            TimestampQuery::Max,
            TimestampQuery::AtLeast(Timestamp(0)),
            TimestampQuery::AtLeast(Timestamp(i64::MIN)),
        ] {
            assert_eq!(query.to_string().parse(), Ok(query));
        }
        for nonsense in ["", "MAX", "1.5", "9223372036854775808", "latest"] {
            assert!(nonsense.parse::<TimestampQuery>().is_err(), "{nonsense}");
        }
    }
}
