//! Where to cut a log whose history leaves the leader's (KIP-101, KIP-279).

use trimaran_types::{KafkaError, LeaderEpoch, Offset};

use super::{Action, Follower};

impl Follower {
    /// The leader says that both may share epoch `epoch`, which ends at `end` in its log.
    ///
    /// Where this replica knows the epoch, it keeps what both have of it. Where it does not, it
    /// keeps its own smaller epochs whole and asks again: the leader may differ there, too
    /// (KIP-279).
    pub(super) fn truncation(
        &self,
        epoch: LeaderEpoch,
        end: Offset,
        end_of: impl FnOnce(LeaderEpoch) -> Option<(LeaderEpoch, Offset)>,
    ) -> Action {
        let log_end = self.positions.log_end;
        let to = match end_of(epoch) {
            Some((own_epoch, own_end)) if own_epoch == epoch => own_end.min(end),
            Some((_, own_end)) => own_end,
            None => end,
        };
        if to >= log_end {
            // The leader sees a difference that this log does not have. Cutting nothing and asking
            // at once would spin.
            return Action::Pause {
                error: KafkaError::CorruptMessage,
            };
        }
        if to < self.positions.log_start {
            return Action::StartAt { at: to };
        }
        Action::TruncateTo {
            to,
            below_high_watermark: to < self.high_watermark,
        }
    }
}
