//! Every rung of the ladder, and everyone who must not climb it.

use trimaran_types::BrokerId;

use super::*;
use crate::decide::world::{World, id, ids};

/// What an election is held over: replicas are 1, 2 and 3, and 1 leads.
#[derive(Default)]
struct Case {
    fenced: Vec<u32>,
    disk_replaced: Vec<u32>,
    isr: Vec<u32>,
    eligible: Vec<u32>,
    last_known: Option<u32>,
    damaged: Option<u32>,
    unclean_allowed: bool,
}

impl Case {
    fn run(self) -> Elected {
        let mut world = World::with_brokers(3);
        world.create("t", &[&[1, 2, 3]], &[]);
        let state = world.state("t", 0).clone();
        for broker in self.disk_replaced {
            let mut request = world.request(broker);
            request.directories = vec![id(70 + broker)];
            world.register(&request);
            world.unfence(broker);
        }
        for broker in self.fenced {
            world.fence(broker);
        }
        Election {
            brokers: &world.image.brokers,
            state: &state,
            isr: &ids(&self.isr),
            eligible: &ids(&self.eligible),
            last_known: self.last_known.map(BrokerId),
            damaged: self.damaged.map(BrokerId),
            wanted: None,
            unclean_allowed: self.unclean_allowed,
        }
        .run()
    }
}

#[test]
fn the_present_leader_stays_if_it_may() {
    let case = |fenced: &[u32], isr: &[u32]| {
        Case {
            fenced: fenced.to_vec(),
            isr: isr.to_vec(),
            ..Case::default()
        }
        .run()
    };
    assert_eq!(case(&[], &[3, 2, 1]), Elected::FromIsr(BrokerId(1)));
    assert_eq!(case(&[1], &[3, 2]), Elected::FromIsr(BrokerId(2)));
    assert_eq!(case(&[1, 2], &[3, 2, 1]), Elected::FromIsr(BrokerId(3)));
}

#[test]
fn eligible_replicas_lead_only_when_the_isr_is_empty() {
    let case = |isr: &[u32]| {
        Case {
            fenced: vec![1, 2],
            isr: isr.to_vec(),
            eligible: vec![2, 3],
            ..Case::default()
        }
        .run()
    };
    assert_eq!(case(&[]), Elected::FromEligible(BrokerId(3)));
    assert_eq!(
        case(&[1]),
        Elected::Nobody,
        "1 is in the ISR and holds what 3 may lack"
    );
}

#[test]
fn the_last_leader_leads_when_nobody_is_eligible_and_it_lives() {
    let case = |fenced: &[u32], eligible: &[u32], last: u32| {
        let (fenced, eligible) = (fenced.to_vec(), eligible.to_vec());
        Case {
            fenced,
            eligible,
            last_known: Some(last),
            ..Case::default()
        }
        .run()
    };
    assert_eq!(case(&[], &[], 2), Elected::LastKnown(BrokerId(2)));
    // KAFKA-19522: an inverted test in Kafka elected the dead.
    assert_eq!(case(&[2], &[], 2), Elected::Nobody);
    assert_eq!(
        case(&[3], &[3], 2),
        Elected::Nobody,
        "3 holds everything and may come back"
    );
    assert_eq!(case(&[], &[], 9), Elected::Nobody, "9 hosts no replica");
}

#[test]
fn unclean_election_takes_the_first_active_replica_and_only_when_allowed() {
    let case = |fenced: &[u32], unclean_allowed| {
        Case {
            fenced: fenced.to_vec(),
            unclean_allowed,
            ..Case::default()
        }
        .run()
    };
    assert_eq!(case(&[], false), Elected::Nobody);
    assert_eq!(case(&[], true), Elected::Uncleanly(BrokerId(1)));
    assert_eq!(case(&[1], true), Elected::Uncleanly(BrokerId(2)));
    assert_eq!(case(&[1, 2, 3], true), Elected::Nobody);
}

#[test]
fn a_replaced_disk_leads_nothing_but_uncleanly_and_last() {
    let case = |disk_replaced: &[u32]| Case {
        disk_replaced: disk_replaced.to_vec(),
        ..Case::default()
    };
    let isr = vec![1, 2];
    assert_eq!(
        Case { isr, ..case(&[1]) }.run(),
        Elected::FromIsr(BrokerId(2))
    );
    let eligible = vec![1];
    assert_eq!(
        Case {
            eligible,
            ..case(&[1])
        }
        .run(),
        Elected::Nobody
    );
    let last_known = Some(1);
    assert_eq!(
        Case {
            last_known,
            ..case(&[1])
        }
        .run(),
        Elected::Nobody
    );
    let unclean_allowed = true;
    let unclean = |replaced: &[u32]| {
        Case {
            unclean_allowed,
            ..case(replaced)
        }
        .run()
    };
    assert_eq!(unclean(&[1]), Elected::Uncleanly(BrokerId(2)));
    assert_eq!(unclean(&[1, 2, 3]), Elected::Uncleanly(BrokerId(1)));
}

#[test]
fn a_damaged_replica_leads_on_no_ground_at_all() {
    let case = |isr: &[u32], eligible: &[u32], last_known, unclean_allowed| {
        Case {
            isr: isr.to_vec(),
            eligible: eligible.to_vec(),
            last_known,
            damaged: Some(1),
            unclean_allowed,
            fenced: vec![3],
            ..Case::default()
        }
        .run()
    };
    assert_eq!(
        case(&[1, 2], &[], None, false),
        Elected::FromIsr(BrokerId(2))
    );
    assert_eq!(case(&[], &[1], None, false), Elected::Nobody);
    assert_eq!(case(&[], &[], Some(1), false), Elected::Nobody);
    assert_eq!(
        case(&[], &[], Some(1), true),
        Elected::Uncleanly(BrokerId(2))
    );
    let alone = Case {
        damaged: Some(1),
        fenced: vec![2, 3],
        unclean_allowed: true,
        ..Case::default()
    };
    assert_eq!(alone.run(), Elected::Nobody);
}
