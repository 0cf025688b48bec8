//! A fetch was answered.

use trimaran_types::{KafkaError, LeaderEpoch, Offset};

use super::{Action, FetchPosition, FetchedRecords, Follower, LeaderAnswer, LeaderBounds};

impl Follower {
    /// Decides about the answer to the fetch that asked from `asked`.
    ///
    /// An answer to a fetch of another epoch or another position is dropped: the log has moved on.
    /// `end_of` looks an epoch up in the own history, as in the leader's
    /// [`fetched`](crate::leader::Leader::fetched).
    #[must_use]
    pub fn fetched(
        &mut self,
        asked: &FetchPosition,
        answer: &LeaderAnswer,
        end_of: impl FnOnce(LeaderEpoch) -> Option<(LeaderEpoch, Offset)>,
    ) -> Vec<Action> {
        let is_current = asked.leader_epoch == self.leader_epoch
            && asked.fetch_offset == self.positions.log_end
            && asked.last_fetched_epoch == self.last_epoch;
        if !is_current || self.parked {
            return Vec::new();
        }
        let mut actions = Vec::new();
        match answer {
            LeaderAnswer::Records { bounds, records } => {
                self.take_records(*bounds, *records, &mut actions);
            }
            LeaderAnswer::Diverging { epoch, end } => {
                actions.push(self.truncation(*epoch, *end, end_of));
            }
            LeaderAnswer::Refused { error, bounds } => {
                actions.push(self.after_refusal(*error, *bounds));
            }
        }
        self.check();
        actions
    }

    fn take_records(
        &mut self,
        bounds: LeaderBounds,
        records: Option<FetchedRecords>,
        actions: &mut Vec<Action>,
    ) {
        if let Some(records) = records {
            if !self.fits(&records) {
                actions.push(Action::Pause {
                    error: KafkaError::CorruptMessage,
                });
                return;
            }
            actions.push(Action::Append);
        }
        let log_start = bounds.log_start;
        if log_start > self.positions.log_start && log_start <= self.positions.log_end {
            actions.push(Action::RaiseLogStart { to: log_start });
        }
        self.leader_high_watermark = bounds.high_watermark;
        self.follow_high_watermark(actions);
    }

    /// Whether the batches continue the log and are no newer than the leader.
    ///
    /// A batch may begin below the end only in an empty log: the leader's log start may lie inside
    /// a batch (KIP-107). It may begin beyond the end where the leader has been compacted: the
    /// leader answers with the first batch that reaches the offset asked for, and only a log with
    /// gaps has none that holds it.
    fn fits(&self, records: &FetchedRecords) -> bool {
        let is_empty = self.positions.log_start == self.positions.log_end;
        let continues = is_empty || records.base_offset >= self.positions.log_end;
        continues && records.last_epoch <= self.leader_epoch
    }

    /// Kafka: out of range below the start means to begin again there.
    fn after_refusal(&mut self, error: KafkaError, bounds: LeaderBounds) -> Action {
        use KafkaError as E;
        match error {
            E::OffsetOutOfRange => self.out_of_range(bounds),
            // The leader is ahead of this replica's metadata: nothing changes before news arrive.
            E::FencedLeaderEpoch => {
                self.parked = true;
                Action::Park { error }
            }
            _ => Action::Pause { error },
        }
    }

    /// What lies beyond the leader's end shows as divergence, unless this log is empty; what is
    /// left is a log that the leader's retention has overtaken, or an empty one elsewhere. A log
    /// with records that the leader still covers is never dropped.
    fn out_of_range(&self, bounds: LeaderBounds) -> Action {
        let is_empty = self.positions.log_start == self.positions.log_end;
        if self.positions.log_end < bounds.log_start
            || (is_empty && self.positions.log_end != bounds.log_start)
        {
            return Action::StartAt {
                at: bounds.log_start,
            };
        }
        Action::Pause {
            error: KafkaError::OffsetOutOfRange,
        }
    }

    pub(super) fn follow_high_watermark(&mut self, actions: &mut Vec<Action>) {
        let known = self.leader_high_watermark.min(self.positions.log_end);
        if known > self.high_watermark {
            self.high_watermark = known;
            actions.push(Action::AdvanceHighWatermark { to: known });
        }
    }
}
