//! [`ChangeOrigin`].

use serde::{Deserialize, Serialize};
use trimaran_types::{MetadataOffset, Timestamp};

/// When and where in the metadata log something last changed.
///
/// Records in the log leave it out: it is that of their own entry. Records in a snapshot carry it,
/// because there the entry is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeOrigin {
    /// When the change was decided, by the deciding controller's wall clock.
    pub at: Timestamp,
    /// The log index of the entry that carried the change.
    pub index: u64,
    /// The offset of the record that made the change.
    pub offset: MetadataOffset,
}
