//! [`DirectoryId`].

use uuid::Uuid;

use crate::uuid_text::uuid_id;

/// The identity of one log or metadata directory, written into it at first start (KIP-858).
///
/// A wiped disk comes back under another id; that is how its loss is seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirectoryId(Uuid);

uuid_id!(DirectoryId);

impl DirectoryId {
    /// Stands in a partition's state for the directory of a replica that is lost: its broker said
    /// that the log is damaged or gone (KIP-858, `LOST`). No directory has this id.
    pub const LOST: Self = Self(Uuid::from_u128(1));
}
