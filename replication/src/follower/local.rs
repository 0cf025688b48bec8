//! What the own log did: written, flushed, cut.

use trimaran_types::{LeaderEpoch, Offset};

use super::{Action, Follower};
use crate::LogPositions;

impl Follower {
    /// The records of an answer are in the log, which now ends with `last_epoch`.
    #[must_use]
    pub fn appended(&mut self, log_end: Offset, last_epoch: Option<LeaderEpoch>) -> Vec<Action> {
        self.positions.log_end = log_end.max(self.positions.log_end);
        self.last_epoch = last_epoch;
        let mut actions = Vec::new();
        self.follow_high_watermark(&mut actions);
        self.check();
        actions
    }

    /// Everything below `end` is on disk.
    pub fn flushed(&mut self, end: Offset) {
        let end = end.min(self.positions.log_end);
        self.positions.flushed_end = self.positions.flushed_end.max(end);
        self.check();
    }

    /// The log's start was raised to `log_start`.
    pub fn log_start_raised(&mut self, log_start: Offset) {
        let log_start = log_start.min(self.positions.log_end);
        let positions = &mut self.positions;
        positions.log_start = positions.log_start.max(log_start);
        positions.flushed_end = positions.flushed_end.max(positions.log_start);
        self.high_watermark = self.high_watermark.max(positions.log_start);
        self.check();
    }

    /// The log was cut, or dropped and begun anew. What the leader said of its high watermark was
    /// about another history and is forgotten.
    pub fn truncated(&mut self, positions: LogPositions, last_epoch: Option<LeaderEpoch>) {
        self.positions = positions;
        self.last_epoch = last_epoch;
        self.high_watermark = self
            .high_watermark
            .min(positions.log_end)
            .max(positions.log_start);
        self.leader_high_watermark = self.high_watermark;
        self.check();
    }
}
