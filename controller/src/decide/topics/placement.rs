//! [`Placer`]: which brokers get a new topic's replicas (Kafka's `StripedReplicaPlacer`,
//! KIP-36).
//!
//! Each partition takes one broker from each rack in turn, those in service first, and starts one
//! rack and one broker further than the one before. So leaders and followers spread evenly over
//! brokers, replicas over racks, and no fenced broker leads. After as many partitions as there are
//! brokers in service everything is shuffled, or each leader would always have the same followers.

use std::collections::BTreeMap;

use trimaran_types::BrokerId;

use super::random::Random;

/// A broker that may get replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UsableBroker {
    pub(super) id: BrokerId,
    pub(super) rack: Option<String>,
    /// Out of service now: it may follow and not lead.
    pub(super) fenced: bool,
}

/// Hands out the replicas of partition after partition.
pub(super) struct Placer {
    racks: Vec<Rack>,
    broker_count: usize,
    unfenced_count: usize,
    random: Random,
    epoch: usize,
    offset: usize,
}

/// Why replicas cannot be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlacementError {
    #[error("replication factor {wanted} is larger than the {usable} usable brokers")]
    TooFewBrokers { wanted: usize, usable: usize },
    #[error("no broker is in service")]
    NoneInService,
}

struct Rack {
    unfenced: Ring,
    fenced: Ring,
}

/// Brokers that are taken in turn; each epoch starts one broker further.
struct Ring {
    brokers: Vec<BrokerId>,
    epoch: Option<usize>,
    taken: usize,
    offset: usize,
}

impl Placer {
    /// A placer over `brokers`; the same seed gives the same placement.
    pub(super) fn new(brokers: &[UsableBroker], seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut by_rack: BTreeMap<Option<&str>, (Vec<BrokerId>, Vec<BrokerId>)> = BTreeMap::new();
        for broker in brokers {
            let (unfenced, fenced) = by_rack.entry(broker.rack.as_deref()).or_default();
            if broker.fenced {
                fenced.push(broker.id)
            } else {
                unfenced.push(broker.id)
            }
        }
        let racks: Vec<Rack> = by_rack
            .into_values()
            .map(|(unfenced, fenced)| Rack {
                unfenced: Ring::new(unfenced, &mut random),
                fenced: Ring::new(fenced, &mut random),
            })
            .collect();
        let offset = random.below(racks.len());
        let unfenced_count = brokers.iter().filter(|broker| !broker.fenced).count();
        Self {
            racks,
            broker_count: brokers.len(),
            unfenced_count,
            random,
            epoch: 0,
            offset,
        }
    }

    /// The replicas of the next partition, its leader first.
    pub(super) fn next(&mut self, replicas: usize) -> Result<Vec<BrokerId>, PlacementError> {
        if replicas > self.broker_count {
            let usable = self.broker_count;
            return Err(PlacementError::TooFewBrokers {
                wanted: replicas,
                usable,
            });
        }
        if self.unfenced_count == 0 {
            return Err(PlacementError::NoneInService);
        }
        if self.epoch == self.unfenced_count {
            self.shuffle();
        }
        let count = self.racks.len();
        let order: Vec<usize> = (0..count)
            .map(|step| (self.offset + step) % count)
            .collect();
        let mut placed = Vec::with_capacity(replicas);
        let leader = order.iter().find_map(|place| {
            let leader = self.racks[*place].unfenced.next(self.epoch)?;
            Some((*place, leader))
        });
        let (leader_rack, leader) = leader.ok_or(PlacementError::NoneInService)?;
        placed.push(leader);
        // The rack of the leader has given its broker of the first round.
        let mut rounds = order.iter().cycle();
        let mut leader_rack = Some(leader_rack);
        while placed.len() < replicas {
            let Some(place) = rounds.next() else { break };
            if leader_rack == Some(*place) {
                leader_rack = None;
            } else if let Some(follower) = self.racks[*place].next(self.epoch) {
                placed.push(follower);
            }
        }
        self.epoch += 1;
        self.offset = (self.offset + 1) % count;
        Ok(placed)
    }

    fn shuffle(&mut self) {
        self.epoch = 0;
        self.random.shuffle(&mut self.racks);
        for rack in &mut self.racks {
            rack.unfenced.shuffle(&mut self.random);
            rack.fenced.shuffle(&mut self.random);
        }
    }
}

impl Rack {
    fn next(&mut self, epoch: usize) -> Option<BrokerId> {
        self.unfenced
            .next(epoch)
            .or_else(|| self.fenced.next(epoch))
    }
}

impl Ring {
    fn new(mut brokers: Vec<BrokerId>, random: &mut Random) -> Self {
        brokers.sort_unstable();
        let offset = random.below(brokers.len());
        Self {
            brokers,
            epoch: None,
            taken: 0,
            offset,
        }
    }

    fn next(&mut self, epoch: usize) -> Option<BrokerId> {
        let count = self.brokers.len();
        if self.epoch != Some(epoch) {
            self.epoch = Some(epoch);
            self.taken = 0;
            self.offset = (self.offset + 1) % count.max(1);
        }
        if self.taken >= count {
            return None;
        }
        let place = (self.offset + self.taken) % count;
        self.taken += 1;
        self.brokers.get(place).copied()
    }

    fn shuffle(&mut self, random: &mut Random) {
        random.shuffle(&mut self.brokers);
        self.epoch = None;
        self.taken = 0;
    }
}

#[cfg(test)]
mod placement_test;
