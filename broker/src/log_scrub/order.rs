//! [`Order`]: which log is next, the one that was not looked through for longest.
//!
//! Kept in memory: a file would have to be written as often as a log is done, to save reading. After a
//! restart every log counts as waiting since then, and they come in an order that each process draws
//! anew, each from a segment that is drawn, too ([`Tour`](super::tour::Tour)). So even a broker that
//! never runs through a whole interval comes by every segment before long, and none is always last.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Instant;

use trimaran_types::TopicIdPartition;

/// When each log was last done. Holds replicas of this broker only.
#[derive(Debug)]
pub(super) struct Order {
    seed: u64,
    began: Instant,
    done: HashMap<TopicIdPartition, Instant>,
}

impl Order {
    pub(super) fn new(seed: u64, now: Instant) -> Self {
        Self {
            seed,
            began: now,
            done: HashMap::new(),
        }
    }

    /// The one that waits longest, and since when: since the start if it was never done.
    pub(super) fn next(
        &self,
        logs: impl Iterator<Item = TopicIdPartition>,
    ) -> Option<(TopicIdPartition, Instant)> {
        let next = logs.min_by_key(|id| (self.done.get(id).copied(), self.draw(*id)))?;
        let since = self.done.get(&next).copied().unwrap_or(self.began);
        Some((next, since))
    }

    /// A number for the log, another one in each process.
    pub(super) fn draw(&self, id: TopicIdPartition) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, id).hash(&mut hasher);
        hasher.finish()
    }

    /// A log was looked through.
    pub(super) fn done(&mut self, id: TopicIdPartition, now: Instant) {
        self.done.insert(id, now);
    }

    /// Forgets logs that are no more.
    pub(super) fn retain(&mut self, hosted: &HashSet<TopicIdPartition>) {
        self.done.retain(|id, _| hosted.contains(id));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use trimaran_types::{PartitionIndex, TopicId};
    use uuid::Uuid;

    use super::*;

    fn logs(count: u32) -> Vec<TopicIdPartition> {
        let topic_id = TopicId::from_uuid(Uuid::from_u128(7));
        let log = |number| TopicIdPartition {
            topic_id,
            partition: PartitionIndex(number),
        };
        (0..count).map(log).collect()
    }

    /// One round, with a second for each log.
    fn round(order: &mut Order, logs: &[TopicIdPartition], now: &mut Instant) -> Vec<u32> {
        let mut came = Vec::new();
        for _ in logs {
            let (next, _) = order.next(logs.iter().copied()).unwrap();
            *now += Duration::from_secs(1);
            order.done(next, *now);
            came.push(next.partition.0);
        }
        came
    }

    #[test]
    fn all_come_by_in_turn_and_those_never_seen_first() {
        let (start, mut now) = (Instant::now(), Instant::now());
        let mut order = Order::new(1, start);
        assert_eq!(order.next(std::iter::empty()), None);
        let mut all = logs(10);
        let first = round(&mut order, &all, &mut now);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        assert_eq!(round(&mut order, &all, &mut now), first, "the same again");
        all = logs(11);
        let (next, since) = order.next(all.iter().copied()).unwrap();
        assert_eq!((next.partition.0, since), (10, start));
        order.done(next, now);
        let (next, since) = order.next(all.iter().copied()).unwrap();
        assert_eq!(next.partition.0, first[0]);
        assert!(since > start && since < now);
        order.retain(&all[..2].iter().copied().collect());
        assert_eq!(order.done.len(), 2);
    }

    #[test]
    fn each_process_begins_elsewhere() {
        let all = logs(10);
        let mut now = Instant::now();
        let firsts: HashSet<u32> = (0..20)
            .map(|seed| round(&mut Order::new(seed, now), &all, &mut now)[0])
            .collect();
        assert!(firsts.len() > 3, "{firsts:?}");
    }
}
