//! [`Sessions`]: when each broker was heard of last. Pure; time comes in as an argument.

use std::collections::BTreeMap;

use trimaran_metadata::MetadataImage;
use trimaran_types::{BrokerEpoch, BrokerId, MetadataOffset, MonotonicTime, TopicIdPartition};

use crate::decide::partitions::LackingRoom;

#[derive(Debug, Clone, Copy)]
struct Session {
    last_contact: MonotonicTime,
    /// What it reported last; `None` before its first heartbeat here.
    metadata_end: Option<MetadataOffset>,
    /// Its last session connection broke, and no heartbeat came since.
    is_cut: bool,
}

impl Session {
    const fn fresh(now: MonotonicTime) -> Self {
        Self {
            last_contact: now,
            metadata_end: None,
            is_cut: false,
        }
    }
}

/// The sessions of one term of this controller.
#[derive(Debug)]
pub(crate) struct Sessions {
    timeout_ms: u64,
    term: Option<u64>,
    by_broker: BTreeMap<BrokerId, Session>,
    /// Partitions may be without a leader although somebody could lead them.
    sweep_due: bool,
    lacking_room: LackingRoom,
}

impl Sessions {
    /// No sessions; each will last `timeout_ms` after the last contact.
    #[must_use]
    pub(crate) fn new(timeout_ms: u64) -> Self {
        Self {
            timeout_ms,
            term: None,
            by_broker: BTreeMap::new(),
            sweep_due: false,
            lacking_room: LackingRoom::default(),
        }
    }

    /// Begins a term: every registered broker gets a fresh session, and elections that the last
    /// active controller left undone are due. A term that has begun already is left alone.
    pub(crate) fn begin_term(&mut self, term: u64, image: &MetadataImage, now: MonotonicTime) {
        if self.term == Some(term) {
            return;
        }
        self.term = Some(term);
        self.sweep_due = true;
        self.lacking_room.forget_all();
        let fresh = Session::fresh(now);
        self.by_broker = image
            .brokers
            .iter()
            .map(|broker| (broker.broker_id, fresh))
            .collect();
    }

    /// A broker registered: nothing that it reported before counts any more.
    pub(crate) fn registered(&mut self, broker: BrokerId, now: MonotonicTime) {
        self.by_broker.insert(broker, Session::fresh(now));
        self.lacking_room.said(broker, &[]);
    }

    /// A heartbeat came, however late.
    pub(crate) fn heard(
        &mut self,
        broker: BrokerId,
        metadata_end: MetadataOffset,
        now: MonotonicTime,
    ) {
        let session = Session {
            last_contact: now,
            metadata_end: Some(metadata_end),
            is_cut: false,
        };
        self.by_broker.insert(broker, session);
    }

    /// A heartbeat said of which replicas the broker has no room for.
    pub(crate) fn said_to_lack_room(&mut self, broker: BrokerId, partitions: &[TopicIdPartition]) {
        self.lacking_room.said(broker, partitions);
    }

    /// Which replicas lack room, as their brokers last said in this term.
    #[must_use]
    pub(crate) fn lacking_room(&self) -> LackingRoom {
        self.lacking_room.clone()
    }

    /// The broker's last session connection broke. It is not out of service for that, but another
    /// run may take its place at once: a process that is restarted need not wait for its own past.
    pub(crate) fn cut(&mut self, broker: BrokerId) {
        if let Some(session) = self.by_broker.get_mut(&broker) {
            session.is_cut = true;
        }
    }

    /// Whether the broker was heard of within the timeout and nothing speaks against it since: no
    /// other run may take its place.
    #[must_use]
    pub(crate) fn is_held(&self, broker: BrokerId, now: MonotonicTime) -> bool {
        self.is_valid(broker, now)
            && self
                .by_broker
                .get(&broker)
                .is_some_and(|session| !session.is_cut)
    }

    /// Elections are to be made, soon and by the watchman: some did not fit into a decision.
    pub(crate) fn owe_sweep(&mut self) {
        self.sweep_due = true;
    }

    /// Whether elections are owed.
    #[must_use]
    pub(crate) fn is_sweep_due(&self) -> bool {
        self.sweep_due
    }

    /// Takes on the elections that are owed, if any. Whoever takes them gives them back when they failed.
    #[must_use]
    pub(crate) fn take_sweep(&mut self) -> bool {
        std::mem::take(&mut self.sweep_due)
    }

    /// Whether the broker was heard of within the timeout.
    #[must_use]
    pub(crate) fn is_valid(&self, broker: BrokerId, now: MonotonicTime) -> bool {
        self.by_broker
            .get(&broker)
            .is_some_and(|session| now.ms_since(session.last_contact) < self.timeout_ms)
    }

    /// Of the brokers in service, the one that has been silent longest, if that is too long.
    #[must_use]
    pub(crate) fn overdue(
        &mut self,
        image: &MetadataImage,
        now: MonotonicTime,
    ) -> Option<(BrokerId, BrokerEpoch)> {
        let mut oldest: Option<(MonotonicTime, BrokerId, BrokerEpoch)> = None;
        for broker in image.brokers.iter().filter(|broker| !broker.fenced) {
            let fresh = Session::fresh(now);
            let session = self.by_broker.entry(broker.broker_id).or_insert(fresh);
            if oldest.is_none_or(|(oldest, ..)| session.last_contact < oldest) {
                oldest = Some((session.last_contact, broker.broker_id, broker.broker_epoch));
            }
        }
        let (last_contact, broker, epoch) = oldest?;
        (now.ms_since(last_contact) >= self.timeout_ms).then_some((broker, epoch))
    }

    /// Gives everybody a fresh session: this process itself was silent, they may not have been.
    pub(crate) fn forgive(&mut self, now: MonotonicTime) {
        for session in self.by_broker.values_mut() {
            session.last_contact = now;
        }
    }

    /// The lowest end that any active broker reported; one that has not reported counts as 0.
    #[must_use]
    pub(crate) fn lowest_active_metadata_end(
        &self,
        image: &MetadataImage,
    ) -> Option<MetadataOffset> {
        image
            .brokers
            .iter()
            .filter(|broker| broker.is_active())
            .map(|broker| {
                let session = self.by_broker.get(&broker.broker_id);
                session
                    .and_then(|session| session.metadata_end)
                    .unwrap_or(MetadataOffset::ZERO)
            })
            .min()
    }

    /// Milliseconds since the last contact, and what was reported then.
    #[must_use]
    pub(crate) fn last_contact(
        &self,
        broker: BrokerId,
        now: MonotonicTime,
    ) -> Option<(u64, Option<MetadataOffset>)> {
        let session = self.by_broker.get(&broker)?;
        Some((now.ms_since(session.last_contact), session.metadata_end))
    }
}

#[cfg(test)]
#[path = "table_test.rs"]
mod tests;
