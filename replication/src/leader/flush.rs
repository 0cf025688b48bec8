//! The leader's own flushes.

use trimaran_types::{MonotonicTime, Offset};

use super::{Action, Leader};

impl Leader {
    /// Everything below `end` is on this broker's disk.
    pub fn flushed(&mut self, now: MonotonicTime, end: Offset, actions: &mut Vec<Action>) {
        let end = end.min(self.positions.log_end);
        if end > self.positions.flushed_end {
            self.positions.flushed_end = end;
            self.advance_high_watermark(now, actions);
        }
        self.check();
    }
}
