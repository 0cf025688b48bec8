//! One broker with one replica: a disk that knows what is synced, and a role.

use std::collections::BTreeMap;

use trimaran_types::{BrokerEpoch, BrokerId, LeaderEpoch, Offset};

use crate::LogPositions;
use crate::follower::Follower;
use crate::leader::{FollowerFetch, Leader, Suspended};

pub(super) enum Role {
    /// No leader is known; appends may wait for this replica to lead again.
    Idle(Option<Suspended>),
    Leader(Box<Leader>),
    Follower(Follower, BrokerId),
}

impl Role {
    pub(super) const IDLE: Self = Self::Idle(None);
}

/// A record: the epoch that wrote it and a value that no other record has.
pub(super) type Record = (LeaderEpoch, u64);

pub(super) struct Node {
    pub(super) id: BrokerId,
    pub(super) alive: bool,
    /// For how many steps it neither fetches nor syncs.
    pub(super) hangs: u64,
    pub(super) broker_epoch: BrokerEpoch,
    pub(super) role: Role,
    pub(super) log: Vec<Record>,
    pub(super) flushed: usize,
    /// The leader-epoch checkpoint: where each epoch begins.
    pub(super) epochs: Vec<(LeaderEpoch, Offset)>,
    pub(super) checkpointed_high_watermark: Offset,
    /// The last fetch that it has counted of each follower; only a mutant looks at them.
    pub(super) counted: BTreeMap<BrokerId, FollowerFetch>,
}

pub(super) fn offset(place: usize) -> Offset {
    Offset(i64::try_from(place).unwrap())
}

pub(super) fn place(offset: Offset) -> usize {
    usize::try_from(offset.0).unwrap()
}

impl Node {
    pub(super) fn new(id: BrokerId) -> Self {
        Self {
            id,
            alive: true,
            hangs: 0,
            broker_epoch: BrokerEpoch(u64::from(id.0)),
            role: Role::IDLE,
            log: Vec::new(),
            flushed: 0,
            epochs: Vec::new(),
            checkpointed_high_watermark: Offset(0),
            counted: BTreeMap::new(),
        }
    }

    pub(super) fn positions(&self) -> LogPositions {
        LogPositions {
            log_start: Offset(0),
            flushed_end: offset(self.flushed),
            log_end: offset(self.log.len()),
        }
    }

    pub(super) fn high_watermark(&self) -> Offset {
        match &self.role {
            Role::Idle(_) => self.checkpointed_high_watermark,
            Role::Leader(leader) => leader.high_watermark(),
            Role::Follower(follower, _) => follower.high_watermark(),
        }
    }

    /// The epoch this node acts in, and whether it leads.
    pub(super) fn epoch(&self) -> Option<LeaderEpoch> {
        match &self.role {
            Role::Idle(_) => None,
            Role::Leader(leader) => Some(leader.leader_epoch()),
            Role::Follower(follower, _) => Some(follower.leader_epoch()),
        }
    }

    pub(super) fn last_epoch(&self) -> Option<LeaderEpoch> {
        self.log.last().map(|record| record.0)
    }

    /// KIP-101, KIP-279, `endOffsetFor`.
    pub(super) fn end_of(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let above = self.epochs.partition_point(|entry| entry.0 <= epoch);
        if above == self.epochs.len() {
            let latest = self.epochs.last()?;
            return (latest.0 == epoch).then_some((epoch, offset(self.log.len())));
        }
        let end = self.epochs[above].1;
        Some(if above == 0 {
            (epoch, end)
        } else {
            (self.epochs[above - 1].0, end)
        })
    }

    pub(super) fn assign_epoch(&mut self, epoch: LeaderEpoch, start: Offset) {
        self.epochs
            .retain(|entry| entry.0 < epoch && entry.1 < start);
        self.epochs.push((epoch, start));
    }

    pub(super) fn write(&mut self, record: Record) {
        if self.epochs.last().map(|entry| entry.0) != Some(record.0) {
            self.assign_epoch(record.0, offset(self.log.len()));
        }
        self.log.push(record);
    }

    pub(super) fn cut(&mut self, end: Offset) {
        self.log.truncate(place(end));
        self.flushed = self.flushed.min(self.log.len());
        let end = offset(self.log.len());
        self.epochs.retain(|entry| entry.1 < end);
    }

    /// Power is lost: what was not synced is gone.
    pub(super) fn crash(&mut self) {
        self.alive = false;
        self.role = Role::IDLE;
        self.cut(offset(self.flushed));
        self.checkpointed_high_watermark =
            self.checkpointed_high_watermark.min(offset(self.log.len()));
    }

    /// The log was found damaged and is set aside; what takes its place is empty. The broker goes on
    /// under the same registration.
    pub(super) fn begin_anew(&mut self) {
        let (broker_epoch, id) = (self.broker_epoch, self.id);
        *self = Self::new(id);
        self.broker_epoch = broker_epoch;
    }
}
