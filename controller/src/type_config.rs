//! What openraft carries for us: entries, answers, nodes.
//!
//! The serde forms here cross the wire between controllers of one version and nothing else; what
//! lies on the disk is written by the stored codec.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use openraft::vote::leader_id_std::LeaderId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trimaran_metadata::{EntryError, MetadataEntry};
use trimaran_types::DirectoryId;

use crate::state_machine::StateMachine;

openraft::declare_raft_types!(
    /// The controllers' raft group.
    pub(crate) TypeConfig:
        D = LogData,
        R = EntryOutcome,
        NodeId = u64,
        Node = ControllerNode,
        Term = u64,
        LeaderId = LeaderId<u64, u64>,
);

/// The raft group as this crate calls it.
pub(crate) type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// One metadata entry, decoded and as its bytes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LogData {
    inner: Arc<(MetadataEntry, Bytes)>,
}

impl LogData {
    /// Encodes an entry.
    ///
    /// # Errors
    /// When it is over the limits.
    pub(crate) fn new(entry: MetadataEntry) -> Result<Self, EntryError> {
        let bytes = Bytes::from(entry.encode()?);
        Ok(Self {
            inner: Arc::new((entry, bytes)),
        })
    }

    /// Decodes an entry.
    ///
    /// # Errors
    /// When the bytes are not exactly one entry that this build knows.
    pub(crate) fn from_bytes(bytes: Bytes) -> Result<Self, EntryError> {
        let entry = MetadataEntry::decode(&bytes)?;
        Ok(Self {
            inner: Arc::new((entry, bytes)),
        })
    }

    /// The entry.
    #[must_use]
    pub(crate) fn entry(&self) -> &MetadataEntry {
        &self.inner.0
    }

    /// Its bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.inner.1
    }
}

impl fmt::Debug for LogData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for LogData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry();
        write!(
            f,
            "{} records at {}",
            entry.records.len(),
            entry.base_offset
        )
    }
}

impl Serialize for LogData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LogData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(Bytes::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// What became of an entry when it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EntryOutcome {
    /// It carries no records.
    NoRecords,
    /// Its records are in the image.
    Applied,
    /// The guard, or replay, refused it: nothing of it is in the image.
    Refused {
        /// Why, for the log.
        cause: String,
    },
}

impl fmt::Display for EntryOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecords => f.write_str("no records"),
            Self::Applied => f.write_str("applied"),
            Self::Refused { cause } => write!(f, "refused: {cause}"),
        }
    }
}

/// A controller in the raft membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ControllerNode {
    /// Its listener, `host:port`.
    pub address: String,
    /// The directory that it votes from; another directory under its id is another voter.
    pub directory_id: DirectoryId,
}

impl fmt::Display for ControllerNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.address, self.directory_id)
    }
}
