//! Who leads when brokers say that they have no room, by table.

use trimaran_types::{LeaderEpoch, TopicId};

use super::*;
use crate::decide::world::{World, id, ids};

impl World {
    /// A heartbeat that says this, and what the active controller makes of it.
    fn says(&mut self, broker: u32, partitions: &[TopicIdPartition]) {
        let request = HeartbeatRequest {
            replicas_lacking_room: partitions.to_vec(),
            ..self.heartbeat_of(broker)
        };
        self.lacking_room.said(BrokerId(broker), partitions);
        self.heartbeat(&request);
    }
}

/// Replicas 1, 2 and 3, 1 leads; some leave the ISR or are fenced, then these say in turn that they
/// have no room.
struct Row {
    name: &'static str,
    isr: &'static [u32],
    fenced: &'static [u32],
    say: &'static [u32],
    leader: u32,
    epochs: i32,
}

const ROWS: [Row; 8] = [
    Row {
        name: "nobody says anything",
        isr: &[1, 2, 3],
        fenced: &[],
        say: &[],
        leader: 1,
        epochs: 0,
    },
    Row {
        name: "the leader: the next member leads",
        isr: &[1, 2, 3],
        fenced: &[],
        say: &[1],
        leader: 2,
        epochs: 1,
    },
    Row {
        name: "a follower: nothing happens",
        isr: &[1, 2, 3],
        fenced: &[],
        say: &[2, 3],
        leader: 1,
        epochs: 0,
    },
    Row {
        name: "the next member has said that it has none",
        isr: &[1, 2, 3],
        fenced: &[],
        say: &[2, 1],
        leader: 3,
        epochs: 1,
    },
    Row {
        name: "nobody has any: it stays",
        isr: &[1, 2, 3],
        fenced: &[],
        say: &[2, 3, 1, 1],
        leader: 1,
        epochs: 0,
    },
    Row {
        name: "it goes on from one to the next, and does not come back",
        isr: &[1, 2, 3],
        fenced: &[],
        say: &[1, 1, 2, 1, 2, 3, 1, 2, 3],
        leader: 3,
        epochs: 2,
    },
    Row {
        name: "a dead member is not chosen",
        isr: &[1, 2, 3],
        fenced: &[2],
        say: &[1],
        leader: 3,
        epochs: 1,
    },
    Row {
        name: "nobody is chosen out of the ISR",
        isr: &[1, 2],
        fenced: &[],
        say: &[2, 1],
        leader: 1,
        epochs: 0,
    },
];

#[test]
fn who_leads_when_brokers_say_that_they_have_no_room() {
    for row in ROWS {
        let mut world = World::with_brokers(3);
        world.create("t", &[&[1, 2, 3]], &[]);
        if row.isr.len() < 3 {
            world.set_isr("t", 0, row.isr);
        }
        row.fenced.iter().for_each(|broker| world.fence(*broker));
        let (before, partition) = (world.state("t", 0).clone(), world.partition_id("t", 0));
        for broker in row.say {
            world.says(*broker, &[partition]);
        }
        let state = world.state("t", 0);
        assert_eq!(state.leader, Some(BrokerId(row.leader)), "{}", row.name);
        let epochs = state.leader_epoch.0 - before.leader_epoch.0;
        assert_eq!(epochs, row.epochs, "{}", row.name);
        assert_eq!(state.isr, before.isr, "{}", row.name);
        assert_eq!(state.directories, before.directories, "{}", row.name);
    }
}

#[test]
fn a_replica_that_has_room_again_is_chosen_again() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1, 2]], &[]);
    let partition = world.partition_id("t", 0);
    world.says(1, &[partition]);
    assert_eq!(world.state("t", 0).leader, Some(BrokerId(2)));
    assert_eq!(world.state("t", 0).last_change.broker, Some(BrokerId(1)));
    world.says(2, &[partition]);
    assert_eq!(world.state("t", 0).leader, Some(BrokerId(2)));
    world.says(1, &[]);
    world.says(2, &[partition]);
    assert_eq!(world.state("t", 0).leader, Some(BrokerId(1)));
}

#[test]
fn of_what_it_does_not_lead_or_nobody_knows_a_broker_moves_nothing() {
    let mut world = World::with_brokers(3);
    world.create("t", &[&[1, 2]], &[]);
    let before = world.state("t", 0).clone();
    let foreign = TopicIdPartition {
        topic_id: id::<TopicId>(77),
        ..world.partition_id("t", 0)
    };
    let beyond = TopicIdPartition {
        partition: trimaran_types::PartitionIndex(9),
        ..world.partition_id("t", 0)
    };
    let partition = world.partition_id("t", 0);
    world.says(3, &[foreign, beyond, partition]);
    world.says(2, &[foreign, beyond, partition]);
    assert_eq!(world.state("t", 0), &before);
}

#[test]
fn a_full_list_stands_for_every_replica_of_its_broker() {
    let mut lacking = LackingRoom::default();
    let numbered = |number: u32| TopicIdPartition {
        topic_id: id::<TopicId>(5),
        partition: trimaran_types::PartitionIndex(number),
    };
    let many: Vec<_> = (0..)
        .take(REPLICAS_REPORTED_MAX + 1)
        .map(numbered)
        .collect();
    lacking.said(BrokerId(1), &many[1..REPLICAS_REPORTED_MAX]);
    assert!(lacking.has(BrokerId(1), numbered(1)) && !lacking.has(BrokerId(1), numbered(0)));
    lacking.said(BrokerId(1), &many);
    assert!(lacking.has(BrokerId(1), numbered(77_777)));
    assert!(!lacking.has(BrokerId(2), numbered(1)));
    lacking.said(BrokerId(1), &[]);
    assert!(!lacking.has(BrokerId(1), numbered(1)));
}

#[test]
fn many_are_handed_over_part_by_part() {
    let mut world = World::with_brokers(2);
    world.create("t", &[&[1, 2][..]; 4], &[]);
    let all: Vec<_> = (0..4).map(|it| world.partition_id("t", it)).collect();
    let request = HeartbeatRequest {
        replicas_lacking_room: all.clone(),
        ..world.heartbeat_of(1)
    };
    let mut budget = RecordBudget::of_records(3);
    let lacking = LackingRoom::default();
    let changes = changes_for_room(&world.image, &request, &lacking, &mut budget);
    assert_eq!(changes.len(), 3);
    world.says(1, &all);
    for partition in 0..4 {
        let state = world.state("t", partition);
        assert_eq!(state.leader, Some(BrokerId(2)));
        assert_eq!(state.isr, ids(&[1, 2]));
        assert_eq!(state.leader_epoch, LeaderEpoch(1));
    }
}
