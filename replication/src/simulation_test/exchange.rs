//! The network: any message may be lost, and any may be the next to arrive.

use trimaran_types::{BrokerId, LeaderEpoch, MonotonicTime, Offset, PartitionEpoch};

use super::cluster::{Cluster, Mutant, index};
use super::node::{Record, Role, offset, place};
use crate::CommittedState;
use crate::follower::{self, FetchPosition, FetchedRecords, LeaderAnswer, LeaderBounds};
use crate::leader::{
    Action, FetchAnswer, FollowerFetch, IsrAnswer, IsrChange, IsrProposal, Leader,
};

pub(super) enum Message {
    Fetch {
        to: BrokerId,
        asked: FetchPosition,
        fetch: FollowerFetch,
    },
    Answer {
        to: BrokerId,
        asked: FetchPosition,
        answer: LeaderAnswer,
        records: Vec<Record>,
    },
    Alter {
        from: BrokerId,
        proposal: IsrProposal,
        /// Nobody waits for its answer any more.
        is_stray: bool,
    },
    Altered {
        to: BrokerId,
        epoch: LeaderEpoch,
        base: PartitionEpoch,
        answer: IsrAnswer,
        /// The partition when it was answered.
        state: CommittedState,
    },
}

impl Cluster {
    pub(super) fn send_fetch(&mut self, at: usize) {
        let node = &self.nodes[at];
        let Role::Follower(follower, leader) = &node.role else {
            return;
        };
        if node.hangs > 0 {
            return;
        }
        let Some(asked) = follower.next_fetch() else {
            return;
        };
        let lie = self.mutant == Mutant::FollowerReportsUnsyncedRecords;
        let fetch = FollowerFetch {
            replica: node.id,
            broker_epoch: node.broker_epoch,
            leader_epoch: asked.leader_epoch,
            fetch_offset: asked.fetch_offset,
            flushed_end: if lie {
                asked.fetch_offset
            } else {
                asked.flushed_end
            },
            last_fetched_epoch: asked.last_fetched_epoch,
            log_start: asked.log_start,
        };
        self.network.push(Message::Fetch {
            to: *leader,
            asked,
            fetch,
        });
    }

    pub(super) fn drop_message(&mut self) {
        if !self.network.is_empty() {
            let at = self.dice.index(self.network.len());
            // A lost ISR change would stay pending for ever; the broker sends it until answered.
            let is_needed = matches!(
                self.network[at],
                Message::Alter {
                    is_stray: false,
                    ..
                } | Message::Altered { .. }
            );
            if !is_needed {
                self.network.swap_remove(at);
            }
        }
    }

    /// Any message may be the next one to arrive.
    pub(super) fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let at = self.dice.index(self.network.len());
        // The controllers are slow: much may happen before they see a proposal.
        if let Message::Alter { is_stray, .. } = self.network[at]
            && self.dice.below(if is_stray { 24 } else { 8 }) > 0
        {
            return;
        }
        match self.network.swap_remove(at) {
            Message::Fetch { to, asked, fetch } => self.on_fetch(to, asked, &fetch),
            Message::Answer { to, .. } if self.nodes[index(to)].hangs > 0 => {}
            Message::Answer {
                to,
                asked,
                answer,
                records,
            } => {
                self.on_answer(to, &asked, &answer, records);
            }
            Message::Alter {
                from,
                proposal,
                is_stray,
            } => self.on_alter(from, proposal, is_stray),
            Message::Altered {
                to,
                epoch,
                base,
                answer,
                state,
            } => {
                if self.mutant == Mutant::BelieveIsrAnswers && answer == IsrAnswer::Committed {
                    self.with_leader(to, epoch, |leader, now, actions| {
                        leader.state_committed(now, state, actions);
                    });
                } else {
                    self.tell_answer(to, epoch, base, answer);
                }
            }
        }
    }

    /// An attempt is answered; or it is held up somewhere, and another one is sent. What holds it up
    /// may be what stops the broker that was to join, too.
    fn on_alter(&mut self, from: BrokerId, proposal: IsrProposal, is_stray: bool) {
        let (epoch, base) = (proposal.leader_epoch, proposal.partition_epoch);
        if is_stray {
            self.quorum.alter(from, &proposal);
        } else if self.dice.below(6) == 0 {
            if self.mutant != Mutant::ForgetUnansweredAttempts {
                self.tell_answer(from, epoch, base, IsrAnswer::Unanswered);
            }
            if let IsrChange::Expand(joining) = proposal.change
                && !self.heals
                && self.dice.below(2) == 0
            {
                self.nodes[index(joining)].hangs = self.dice.below(300);
                self.quorum.fence(joining);
            }
            for is_stray in [false, true] {
                let proposal = proposal.clone();
                self.network.push(Message::Alter {
                    from,
                    proposal,
                    is_stray,
                });
            }
        } else {
            let answer = self.quorum.alter(from, &proposal);
            self.network.push(Message::Altered {
                to: from,
                epoch,
                base,
                answer,
                state: self.quorum.state.clone(),
            });
        }
    }

    fn tell_answer(
        &mut self,
        to: BrokerId,
        epoch: LeaderEpoch,
        base: PartitionEpoch,
        answer: IsrAnswer,
    ) {
        self.with_leader(to, epoch, |leader, now, actions| {
            leader.isr_answered(now, base, answer, actions);
        });
    }

    /// Has the broker act, if it leads in this epoch.
    fn with_leader(
        &mut self,
        id: BrokerId,
        epoch: LeaderEpoch,
        act: impl FnOnce(&mut Leader, MonotonicTime, &mut Vec<Action>),
    ) {
        let (now, at) = (self.now, index(id));
        let mut actions = Vec::new();
        if let Role::Leader(leader) = &mut self.nodes[at].role
            && leader.leader_epoch() == epoch
        {
            act(leader, now, &mut actions);
        }
        self.carry_out(at, actions);
    }

    fn on_fetch(&mut self, to: BrokerId, asked: FetchPosition, fetch: &FollowerFetch) {
        let (now, at) = (self.now, index(to));
        let mut node = std::mem::replace(&mut self.nodes[at].role, Role::IDLE);
        let mut actions = Vec::new();
        if let Role::Leader(leader) = &mut node {
            let host = &self.nodes[at];
            let answer = leader.fetched(now, fetch, |epoch| host.end_of(epoch), &mut actions);
            let high_watermark = leader.high_watermark();
            let bounds = LeaderBounds {
                log_start: Offset(0),
                high_watermark,
            };
            let mut records = Vec::new();
            let answer = match answer {
                FetchAnswer::Read { from, before } => {
                    let counted = &mut self.nodes[at].counted;
                    counted.insert(fetch.replica, *fetch);
                    let host = &self.nodes[at];
                    let end = place(before).min(place(from) + 3);
                    records.extend_from_slice(&host.log[place(from)..end]);
                    let head = records.last().map(|record| FetchedRecords {
                        base_offset: from,
                        last_epoch: record.0,
                    });
                    LeaderAnswer::Records {
                        bounds,
                        records: head,
                    }
                }
                FetchAnswer::Diverging { epoch, end } => LeaderAnswer::Diverging { epoch, end },
                FetchAnswer::Refused(error) => LeaderAnswer::Refused { error, bounds },
            };
            self.network.push(Message::Answer {
                to: fetch.replica,
                asked,
                answer,
                records,
            });
        }
        self.nodes[at].role = node;
        self.carry_out(at, actions);
    }

    fn on_answer(
        &mut self,
        to: BrokerId,
        asked: &FetchPosition,
        answer: &LeaderAnswer,
        records: Vec<Record>,
    ) {
        let node = &mut self.nodes[index(to)];
        let mut role = std::mem::replace(&mut node.role, Role::IDLE);
        if let Role::Follower(follower, _) = &mut role {
            for action in follower.fetched(asked, answer, |epoch| node.end_of(epoch)) {
                match action {
                    follower::Action::Append => {
                        records.iter().for_each(|record| node.write(*record));
                        let _ = follower.appended(offset(node.log.len()), node.last_epoch());
                    }
                    follower::Action::TruncateTo { to: end, .. }
                    | follower::Action::StartAt { at: end } => {
                        node.cut(end);
                        follower.truncated(node.positions(), node.last_epoch());
                    }
                    _ => {}
                }
            }
        }
        node.role = role;
    }
}
