//! The whole cluster: one step is one thing that may happen.

use std::collections::BTreeMap;

use trimaran_types::{BrokerId, KafkaError, LeaderEpoch, MonotonicTime, Offset};

use super::dice::Dice;
use super::exchange::Message;
use super::node::{Node, Role, offset, place};
use super::quorum::Quorum;
use crate::Durability;
use crate::leader::{Appended, LeaderSettings, WaiterId};

/// A deliberately broken build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    None,
    FollowerReportsUnsyncedRecords,
    TruncateToHighWatermark,
    IgnoreBrokerEpochs,
    ElectAnyReplica,
    /// A leader takes an ISR from the answer, before the metadata log brings what was decided
    /// before it.
    BelieveIsrAnswers,
    /// A leader does not hear that an attempt had no answer.
    ForgetUnansweredAttempts,
    KeepTheEpochOfADamagedReplica,
    KeepPositionsAcrossEpochs,
}

pub(super) const fn settings(min_isr: usize) -> LeaderSettings {
    LeaderSettings {
        min_isr,
        durability: Durability::Synced,
        lag_time_max_ms: 50,
        lag_bytes_max: 1_000,
    }
}

pub(super) struct Cluster {
    pub(super) dice: Dice,
    pub(super) mutant: Mutant,
    pub(super) now: MonotonicTime,
    pub(super) quorum: Quorum,
    pub(super) nodes: Vec<Node>,
    pub(super) network: Vec<Message>,
    /// For how many steps no broker hears from the metadata log.
    pub(super) feed_stands: u64,
    /// No fault happens any more.
    pub(super) heals: bool,
    next_value: u64,
    pub(super) waiting: BTreeMap<WaiterId, u64>,
    pub(super) acknowledged: BTreeMap<Offset, u64>,
    /// A leader that hears nothing from the controllers for so many steps, and leads again then.
    pub(super) deaf: Option<(usize, u64)>,
    /// Appends that have outlived their leadership, or a time without any.
    pub(super) kept: u64,
    /// The highest high watermark of each leadership.
    high_watermarks: BTreeMap<LeaderEpoch, Offset>,
}

impl Cluster {
    pub(super) fn new(seed: u64, mutant: Mutant) -> Self {
        let mut quorum = Quorum::new();
        quorum.checks_broker_epochs = mutant != Mutant::IgnoreBrokerEpochs;
        quorum.elects_any = mutant == Mutant::ElectAnyReplica;
        quorum.begins_epochs_for_the_damaged = mutant != Mutant::KeepTheEpochOfADamagedReplica;
        let mut cluster = Self {
            dice: Dice::new(seed),
            mutant,
            now: MonotonicTime(1),
            quorum,
            nodes: (1..=3).map(|id| Node::new(BrokerId(id))).collect(),
            network: Vec::new(),
            feed_stands: 0,
            heals: false,
            next_value: 0,
            waiting: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            deaf: None,
            kept: 0,
            high_watermarks: BTreeMap::new(),
        };
        (0..3).for_each(|at| cluster.learn(at));
        cluster
    }

    pub(super) fn acknowledged(&self) -> u64 {
        u64::try_from(self.acknowledged.len()).unwrap()
    }

    pub(super) const fn kept(&self) -> u64 {
        self.kept
    }

    pub(super) const fn elections(&self) -> u64 {
        self.quorum.elections
    }

    pub(super) fn fingerprint(&self) -> (Vec<(Offset, u64)>, Vec<usize>, u64) {
        let acknowledged = self
            .acknowledged
            .iter()
            .map(|(at, value)| (*at, *value))
            .collect();
        let ends = self.nodes.iter().map(|node| node.log.len()).collect();
        (acknowledged, ends, self.quorum.elections)
    }

    /// One thing happens, a fault now and then.
    pub(super) fn step(&mut self) -> Result<(), String> {
        self.hear_again();
        let at = self.dice.index(3);
        self.feed_stands = self.feed_stands.saturating_sub(1);
        for node in &mut self.nodes {
            node.hangs = node.hangs.saturating_sub(1);
        }
        match self.dice.below(1_000) {
            0..=99 => self.append(at),
            100..=249 => self.flush(at),
            250..=449 => self.send_fetch(at),
            450..=826 => self.deliver(),
            827 => self.damage(at),
            828..=829 => self.lead_elsewhere_for_a_while(),
            830..=849 => self.unfence(at),
            850..=869 => self.drop_message(),
            870..=939 => self.learn(at),
            940..=959 => self.tick(at),
            960..=966 => {
                let node = &mut self.nodes[at];
                node.checkpointed_high_watermark = node.high_watermark();
            }
            967..=969 => self.crash(at),
            970..=973 => {
                self.crash(at);
                self.restart(at);
            }
            974..=975 => self.quorum.fence(self.nodes[at].id),
            976..=979 => self.hang(at),
            980..=985 => self.unfence(at),
            986..=988 => self.quorum.move_leader(),
            989..=991 => {
                let min_isr = 1 + self.dice.index(2);
                self.quorum.set_min_isr(min_isr);
            }
            992..=993 => self.feed_stands = self.dice.below(200),
            _ => self.restart(at),
        }
        self.verify()
    }

    /// No more faults: everything must converge.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        self.feed_stands = 0;
        self.heals = true;
        self.deaf = None;
        self.nodes.iter_mut().for_each(|node| node.hangs = 0);
        for at in 0..3 {
            self.restart(at);
            self.unfence(at);
        }
        for round in 0..60 {
            for at in 0..3 {
                self.learn(at);
                self.flush(at);
                self.send_fetch(at);
                self.tick(at);
            }
            if round == 5 {
                (0..3).for_each(|at| self.append(at));
            }
            for _ in 0..20 {
                self.deliver();
                self.verify()?;
            }
        }
        let first = &self.nodes[0];
        let end = offset(first.log.len());
        for node in &self.nodes {
            if node.log != first.log || node.high_watermark() != end {
                let at = node.high_watermark();
                return Err(format!(
                    "broker {} did not converge: {at} of {end}",
                    node.id
                ));
            }
        }
        if self.quorum.state.isr.len() != 3 {
            return Err(format!("isr {:?} did not heal", self.quorum.state.isr));
        }
        Ok(())
    }

    fn append(&mut self, at: usize) {
        let (value, now) = (self.next_value, self.now);
        let node = &mut self.nodes[at];
        let Role::Leader(leader) = &mut node.role else {
            return;
        };
        if leader.admit(true).is_err() {
            return;
        }
        self.next_value += 1;
        let base_offset = offset(node.log.len());
        let appended = Appended {
            waiter: WaiterId(value),
            deadline: Some(now.plus_ms(100)),
            base_offset,
            end: base_offset.next(),
            bytes: 100,
        };
        let mut actions = Vec::new();
        leader.appended(now, appended, &mut actions);
        let epoch = leader.leader_epoch();
        node.write((epoch, value));
        self.waiting.insert(WaiterId(value), value);
        self.carry_out(at, actions);
    }

    fn flush(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        if !node.alive || node.hangs > 0 {
            return;
        }
        node.flushed = node.log.len();
        let end = offset(node.flushed);
        let mut actions = Vec::new();
        match &mut node.role {
            Role::Idle(_) => {}
            Role::Leader(leader) => leader.flushed(now, end, &mut actions),
            Role::Follower(follower, _) => follower.flushed(end),
        }
        self.carry_out(at, actions);
    }

    fn tick(&mut self, at: usize) {
        let longest = if self.dice.below(8) == 0 { 100 } else { 20 };
        self.now = self.now.plus_ms(self.dice.below(longest));
        let now = self.now;
        let mut actions = Vec::new();
        match &mut self.nodes[at].role {
            Role::Leader(leader) => leader.tick(now, &mut actions),
            Role::Idle(Some(suspended)) => suspended.tick(now, &mut actions),
            Role::Idle(None) | Role::Follower(..) => {}
        }
        self.carry_out(at, actions);
    }

    /// Another replica leads in between, and the leader does not hear of it before it leads again.
    fn lead_elsewhere_for_a_while(&mut self) {
        if let (Some(leader), None) = (self.quorum.leader, self.deaf) {
            self.deaf = Some((index(leader), 5 + self.dice.below(60)));
            self.quorum.move_leader();
            (0..3).for_each(|at| self.learn(at));
        }
    }

    fn hear_again(&mut self) {
        let Some((at, steps_left)) = self.deaf else {
            return;
        };
        self.deaf = steps_left.checked_sub(1).map(|left| (at, left));
        if self.deaf.is_none() {
            self.quorum.move_leader_to(self.nodes[at].id);
            self.learn(at);
        }
    }

    /// A replica is found damaged while its broker lives. The last one that holds everything is kept
    /// as it is.
    fn damage(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if !node.alive || !self.quorum.give_up(node.id) {
            return;
        }
        let actions = match std::mem::replace(&mut node.role, Role::IDLE) {
            Role::Leader(leader) => leader.depose(),
            Role::Idle(Some(suspended)) => suspended.end_with(KafkaError::KafkaStorageError),
            Role::Idle(None) | Role::Follower(..) => Vec::new(),
        };
        node.begin_anew();
        self.carry_out(at, actions);
    }

    fn crash(&mut self, at: usize) {
        // With every broker down there is nothing to see; the runs are short.
        if self.nodes.iter().filter(|node| node.alive).count() > 1 {
            self.nodes[at].crash();
        }
    }

    /// Its fetcher and its disk stand still for a while, and sometimes its heartbeats with them.
    fn hang(&mut self, at: usize) {
        self.nodes[at].hangs = self.dice.below(300);
        if self.dice.below(2) == 0 {
            self.quorum.fence(self.nodes[at].id);
        }
    }

    /// The controllers hear of the broker again: it was only cut off.
    fn unfence(&mut self, at: usize) {
        if self.nodes[at].alive {
            self.quorum.unfence(self.nodes[at].id);
        }
    }

    fn restart(&mut self, at: usize) {
        let wiped = self.dice.below(4) == 0;
        let node = &mut self.nodes[at];
        if !node.alive {
            // The last one that holds everything comes back with its disk, or not at all.
            let wiped = wiped && self.quorum.can_spare(node.id);
            if wiped {
                let (id, broker_epoch) = (node.id, node.broker_epoch);
                *node = Node::new(id);
                node.broker_epoch = broker_epoch;
            }
            node.alive = true;
            node.broker_epoch = self.quorum.register(node.id, wiped);
        }
    }

    fn verify(&mut self) -> Result<(), String> {
        for node in &self.nodes {
            let Role::Leader(leader) = &node.role else {
                continue;
            };
            let (epoch, high_watermark) = (leader.leader_epoch(), leader.high_watermark());
            let highest = self.high_watermarks.entry(epoch).or_insert(high_watermark);
            if high_watermark < *highest {
                return Err(format!("high watermark of epoch {epoch} went back"));
            }
            *highest = high_watermark;
            if epoch != self.quorum.state.leader_epoch || self.quorum.leader != Some(node.id) {
                continue;
            }
            for member in &self.quorum.state.isr {
                let end = place(high_watermark);
                if self.nodes[index(*member)].log.get(..end) != node.log.get(..end) {
                    return Err(format!("{member} is in sync and lacks what {end} promises"));
                }
            }
        }
        for id in self.quorum.may_lead() {
            let node = &self.nodes[index(id)];
            for (at, value) in &self.acknowledged {
                if node.log.get(place(*at)).map(|record| record.1) != Some(*value) {
                    return Err(format!("broker {id} may lead and lacks offset {at}"));
                }
            }
        }
        for (at, one) in self.nodes.iter().enumerate() {
            for other in &self.nodes[at + 1..] {
                let end = place(one.high_watermark().min(other.high_watermark()));
                if one.log.get(..end) != other.log.get(..end) {
                    return Err(format!("{} and {} differ below {end}", one.id, other.id));
                }
            }
        }
        Ok(())
    }
}

pub(super) fn index(id: BrokerId) -> usize {
    usize::try_from(id.0).unwrap() - 1
}
