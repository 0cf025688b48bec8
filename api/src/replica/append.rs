//! A broker hands a client's batches to the leader.

use serde::{Deserialize, Serialize};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

/// When an append is answered (Kafka's `acks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequiredAcks {
    /// Synced on every member of the ISR: Kafka's -1.
    All,
    /// Written by the leader: Kafka's 1.
    Leader,
    /// At once: Kafka's 0.
    None,
}

/// Query of the append; the body is record batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendQuery {
    /// When to answer.
    pub acks: RequiredAcks,
    /// How long the caller waits.
    pub timeout_ms: u64,
}

/// Where the records went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendResponse {
    /// Offset of the first record; absent with `acks=none`.
    pub base_offset: Option<Offset>,
    /// The broker's timestamp, where the topic takes the append's time.
    pub log_append_time: Option<Timestamp>,
    /// The epoch that wrote them.
    pub leader_epoch: LeaderEpoch,
}

impl std::str::FromStr for RequiredAcks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" | "-1" => Ok(Self::All),
            "leader" | "1" => Ok(Self::Leader),
            "none" | "0" => Ok(Self::None),
            other => Err(format!(
                "acks '{other}' is none of all (-1), leader (1), none (0)"
            )),
        }
    }
}
