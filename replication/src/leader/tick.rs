//! What time alone brings about: deadlines of waiters, followers that fall out of sync.

use trimaran_types::{KafkaError, MonotonicTime};

use super::isr_state::IsrState;
use super::{Action, Leader};

impl Leader {
    /// It is `now`. Needed no earlier than [`Leader::next_deadline`] says; more often is harmless.
    pub fn tick(&mut self, now: MonotonicTime, actions: &mut Vec<Action>) {
        // The cause of the wait is named where it is known: too few in sync, not a slow replica.
        let error = if self.is_under_min_isr() {
            KafkaError::NotEnoughReplicasAfterAppend
        } else {
            KafkaError::RequestTimedOut
        };
        self.waiters.refuse_expired(now, error, actions);
        self.propose_shrinking(now, actions);
        self.advance_high_watermark(now, actions);
        self.check();
    }

    /// When time alone may change something; `None` for an idle partition, which needs no timer.
    #[must_use]
    pub fn next_deadline(&self, now: MonotonicTime) -> Option<MonotonicTime> {
        let lapses = self.followers.iter().filter_map(|(id, follower)| {
            let lacks = follower.counted(self.settings.durability) != Some(self.positions.log_end);
            let lapse = || self.lapse_of(follower);
            let in_isr = self.committed.isr.contains(id);
            if lacks && in_isr && self.isr_state == IsrState::Committed {
                return Some(lapse().max(self.proposals_resume_at));
            }
            (lacks && !in_isr && self.is_about_to_join(now, *id, follower)).then(lapse)
        });
        lapses.chain(self.waiters.earliest_deadline()).min()
    }
}
