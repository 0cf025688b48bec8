//! Random histories of brokers that die, lose disks, find logs damaged, fall behind and return, against a model of
//! what each replica really holds.
//!
//! Checked after every decision: the invariants of [`World::check`], and that whoever is elected
//! cleanly holds every acknowledged record (P-ACKED, as far as it is the controller's to keep). At
//! the end everybody returns, and nothing that could be led is without a leader.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trimaran_api::controller::{DamageCause, DamagedReplica};
use trimaran_metadata::{ChangeReason, PartitionState};
use trimaran_types::{BrokerEpoch, BrokerId, LeaderEpoch, TopicName};

use super::world::{World, id};

const BROKERS: u32 = 4;

struct Spec {
    name: &'static str,
    replicas: &'static [&'static [u32]],
    settings: &'static [(&'static str, &'static str)],
    /// Whether an acknowledged record survives a crash.
    synced: bool,
}

const UNCLEAN: (&str, &str) = ("unclean.leader.election.enable", "true");

const TOPICS: [Spec; 5] = [
    spec("synced", &[&[1, 2, 3], &[2, 3, 4], &[4, 1, 2]], &[], true),
    spec(
        "unsynced",
        &[&[1, 2, 3], &[3, 4, 1]],
        &[("flush.messages", "100")],
        false,
    ),
    spec(
        "loose",
        &[&[2, 1, 4]],
        &[("min.insync.replicas", "1")],
        true,
    ),
    spec("single", &[&[1], &[3]], &[], true),
    spec("unclean", &[&[3, 2, 1]], &[UNCLEAN], true),
];

const fn spec(
    name: &'static str,
    replicas: &'static [&'static [u32]],
    settings: &'static [(&'static str, &'static str)],
    synced: bool,
) -> Spec {
    Spec {
        name,
        replicas,
        settings,
        synced,
    }
}

type Choice = (u8, u8, u8, u8);
type Place = (usize, u32);

struct Model {
    world: World,
    alive: BTreeMap<u32, bool>,
    /// The directory that each broker has now.
    directory: BTreeMap<u32, u32>,
    /// The directory in which a log was found damaged.
    damaged_in: BTreeMap<(Place, u32), u32>,
    /// The epoch that a broker wrote down when it stopped cleanly.
    clean_stop: BTreeMap<u32, BrokerEpoch>,
    logs: BTreeMap<(Place, u32), Vec<u32>>,
    acknowledged: BTreeMap<Place, Vec<u32>>,
    led: BTreeMap<Place, (Option<BrokerId>, LeaderEpoch)>,
    drawn: u32,
}

fn places() -> Vec<Place> {
    let partitions = |topic: usize| 0..u32::try_from(TOPICS[topic].replicas.len()).unwrap();
    (0..TOPICS.len())
        .flat_map(|topic| partitions(topic).map(move |p| (topic, p)))
        .collect()
}

impl Model {
    fn new() -> Self {
        let mut world = World::with_brokers(BROKERS);
        for topic in &TOPICS {
            world.create(topic.name, topic.replicas, topic.settings);
        }
        let mut model = Self {
            world,
            alive: (1..=BROKERS).map(|broker| (broker, true)).collect(),
            directory: (1..=BROKERS).map(|broker| (broker, broker)).collect(),
            damaged_in: BTreeMap::new(),
            clean_stop: BTreeMap::new(),
            logs: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            led: BTreeMap::new(),
            drawn: 100,
        };
        model.judge_elections();
        model
    }

    fn draw(&mut self) -> u32 {
        self.drawn += 1;
        self.drawn
    }

    fn state(&self, place: Place) -> PartitionState {
        self.world.state(TOPICS[place.0].name, place.1).clone()
    }

    fn log(&self, place: Place, broker: u32) -> Vec<u32> {
        self.logs.get(&(place, broker)).cloned().unwrap_or_default()
    }

    /// The leader, if its process runs.
    fn live_leader(&self, place: Place) -> Option<u32> {
        let leader = self.state(place).leader?.0;
        self.alive[&leader].then_some(leader)
    }

    /// The leader appends; the members of the ISR that `mask` names, if they run, copy its log.
    fn produce(&mut self, place: Place, mask: u8) {
        let Some(leader) = self.live_leader(place) else {
            return;
        };
        let state = self.state(place);
        let record = self.draw();
        let mut log = self.log(place, leader);
        log.push(record);
        self.logs.insert((place, leader), log.clone());
        let mut everybody = true;
        for member in &state.isr {
            let gets_it = self.alive[&member.0] && (mask >> (member.0 % 8)) & 1 == 0;
            if gets_it || member.0 == leader {
                self.logs.insert((place, member.0), log.clone());
            } else {
                everybody = false;
            }
        }
        let name = TopicName::new(TOPICS[place.0].name).unwrap();
        let minimum = self.world.image.min_insync_replicas(&name, &state);
        if everybody && state.isr.len() >= minimum {
            self.acknowledged.insert(place, log);
        }
    }

    /// A running follower copies the leader's log, and the leader asks for it to be in the ISR.
    fn expand(&mut self, place: Place, follower: u32) {
        let Some(leader) = self.live_leader(place) else {
            return;
        };
        let state = self.state(place);
        let hosts = state.replicas.contains(&BrokerId(follower));
        if !self.alive[&follower] || !hosts || state.isr.contains(&BrokerId(follower)) {
            return;
        }
        self.logs.insert((place, follower), self.log(place, leader));
        let mut isr: Vec<u32> = state.isr.iter().map(|member| member.0).collect();
        isr.push(follower);
        let asks = self.world.alteration(TOPICS[place.0].name, place.1, &isr);
        self.world.alter(leader, asks);
    }

    fn shrink(&mut self, place: Place, member: u32) {
        let Some(leader) = self.live_leader(place) else {
            return;
        };
        if member == leader {
            return;
        }
        let isr = self.state(place).isr;
        let left: Vec<u32> = isr
            .iter()
            .map(|kept| kept.0)
            .filter(|kept| *kept != member)
            .collect();
        let asks = self.world.alteration(TOPICS[place.0].name, place.1, &left);
        self.world.alter(leader, asks);
    }

    fn kill(&mut self, broker: u32) {
        self.alive.insert(broker, false);
        self.clean_stop.remove(&broker);
    }

    fn stop_cleanly(&mut self, broker: u32) {
        if !self.alive[&broker] {
            return;
        }
        let mut leaving = self.world.heartbeat_of(broker);
        leaving.want_shutdown = true;
        self.world.heartbeat(&leaving);
        self.world.heartbeat(&leaving);
        self.alive.insert(broker, false);
        self.clean_stop.insert(broker, self.world.epoch(broker));
    }

    /// A new run, on the old disk or on a new one; a crash took what was not synced.
    fn restart(&mut self, broker: u32, replace_disk: bool, keep: usize) {
        if self.alive[&broker] {
            return;
        }
        let clean = self.clean_stop.get(&broker).copied();
        for place in places() {
            let synced = TOPICS[place.0].synced;
            let Some(log) = self.logs.get_mut(&(place, broker)) else {
                continue;
            };
            if replace_disk {
                log.clear();
            } else if clean.is_none() && !synced {
                log.truncate(keep);
            }
        }
        if replace_disk {
            let directory = self.draw();
            self.directory.insert(broker, directory);
        }
        self.register(broker);
        self.alive.insert(broker, true);
    }

    fn register(&mut self, broker: u32) {
        let mut request = self.world.request(broker);
        request.directories = vec![id(self.directory[&broker])];
        request.previous_broker_epoch = self.clean_stop.get(&broker).copied();
        self.world.register(&request);
        self.clean_stop.remove(&broker);
    }

    /// A running broker finds a log damaged and says so; when nobody counts on it, it begins anew.
    fn damage(&mut self, place: Place, broker: u32) {
        let id = self.world.partition_id(TOPICS[place.0].name, place.1);
        let mut beat = self.world.heartbeat_of(broker);
        beat.damaged_replicas = vec![DamagedReplica {
            partition: id,
            cause: DamageCause::Corrupt,
            served_up_to: Some(self.state(place).leader_epoch),
        }];
        self.world.heartbeat(&beat);
        self.damaged_in
            .insert((place, broker), self.directory[&broker]);
        let state = self.state(place);
        let own = BrokerId(broker);
        let is_spare = !state.isr.is_empty()
            && !state.isr.contains(&own)
            && !state.eligible_leader_replicas.contains(&own);
        if is_spare {
            self.logs.remove(&(place, broker));
        }
    }

    /// A running broker finds that a log that was damaged is in order after all.
    fn restore(&mut self, place: Place, broker: u32) {
        let damaged_in = self.damaged_in.get(&(place, broker));
        if damaged_in != self.directory.get(&broker) {
            return;
        }
        let id = self.world.partition_id(TOPICS[place.0].name, place.1);
        let mut beat = self.world.heartbeat_of(broker);
        beat.restored_replicas = vec![id];
        self.world.heartbeat(&beat);
    }

    fn step(&mut self, (kind, a, b, c): Choice) {
        let broker = u32::from(a) % BROKERS + 1;
        let places = places();
        let place = places[usize::from(b) % places.len()];
        match kind % 19 {
            0..=3 => self.produce(place, 0),
            4 => self.produce(place, c),
            5 | 6 => self.expand(place, broker),
            7 => self.shrink(place, broker),
            8 | 9 => self.kill(broker),
            10 => self.stop_cleanly(broker),
            11 => self.world.fence(broker),
            12 | 13 => self.restart(broker, c % 8 == 0, usize::from(b % 4)),
            14 if self.alive[&broker] => {
                let beat = self.world.heartbeat_of(broker);
                self.world.heartbeat(&beat);
            }
            14 => self.world.fence(broker),
            16 | 17 if self.alive[&broker] => self.damage(place, broker),
            18 if self.alive[&broker] => self.restore(place, broker),
            16..=18 => {}
            _ => {
                for broker in 1..=BROKERS {
                    self.kill(broker);
                }
            }
        }
        self.judge_elections();
    }

    fn judge_elections(&mut self) {
        for place in places() {
            let state = self.state(place);
            let now = (state.leader, state.leader_epoch);
            let before = self.led.insert(place, now);
            if before == Some(now) {
                continue;
            }
            if let Some((_, old_epoch)) = before {
                assert!(
                    state.leader_epoch > old_epoch,
                    "{place:?}: {before:?} to {now:?}"
                );
            }
            if let Some(leader) = state.leader {
                self.judge_election(place, leader.0, state.last_change.reason);
            }
        }
    }

    fn judge_election(&mut self, place: Place, leader: u32, reason: ChangeReason) {
        let Spec {
            name,
            settings,
            synced,
            ..
        } = TOPICS[place.0];
        let log = self.log(place, leader);
        let acknowledged = self.acknowledged.get(&place).cloned().unwrap_or_default();
        let may_lose = match reason {
            ChangeReason::ElectedUncleanly => {
                assert!(
                    settings.contains(&UNCLEAN),
                    "{name} was not to be led uncleanly"
                );
                true
            }
            ChangeReason::ElectedLastKnown => !synced,
            _ => false,
        };
        if may_lose {
            let held = log
                .iter()
                .zip(&acknowledged)
                .take_while(|(one, other)| one == other)
                .count();
            self.acknowledged
                .insert(place, acknowledged[..held].to_vec());
        } else {
            assert!(
                log.starts_with(&acknowledged),
                "{name}-{} is led by {leader} ({reason}), which holds {log:?} of {acknowledged:?}",
                place.1
            );
        }
    }

    /// Everybody comes back with the disk it has.
    fn heal(&mut self) {
        for broker in 1..=BROKERS {
            self.restart(broker, false, 2);
            self.judge_elections();
            if self
                .world
                .image
                .brokers
                .get(BrokerId(broker))
                .unwrap()
                .in_controlled_shutdown
            {
                self.register(broker);
            }
            self.world.unfence(broker);
            self.judge_elections();
        }
        self.world.sweep();
        self.judge_elections();
    }
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>()), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn whoever_leads_holds_what_was_acknowledged(choices in choices()) {
        let mut model = Model::new();
        for choice in choices {
            model.step(choice);
        }
        model.heal();
        for found in model.world.image.leaderless_partitions() {
            for broker in
                found.state.eligible_leader_replicas.iter().chain(&found.state.last_known_eligible)
            {
                let has = id::<trimaran_types::DirectoryId>(model.directory[&broker.0]);
                prop_assert_ne!(found.state.directory_of(*broker), Some(has), "{:?}", found.state);
            }
        }
    }
}

/// The model itself must see a broken election: one who missed a record is made to lead.
#[test]
#[should_panic(expected = "holds")]
fn the_model_notices_a_leader_that_lacks_records() {
    let mut model = Model::new();
    model.shrink((0, 0), 3);
    model.produce((0, 0), 0);
    model.logs.insert(((0, 0), 2), Vec::new());
    model.world.fence(1);
    model.judge_elections();
}

#[test]
fn the_power_failing_everywhere_costs_nothing_that_was_acknowledged() {
    let mut model = Model::new();
    for place in places() {
        model.produce(place, 0);
    }
    for broker in 1..=BROKERS {
        model.kill(broker);
    }
    let dead = 2;
    for broker in [4, 1, 3] {
        model.restart(broker, false, 0);
        model.judge_elections();
        model.world.fence(dead);
        model.world.unfence(broker);
        model.judge_elections();
    }
    let is_led = |place: Place| model.state(place).leader.is_some();
    let synced = places()
        .into_iter()
        .filter(|place| TOPICS[place.0].name == "synced");
    assert!(
        synced.clone().count() == 3 && synced.clone().all(is_led),
        "one broker stays dead"
    );
}
