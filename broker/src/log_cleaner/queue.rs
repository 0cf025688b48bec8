//! [`Queue`]: which logs are being cleaned, and which are left alone, for a while or for good.
//!
//! What is left alone is one life of a replica. One that was begun anew in its place is another log.

use std::collections::HashMap;
use std::time::Instant;

use trimaran_types::TopicIdPartition;

use crate::partition::PartitionHandle;

/// One life of a replica.
pub(super) trait Life: Clone {
    /// The partition.
    fn id(&self) -> TopicIdPartition;
    /// Whether both are the same life of it.
    fn is_same(&self, other: &Self) -> bool;
}

impl Life for PartitionHandle {
    fn id(&self) -> TopicIdPartition {
        Self::id(self)
    }

    fn is_same(&self, other: &Self) -> bool {
        Self::is_same(self, other)
    }
}

/// Why a log is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// It could not be cleaned; it may be then.
    Until(Instant),
    /// The same, because bytes of it were damaged.
    Doubted(Instant),
    /// It cannot be cleaned.
    ForGood,
    /// It is damaged, and was the last one in sync.
    LastInSync,
}

impl Rest {
    /// From when on it may be taken again.
    const fn until(self) -> Option<Instant> {
        match self {
            Self::Until(until) | Self::Doubted(until) => Some(until),
            Self::ForGood | Self::LastInSync => None,
        }
    }
}

/// What the threads agree on. Holds replicas of this broker only, each once.
#[derive(Debug)]
pub(super) struct Queue<L = PartitionHandle> {
    pub(super) is_stopping: bool,
    /// A thread is at them.
    busy: HashMap<TopicIdPartition, L>,
    resting: HashMap<TopicIdPartition, (L, Rest)>,
}

impl<L> Default for Queue<L> {
    fn default() -> Self {
        Self {
            is_stopping: false,
            busy: HashMap::new(),
            resting: HashMap::new(),
        }
    }
}

impl<L: Life> Queue<L> {
    /// Whether a thread may take the log.
    pub(super) fn is_free(&self, log: &L, now: Instant) -> bool {
        !self.busy.contains_key(&log.id())
            && self
                .rest_of(log)
                .is_none_or(|rest| rest.until().is_some_and(|until| until <= now))
    }

    fn rest_of(&self, log: &L) -> Option<Rest> {
        let (resting, rest) = self.resting.get(&log.id())?;
        resting.is_same(log).then_some(*rest)
    }

    fn set(&mut self, log: &L, rest: Rest) {
        self.resting.insert(log.id(), (log.clone(), rest));
    }

    /// A thread takes the log; `false` when another one has it.
    pub(super) fn begin(&mut self, log: &L) -> bool {
        let is_free = !self.busy.contains_key(&log.id());
        if is_free {
            self.busy.insert(log.id(), log.clone());
        }
        is_free
    }

    /// The thread has let go of it.
    pub(super) fn end(&mut self, log: &L) {
        self.busy.remove(&log.id());
    }

    /// Those that a thread is at.
    pub(super) fn busy(&self) -> Vec<L> {
        self.busy.values().cloned().collect()
    }

    /// It was cleaned.
    pub(super) fn cleaned(&mut self, log: &L) {
        self.resting.remove(&log.id());
    }

    /// It could not be cleaned; the others come first. A doubt stays.
    pub(super) fn leave_until(&mut self, log: &L, until: Instant) {
        let rest = match self.rest_of(log) {
            Some(Rest::Doubted(_)) => Rest::Doubted(until),
            _ => Rest::Until(until),
        };
        self.set(log, rest);
    }

    /// Bytes of it were damaged; they are looked at again. `false` when they were before.
    pub(super) fn doubt(&mut self, log: &L, until: Instant) -> bool {
        let is_new = !matches!(self.rest_of(log), Some(Rest::Doubted(_)));
        self.set(log, Rest::Doubted(until));
        is_new
    }

    /// It cannot be cleaned.
    pub(super) fn leave(&mut self, log: &L) {
        self.set(log, Rest::ForGood);
    }

    /// It is damaged, and nobody else is in sync.
    pub(super) fn keep_last_in_sync(&mut self, log: &L) {
        self.set(log, Rest::LastInSync);
    }

    /// Those that were kept because nobody else was in sync.
    pub(super) fn last_in_sync(&self) -> Vec<L> {
        let kept = self.resting.values();
        kept.filter(|(_, rest)| *rest == Rest::LastInSync)
            .map(|(log, _)| log.clone())
            .collect()
    }

    /// How many cannot be cleaned.
    pub(super) fn uncleanable(&self) -> usize {
        let rests = self.resting.values();
        rests.filter(|(_, rest)| rest.until().is_none()).count()
    }

    /// Forgets replicas that are no more.
    pub(super) fn retain(&mut self, hosted: &[L]) {
        if self.resting.is_empty() {
            return;
        }
        let hosted: HashMap<_, _> = hosted.iter().map(|log| (log.id(), log)).collect();
        self.resting
            .retain(|id, (log, _)| hosted.get(id).is_some_and(|now| now.is_same(log)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use trimaran_types::{PartitionIndex, TopicId};
    use uuid::Uuid;

    use super::*;

    /// Partition, life.
    #[derive(Debug, Clone, Copy)]
    struct Replica(u32, u32);

    impl Life for Replica {
        fn id(&self) -> TopicIdPartition {
            TopicIdPartition {
                topic_id: TopicId::from_uuid(Uuid::from_u128(7)),
                partition: PartitionIndex(self.0),
            }
        }

        fn is_same(&self, other: &Self) -> bool {
            self.1 == other.1
        }
    }

    #[test]
    fn who_is_taken_or_left_alone_is_not_free() {
        let mut queue = Queue::default();
        let (log, other) = (Replica(0, 0), Replica(1, 0));
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        assert!(queue.is_free(&log, now) && queue.begin(&log));
        assert!(!queue.is_free(&log, now) && !queue.begin(&log));
        assert!(queue.is_free(&other, now));
        queue.leave_until(&log, later);
        queue.end(&log);
        assert!(!queue.is_free(&log, now) && queue.is_free(&log, later));
        assert_eq!(queue.uncleanable(), 0);
        queue.cleaned(&log);
        assert!(queue.is_free(&log, now));
        queue.leave(&log);
        assert!(!queue.is_free(&log, later));
        assert_eq!(queue.uncleanable(), 1);
    }

    #[test]
    fn damage_is_believed_when_it_is_met_twice() {
        let mut queue = Queue::default();
        let (log, anew) = (Replica(0, 0), Replica(0, 1));
        let now = Instant::now();
        assert!(queue.doubt(&log, now) && queue.is_free(&log, now));
        // A look that came to nothing in between settles nothing.
        queue.leave_until(&log, now);
        assert!(!queue.doubt(&log, now));
        queue.cleaned(&log);
        assert!(queue.doubt(&log, now));
        assert!(queue.doubt(&anew, now), "another log");
        queue.keep_last_in_sync(&anew);
        assert!(!queue.is_free(&anew, now));
        assert_eq!((queue.last_in_sync().len(), queue.uncleanable()), (1, 1));
    }

    #[test]
    fn another_life_of_the_replica_is_another_log() {
        let mut queue = Queue::default();
        let (log, anew) = (Replica(0, 0), Replica(0, 1));
        let now = Instant::now();
        queue.leave(&log);
        assert!(!queue.is_free(&log, now) && queue.is_free(&anew, now));
        queue.retain(&[log, Replica(1, 0)]);
        assert_eq!(queue.uncleanable(), 1);
        queue.retain(&[anew]);
        assert_eq!(queue.uncleanable(), 0);
        queue.leave_until(&anew, now + Duration::from_secs(1));
        queue.retain(&[]);
        assert!(queue.is_free(&anew, now));
    }
}
