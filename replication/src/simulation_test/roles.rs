//! A node hears of another state of the partition, and carries out what its role decides.

use trimaran_types::LeaderEpoch;

use super::cluster::{Cluster, Mutant, settings};
use super::exchange::Message;
use super::node::{Node, Role};
use crate::follower::Follower;
use crate::leader::{Action, FollowerFetch, Leader, LeaderStart, Suspended};

impl Cluster {
    /// The node hears what the controllers have committed so far.
    pub(super) fn learn(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if !node.alive || self.feed_stands > 0 || self.deaf.is_some_and(|(deaf, _)| deaf == at) {
            return;
        }
        let (state, now) = (self.quorum.state.clone(), self.now);
        let mut actions = Vec::new();
        if node.epoch() == Some(state.leader_epoch) && self.quorum.leader.is_some() {
            if let Role::Leader(leader) = &mut node.role {
                let settings = settings(self.quorum.min_isr);
                leader.settings_changed(now, settings, &mut actions);
                leader.peers_changed(now, self.quorum.peers.clone(), &mut actions);
                leader.state_committed(now, state, &mut actions);
            }
        } else {
            actions = self.take_up(at);
        }
        self.carry_out(at, actions);
    }

    /// Lays the old role down and takes up the one that the state asks for.
    fn take_up(&mut self, at: usize) -> Vec<Action> {
        let (state, leader) = (self.quorum.state.clone(), self.quorum.leader);
        let (now, mutant, node) = (self.now, self.mutant, &mut self.nodes[at]);
        let (id, epoch) = (node.id, state.leader_epoch);
        let high_watermark = node.high_watermark();
        let suspended = match std::mem::replace(&mut node.role, Role::IDLE) {
            Role::Leader(leader) => Some(leader.suspend()),
            Role::Idle(suspended) => suspended,
            Role::Follower(..) => None,
        };
        node.checkpointed_high_watermark = high_watermark;
        match leader {
            None => {
                node.role = Role::Idle(suspended);
                Vec::new()
            }
            Some(leader) if leader == id => {
                node.assign_epoch(epoch, node.positions().log_end);
                let start = LeaderStart {
                    own: id,
                    committed: state,
                    settings: settings(self.quorum.min_isr),
                    peers: self.quorum.peers.clone(),
                    positions: node.positions(),
                    high_watermark,
                };
                let (mut leader, mut actions) = begin(now, suspended, start, &mut self.kept);
                if mutant == Mutant::KeepPositionsAcrossEpochs {
                    believe_old_positions(&mut leader, node, epoch, &mut actions);
                }
                node.counted.clear();
                node.role = Role::Leader(Box::new(leader));
                actions
            }
            Some(leader) => {
                // What Kafka did before KIP-101.
                if mutant == Mutant::TruncateToHighWatermark {
                    node.cut(high_watermark);
                }
                // An epoch that this node led without writing is forgotten: records of older
                // epochs may follow now.
                let positions = node.positions();
                node.cut(positions.log_end);
                let last = node.last_epoch();
                let follower = Follower::start(epoch, positions, last, high_watermark);
                node.role = Role::Follower(follower, leader);
                let error = trimaran_types::KafkaError::NotLeaderOrFollower;
                suspended.map_or_else(Vec::new, |suspended| suspended.end_with(error))
            }
        }
    }

    pub(super) fn carry_out(&mut self, at: usize, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::AdvanceHighWatermark { .. } => {}
                Action::Acknowledge {
                    waiter,
                    base_offset,
                } => {
                    let value = self.waiting.remove(&waiter).expect("answered once");
                    let before = self.acknowledged.insert(base_offset, value);
                    assert_eq!(before, None, "two acknowledgements for one offset");
                }
                Action::Refuse { waiter, .. } => {
                    self.waiting.remove(&waiter).expect("answered once");
                }
                Action::ProposeIsr(proposal) => {
                    self.network.push(Message::Alter {
                        from: self.nodes[at].id,
                        proposal,
                        is_stray: false,
                    });
                }
            }
        }
    }
}

fn begin(
    now: trimaran_types::MonotonicTime,
    suspended: Option<Suspended>,
    start: LeaderStart,
    kept: &mut u64,
) -> (Leader, Vec<Action>) {
    match suspended {
        Some(suspended) => {
            *kept += u64::try_from(suspended.waiting()).unwrap();
            suspended.resume(now, start)
        }
        None => Leader::start(now, start),
    }
}

/// The leader takes what its followers told in an earlier epoch for what they tell now.
fn believe_old_positions(
    leader: &mut Leader,
    node: &Node,
    leader_epoch: LeaderEpoch,
    actions: &mut Vec<Action>,
) {
    for told in node.counted.values() {
        let fetch = FollowerFetch {
            leader_epoch,
            last_fetched_epoch: None,
            ..*told
        };
        let now = trimaran_types::MonotonicTime(0);
        leader.fetched(now, &fetch, |_| None, actions);
    }
}
