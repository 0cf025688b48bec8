//! The high watermark: what every replica that may lead next is known to hold.

use trimaran_types::{BrokerId, MonotonicTime, Offset};

use super::progress::FollowerProgress;
use super::{Action, Leader};

impl Leader {
    /// Whether the committed ISR is smaller than the minimum.
    pub(super) fn is_under_min_isr(&self) -> bool {
        self.committed.isr.len() < self.settings.min_isr
    }

    /// Raises the high watermark as far as the replicas allow, then acknowledges what it passed.
    pub(super) fn advance_high_watermark(&mut self, now: MonotonicTime, actions: &mut Vec<Action>) {
        // Strict minimum ISR: with fewer members, a record that all of them hold could still be
        // lost with them, so neither consumers nor producers may rely on it.
        if self.is_under_min_isr() {
            return;
        }
        let Some(candidate) = self.held_by_all(now) else {
            return;
        };
        if candidate <= self.high_watermark {
            return;
        }
        self.high_watermark = candidate;
        actions.push(Action::AdvanceHighWatermark { to: candidate });
        while let Some(waiter) = self.waiters.pop_before(candidate) {
            let (waiter, base_offset) = (waiter.id, waiter.base_offset);
            actions.push(Action::Acknowledge {
                waiter,
                base_offset,
            });
        }
    }

    /// The end of what the leader and every counting follower hold; `None` while one is silent.
    fn held_by_all(&self, now: MonotonicTime) -> Option<Offset> {
        let durability = self.settings.durability;
        let mut end = durability.counted(self.positions.flushed_end, self.positions.log_end);
        for (id, follower) in &self.followers {
            if self.is_in_maximal_isr(*id) || self.is_about_to_join(now, *id, follower) {
                end = end.min(follower.counted(durability)?);
            }
        }
        Some(end)
    }

    /// Whether the replica is out of the ISR and on its way in.
    ///
    /// Such a one counts already: else the high watermark of a busy partition would run ahead of
    /// it for ever, and only replicas at the high watermark may join (KIP-966).
    pub(super) fn is_about_to_join(
        &self,
        now: MonotonicTime,
        id: BrokerId,
        follower: &FollowerProgress,
    ) -> bool {
        !self.is_in_maximal_isr(id)
            && self.may_join(id, follower)
            && follower.is_caught_up(now, &self.settings, self.positions.log_end)
    }

    /// Whether the replica's broker is active and is the one that fetched (KIP-841, KIP-903).
    pub(super) fn may_join(&self, id: BrokerId, follower: &FollowerProgress) -> bool {
        let peer = self.peers.get(&id);
        peer.is_some_and(|peer| peer.active && follower.broker_epoch() == Some(peer.broker_epoch))
    }
}
