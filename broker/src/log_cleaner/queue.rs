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
    /// It cannot be cleaned.
    ForGood,
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
            && match self.resting.get(&log.id()) {
                Some((resting, Rest::Until(until))) => !resting.is_same(log) || *until <= now,
                Some((resting, Rest::ForGood)) => !resting.is_same(log),
                None => true,
            }
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

    /// It was cleaned.
    pub(super) fn cleaned(&mut self, log: &L) {
        self.resting.remove(&log.id());
    }

    /// It could not be cleaned; the others come first.
    pub(super) fn leave_until(&mut self, log: &L, until: Instant) {
        self.resting
            .insert(log.id(), (log.clone(), Rest::Until(until)));
    }

    /// It cannot be cleaned.
    pub(super) fn leave(&mut self, log: &L) {
        self.resting.insert(log.id(), (log.clone(), Rest::ForGood));
    }

    /// How many cannot be cleaned.
    pub(super) fn uncleanable(&self) -> usize {
        let for_good = |(_, rest): &&(L, Rest)| *rest == Rest::ForGood;
        self.resting.values().filter(for_good).count()
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
