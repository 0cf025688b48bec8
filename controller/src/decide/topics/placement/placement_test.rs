//! Spread over brokers and racks, and who must never lead (KIP-36).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn broker(id: u32, rack: Option<&str>, fenced: bool) -> UsableBroker {
    UsableBroker {
        id: BrokerId(id),
        rack: rack.map(str::to_owned),
        fenced,
    }
}

fn place(brokers: &[UsableBroker], seed: u64, partitions: usize, replicas: usize) -> Vec<Vec<u32>> {
    let mut placer = Placer::new(brokers, seed);
    (0..partitions)
        .map(|_| {
            placer
                .next(replicas)
                .unwrap()
                .into_iter()
                .map(|broker| broker.0)
                .collect()
        })
        .collect()
}

fn count(numbers: impl Iterator<Item = u32>) -> BTreeMap<u32, usize> {
    numbers.fold(BTreeMap::new(), |mut counts, number| {
        *counts.entry(number).or_default() += 1;
        counts
    })
}

#[test]
fn leaders_and_replicas_are_even_over_equal_brokers() {
    let brokers: Vec<_> = (1..=3).map(|id| broker(id, None, false)).collect();
    for seed in 0..20 {
        let placed = place(&brokers, seed, 6, 3);
        let leaders = count(placed.iter().map(|replicas| replicas[0]));
        assert_eq!(
            leaders.values().copied().collect::<Vec<_>>(),
            [2, 2, 2],
            "seed {seed}"
        );
        let replicas = count(placed.iter().flatten().copied());
        assert_eq!(
            replicas.values().copied().collect::<Vec<_>>(),
            [6, 6, 6],
            "seed {seed}"
        );
    }
}

#[test]
fn each_partition_has_a_replica_in_each_rack() {
    let racks = ["a", "a", "b", "b", "c", "c"];
    let brokers: Vec<_> = (0..)
        .zip(racks)
        .map(|(id, rack)| broker(id, Some(rack), false))
        .collect();
    for replicas in place(&brokers, 5, 60, 3) {
        let mut used: Vec<&str> = replicas
            .iter()
            .map(|id| racks[usize::try_from(*id).unwrap()])
            .collect();
        used.sort_unstable();
        assert_eq!(used, ["a", "b", "c"]);
    }
}

#[test]
fn fenced_brokers_follow_last_and_never_lead() {
    let brokers = [
        broker(1, None, true),
        broker(2, None, false),
        broker(3, None, false),
        broker(4, None, true),
    ];
    for replicas in place(&brokers, 9, 30, 3) {
        assert!([2, 3].contains(&replicas[0]), "{replicas:?}");
        assert!([2, 3].contains(&replicas[1]), "{replicas:?}");
        assert!([1, 4].contains(&replicas[2]), "{replicas:?}");
    }
}

#[test]
fn a_rack_with_nobody_in_service_still_follows() {
    let brokers = [broker(1, Some("a"), true), broker(2, Some("b"), false)];
    for replicas in place(&brokers, 3, 10, 2) {
        assert_eq!(replicas, [2, 1]);
    }
}

#[test]
fn what_cannot_be_placed_says_why() {
    let next = |brokers: &[UsableBroker], replicas| Placer::new(brokers, 1).next(replicas);
    let (wanted, usable) = (2, 1);
    assert_eq!(
        next(&[broker(1, None, false)], 2),
        Err(PlacementError::TooFewBrokers { wanted, usable })
    );
    assert_eq!(
        next(&[broker(1, None, true)], 1),
        Err(PlacementError::NoneInService)
    );
    assert!(next(&[], 1).is_err());
}

proptest! {
    #[test]
    fn placements_are_legal_and_a_function_of_the_seed(
        brokers in prop::collection::vec((0..3_u8, any::<bool>()), 1..12),
        seed in any::<u64>(),
        wanted in 1..12_usize,
    ) {
        let brokers: Vec<UsableBroker> = (0..)
            .zip(brokers)
            .map(|(id, (rack, fenced))| {
                broker(id, [None, Some("a"), Some("b")][usize::from(rack)], fenced)
            })
            .collect();
        let replicas = wanted.min(brokers.len());
        let unfenced: Vec<u32> =
            brokers.iter().filter(|broker| !broker.fenced).map(|broker| broker.id.0).collect();
        prop_assume!(!unfenced.is_empty());
        let placed = place(&brokers, seed, 40, replicas);
        prop_assert_eq!(&placed, &place(&brokers, seed, 40, replicas));
        for partition in &placed {
            prop_assert_eq!(partition.len(), replicas);
            prop_assert!(unfenced.contains(&partition[0]));
            let distinct: std::collections::BTreeSet<_> = partition.iter().collect();
            prop_assert_eq!(distinct.len(), replicas);
        }
    }
}
