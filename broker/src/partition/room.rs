//! Whether the disk has room for what is to be appended, as the last append found it.
//!
//! What it found outlives the role: a leader that has handed over for want of room must not be
//! taken for one that has some, only because nobody asks it to append.

use std::fmt::Display;

use trimaran_commit_log::AppendError;

use super::owner::Owner;

impl Owner {
    /// The log took nothing of an append, for want of room.
    pub(super) fn found_no_room(&mut self, error: &AppendError) {
        if let AppendError::NoRoom {
            bytes,
            disk_is_full: true,
            ..
        } = error
        {
            self.room_gate.refused(*bytes as u64, self.now());
        }
        self.lack_room(error);
    }

    /// Whether an append of so many bytes is worth a try. If not, the replica lacks room as others of
    /// its directory do.
    pub(super) fn may_have_room(&mut self, bytes: u64) -> bool {
        let admits = self.room_gate.admits(bytes, self.now());
        if !admits {
            self.lack_room(&"the directory has just had no room for as much");
        }
        admits
    }

    /// Told once, not with every try of every producer, or of the fetcher.
    fn lack_room(&mut self, cause: &dyn Display) {
        if !std::mem::replace(&mut self.lacks_room, true) {
            tracing::error!(partition = %self.name, %cause, "no append is taken until there is room");
            self.publish();
        }
    }

    /// The log took an append.
    pub(super) fn found_room(&mut self) {
        if std::mem::take(&mut self.lacks_room) {
            tracing::info!(partition = %self.name, "there is room for appends again");
        }
    }
}
