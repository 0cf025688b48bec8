//! [`Damage`]: a replica that cannot be served from, and what may be done about it.

use trimaran_api::controller::DamageCause;
use trimaran_metadata::PartitionState;
use trimaran_types::{BrokerId, DirectoryId, LeaderEpoch, TopicPartition};

use super::found_logs::{is_counted_on, is_spare};

/// How far the broker has come with a damaged replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Its log could not be opened: nobody has heard anything from it in this run.
    AtOpening,
    /// It served, and its owner is being ended.
    Serving,
    /// It served, in this leader epoch at the latest, and its owner has ended. The leader of that
    /// epoch may still believe in what it fetched.
    Ended(LeaderEpoch),
}

/// A damaged replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    /// The partition, for people and for its folder.
    pub(super) name: TopicPartition,
    pub(super) cause: DamageCause,
    pub(super) found: Found,
}

impl Damage {
    /// A log that could not be opened.
    pub(super) const fn at_opening(name: TopicPartition, cause: DamageCause) -> Self {
        let found = Found::AtOpening;
        Self { name, cause, found }
    }

    /// The last leader epoch in which it may have served in this run.
    pub(super) const fn served_up_to(&self) -> Option<LeaderEpoch> {
        match self.found {
            Found::Ended(epoch) => Some(epoch),
            Found::AtOpening | Found::Serving => None,
        }
    }

    /// Whether an empty log may take its place: nobody counts on the replica, and no leader can take
    /// an old position of it for one of the new log. A new leader epoch knows nothing; and one that
    /// has not fetched in this run is known to its leader under an older broker epoch only (KIP-903).
    pub(super) fn may_begin_anew(&self, state: &PartitionState, own: BrokerId) -> bool {
        self.is_forgotten(state) && is_spare(state, own)
    }

    /// Whether the controllers must hear of it: they count on the replica, or its leader must
    /// forget what it knows.
    pub(super) fn must_be_reported(&self, state: &PartitionState, own: BrokerId) -> bool {
        if !state.replicas.contains(&own) || self.found == Found::Serving {
            return false;
        }
        let may_be_elected =
            state.isr.contains(&own) || state.eligible_leader_replicas.contains(&own);
        let is_shown = is_marked_lost(state, own) && !may_be_elected;
        match self.found {
            Found::AtOpening => is_counted_on(state, own) && !is_shown,
            // Without a leader there is nobody to forget; the next one knows nothing.
            _ => !is_shown || (!self.is_forgotten(state) && state.leader.is_some()),
        }
    }

    /// Whether no leader believes in what the replica fetched.
    fn is_forgotten(&self, state: &PartitionState) -> bool {
        match self.found {
            Found::AtOpening => true,
            Found::Serving => false,
            Found::Ended(epoch) => state.leader_epoch > epoch,
        }
    }

    /// What is wrong, and what happens next or a person has to do.
    pub(super) fn reason(&self, state: Option<&PartitionState>, own: BrokerId) -> String {
        let cause = self.cause.text();
        let next = match state {
            Some(state) if self.must_be_reported(state, own) || self.found == Found::Serving => {
                "the controllers are being told"
            }
            Some(state) if self.may_begin_anew(state, own) => {
                "it waits to be set aside and fetched anew; if this stays, folders ending in \
                 -damaged are too many: look at them, and delete what nobody needs"
            }
            Some(_) => {
                "nobody else is known to hold what it holds, so it is kept as it is; start the \
                 other brokers of this partition, or bring the folder back in order and restart \
                 this one"
            }
            None => "its partition is not known",
        };
        format!("{}: {cause}; {next}", self.name)
    }
}

/// Whether the metadata has the replica as lost.
pub(super) fn is_marked_lost(state: &PartitionState, own: BrokerId) -> bool {
    state.directory_of(own) == Some(DirectoryId::LOST)
}
