//! Changes that come from the metadata log, within one leader epoch.

use std::collections::btree_map::Entry;

use trimaran_types::{BrokerId, MonotonicTime};

use super::isr_state::IsrState;
use super::progress::FollowerProgress;
use super::{Action, Leader, LeaderSettings};
use crate::{CommittedState, Durability, Peers};

impl Leader {
    /// The partition's state was committed anew.
    ///
    /// A newer state ends what was in flight. An older one, and one of another leader epoch, is
    /// ignored: the owner ends this leadership for the latter.
    pub fn state_committed(
        &mut self,
        now: MonotonicTime,
        state: CommittedState,
        actions: &mut Vec<Action>,
    ) {
        if state.leader_epoch != self.committed.leader_epoch
            || state.partition_epoch <= self.committed.partition_epoch
        {
            return;
        }
        self.followers.retain(|id, _| state.replicas.contains(id));
        for replica in state
            .replicas
            .iter()
            .filter(|replica| **replica != self.own)
        {
            if let Entry::Vacant(place) = self.followers.entry(*replica) {
                place.insert(FollowerProgress::unknown(None));
            }
        }
        self.begin_lag_of_new_members(now, &state.isr);
        self.committed = state;
        self.isr_state = IsrState::Committed;
        self.advance_high_watermark(now, actions);
        self.check();
    }

    /// A replica that joins the ISR has the lag limit's time from then on.
    ///
    /// It joined because it has all that is committed, which may be far behind the log's end of a
    /// partition whose producers do not wait for it. Counted from an older moment, it would be put
    /// out at once and let in at its next fetch, for ever.
    fn begin_lag_of_new_members(&mut self, now: MonotonicTime, isr: &[BrokerId]) {
        for (id, follower) in &mut self.followers {
            if isr.contains(id) && !self.committed.isr.contains(id) {
                follower.joined(now);
            }
        }
    }

    /// Brokers were registered, fenced, unfenced, or are shutting down.
    ///
    /// A new registration voids what its predecessor told: the broker may have lost its disk.
    pub fn peers_changed(&mut self, now: MonotonicTime, peers: Peers, actions: &mut Vec<Action>) {
        for (id, follower) in &mut self.followers {
            let registered = peers.get(id).map(|peer| peer.broker_epoch);
            if follower.broker_epoch().is_some() && follower.broker_epoch() < registered {
                *follower = FollowerProgress::unknown(follower.last_caught_up());
            }
        }
        self.peers = peers;
        self.advance_high_watermark(now, actions);
        self.check();
    }

    /// The topic's or the broker's settings changed.
    ///
    /// Who lacked nothing by what counted so far has the lag time to show the same by what counts
    /// now: on an idle partition it was last heard long ago, and of its disk nothing at all.
    pub fn settings_changed(
        &mut self,
        now: MonotonicTime,
        settings: LeaderSettings,
        actions: &mut Vec<Action>,
    ) {
        self.note_level_members(now);
        if settings.durability == Durability::Synced
            && self.settings.durability == Durability::Written
        {
            self.synced_above = self.high_watermark;
        }
        self.settings = settings;
        self.advance_high_watermark(now, actions);
        self.check();
    }
}
