//! [`CleanControl`]: what a pass asks of whoever runs it.

use std::time::Duration;

use super::CleanedSegment;
use crate::log::{ReplaceError, Replaced};

/// Whoever runs a pass: paces it, ends it, and reaches the log's owner.
pub trait CleanControl {
    /// `bytes` were read or written. Tells how long the pass pauses now, to keep within a rate; `None`
    /// ends it. Must not wait itself: the end of the log ends a pause.
    fn go_on_after(&mut self, bytes: u64) -> Option<Duration>;

    /// Has the log's owner call [`crate::Log::replace_segments`].
    ///
    /// # Errors
    /// Those of the call; [`ReplaceError::Changed`] also when there is no owner any more.
    fn replace(&mut self, cleaned: CleanedSegment) -> Result<Replaced, ReplaceError>;
}
