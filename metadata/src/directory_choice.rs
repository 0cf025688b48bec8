//! [`directory_for`]: in which of its directories a broker keeps a replica. Pure.
//!
//! Controllers record the directory of each replica when a topic is created and when a replica
//! enters the ISR; brokers put the log there. Both ask this function, with the same registration,
//! so that no message about it is needed: a directory that fails changes the answer for the replicas
//! in it and for no other.

use trimaran_types::{DirectoryId, TopicIdPartition};

/// Where a replica lies among `directories`, those that its broker has registered and that have
/// not failed: where it is `recorded`, if that is one of them; else the one that ranks highest for
/// this partition (rendezvous hashing), so that the replicas of a lost directory are spread over
/// all others. `None` when there is no directory.
#[must_use]
pub fn directory_for(
    directories: &[DirectoryId],
    partition: TopicIdPartition,
    recorded: Option<DirectoryId>,
) -> Option<DirectoryId> {
    if let Some(recorded) = recorded.filter(|recorded| directories.contains(recorded)) {
        return Some(recorded);
    }
    let rank = |directory: &&DirectoryId| (rank(**directory, partition), **directory);
    directories.iter().max_by_key(rank).copied()
}

/// FNV-1a over the three, then mixed, since the ids may differ in their last bits alone. Both sides
/// of the wire compute it, so it never changes.
fn rank(directory: DirectoryId, partition: TopicIdPartition) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let (topic, directory) = (partition.topic_id.as_uuid(), directory.as_uuid());
    let bytes = topic.as_bytes().iter().chain(directory.as_bytes());
    let number = partition.partition.0.to_be_bytes();
    let mut hash = bytes.chain(&number).fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    });
    for _ in 0..2 {
        hash ^= hash >> 33;
        hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use trimaran_types::{PartitionIndex, TopicId};

    use super::*;

    /// The id whose last byte is `number`, as text.
    fn text(number: u8) -> String {
        let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').collect();
        let last = [number >> 2, (number & 3) << 4].map(|six| alphabet[usize::from(six)]);
        format!("{}{}{}", "A".repeat(20), last[0], last[1])
    }

    fn directory(number: u8) -> DirectoryId {
        text(number).parse().unwrap()
    }

    fn partition(topic: u8, number: u32) -> TopicIdPartition {
        TopicIdPartition {
            topic_id: text(topic).parse::<TopicId>().unwrap(),
            partition: PartitionIndex(number),
        }
    }

    #[test]
    fn what_is_recorded_counts_while_it_is_there() {
        let directories: Vec<_> = (1..=4).map(directory).collect();
        let partition = partition(9, 0);
        for recorded in &directories {
            let found = directory_for(&directories, partition, Some(*recorded));
            assert_eq!(found, Some(*recorded));
        }
        assert_eq!(directory_for(&[], partition, Some(directory(1))), None);
        let only = [directory(3)];
        assert_eq!(directory_for(&only, partition, None), Some(directory(3)));
    }

    #[test]
    fn replicas_of_a_lost_directory_are_spread_and_the_others_stay() {
        let all: Vec<_> = (1..=4).map(directory).collect();
        let mut reversed = all.clone();
        reversed.reverse();
        let mut counts = std::collections::BTreeMap::new();
        for number in 0..1000 {
            let partition = partition(u8::try_from(number % 7).unwrap(), number);
            let chosen = directory_for(&all, partition, None).unwrap();
            assert_eq!(directory_for(&reversed, partition, None), Some(chosen));
            *counts.entry(chosen).or_insert(0) += 1;
            let left: Vec<_> = all.iter().copied().filter(|it| *it != all[0]).collect();
            let after = directory_for(&left, partition, None);
            assert!(chosen == all[0] || after == Some(chosen), "{partition}");
        }
        assert!(
            counts.values().all(|count| (180..320).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn the_ranks_never_change() {
        assert_eq!(rank(directory(1), partition(2, 3)), 0x78a0_8400_aa08_3c8b);
    }
}
