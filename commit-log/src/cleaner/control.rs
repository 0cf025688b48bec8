//! [`CleanControl`]: what a pass asks of whoever runs it.

use super::CleanedSegment;
use crate::log::{ReplaceError, Replaced};

/// Whoever runs a pass: paces it, ends it, and reaches the log's owner.
pub trait CleanControl {
    /// `bytes` were read or written. May wait, to keep within a rate; `false` ends the pass.
    fn go_on_after(&mut self, bytes: u64) -> bool;

    /// Has the log's owner call [`crate::Log::replace_segments`].
    ///
    /// # Errors
    /// Those of the call; [`ReplaceError::Changed`] also when there is no owner any more.
    fn replace(&mut self, cleaned: CleanedSegment) -> Result<Replaced, ReplaceError>;
}
