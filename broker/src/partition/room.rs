//! Whether the disk has room for what is to be appended, as the last append found it.
//!
//! What it found outlives the role: a leader that has handed over for want of room must not be
//! taken for one that has some, only because nobody asks it to append.

use trimaran_commit_log::AppendError;

use super::owner::Owner;

impl Owner {
    /// The log took nothing of an append, for want of room. Told once, not with every try of every
    /// producer, or of the fetcher.
    pub(super) fn found_no_room(&mut self, error: &AppendError) {
        if !std::mem::replace(&mut self.lacks_room, true) {
            tracing::error!(partition = %self.name, %error, "no append is taken until there is room");
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
