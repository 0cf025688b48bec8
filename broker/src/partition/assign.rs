//! The metadata has changed: lead, follow, or wait.

use trimaran_commit_log::LogConfig;
use trimaran_replication::follower::Follower;
use trimaran_replication::leader::{Action, Leader, LeaderSettings, LeaderStart, Suspended};
use trimaran_types::{BrokerId, KafkaError, LeaderEpoch};

use super::owner::Owner;
use super::role::Role;
use super::{AssignedRole, Assignment};

impl Owner {
    /// Takes on what a newer state asks for. An older state never replaces a newer one.
    pub(super) fn assign(&mut self, assignment: Assignment) {
        let Assignment {
            role,
            state,
            peers,
            settings,
        } = assignment;
        if matches!(self.role, Role::Failed) {
            return;
        }
        self.apply_settings(settings);
        let leader_settings = LeaderSettings {
            min_isr: self.settings.min_isr,
            durability: self.settings.durability(),
            lag_time_max_ms: self.lag_time_max_ms,
            lag_bytes_max: self.lag_bytes_max,
        };
        let now = self.now();
        let mut actions = Vec::new();
        let same_epoch = self.role.leader_epoch() == Some(state.leader_epoch);
        let is_old = Some(state.partition_epoch) < self.partition_epoch;
        match (role, &mut self.role) {
            (AssignedRole::Leader, Role::Leader(leader)) if same_epoch || is_old => {
                leader.settings_changed(now, leader_settings, &mut actions);
                leader.peers_changed(now, peers, &mut actions);
                leader.state_committed(now, state.clone(), &mut actions);
            }
            (_, _) if is_old => return,
            (AssignedRole::Follower { .. }, Role::Follower(_)) if same_epoch => {}
            (AssignedRole::Leader, _) => {
                let start = LeaderStart {
                    own: self.own,
                    committed: state.clone(),
                    settings: leader_settings,
                    peers,
                    positions: self.positions(),
                    high_watermark: self.known_high_watermark(),
                };
                actions = self.begin_to_lead(start);
            }
            (AssignedRole::Follower { leader }, _) => {
                self.end_role(KafkaError::NotLeaderOrFollower);
                self.begin_to_follow(state.leader_epoch, leader);
            }
            (AssignedRole::Idle, Role::Idle(_)) => {}
            (AssignedRole::Idle, _) => self.begin_to_wait_for_a_leader(state.leader_epoch),
        }
        self.partition_epoch = self.partition_epoch.max(Some(state.partition_epoch));
        self.carry_out(actions);
        self.answer_trims();
        self.publish();
        // Followers that wait may be answered differently now, or join.
        self.seats.wake_all();
        self.flush_if_due();
    }

    /// Leads; where this replica led before, the appends that wait go on waiting.
    fn begin_to_lead(&mut self, start: LeaderStart) -> Vec<Action> {
        let now = self.now();
        let (leader, first) = match self.lay_role_down() {
            Some(before) => before.resume(now, start),
            None => Leader::start(now, start),
        };
        tracing::info!(
            partition = %self.name, leader_epoch = %leader.leader_epoch(), isr = ?leader.isr(),
            log_end = %self.log.log_end(), high_watermark = %leader.high_watermark(),
            waiting = leader.waiting(),
            "leading"
        );
        self.role = Role::Leader(Box::new(leader));
        first
    }

    /// Nobody leads. What this replica led may yet be acknowledged, by itself, if it is elected
    /// again: its log stays as it is until then.
    fn begin_to_wait_for_a_leader(&mut self, leader_epoch: LeaderEpoch) {
        let suspended = self.lay_role_down();
        let waiting = suspended.as_ref().map_or(0, Suspended::waiting);
        tracing::info!(partition = %self.name, %leader_epoch, waiting, "no leader");
        self.role = Role::Idle(suspended);
    }

    fn begin_to_follow(&mut self, leader_epoch: LeaderEpoch, leader: BrokerId) {
        let follower = Follower::start(
            leader_epoch,
            self.positions(),
            self.last_epoch(),
            self.high_watermark,
        );
        tracing::info!(
            partition = %self.name, %leader_epoch, %leader,
            log_end = %self.log.log_end(), high_watermark = %follower.high_watermark(),
            "following"
        );
        self.role = Role::Follower(Box::new(follower));
        self.keep_start_durable();
    }

    /// What the log cannot take on stays as it was, until the next assignment. How many replicas
    /// must hold a record, and on what, is taken on in any case: the controllers go by it when they
    /// elect (P-ACKED).
    fn apply_settings(&mut self, mut settings: super::TopicSettings) {
        if settings == self.settings {
            return;
        }
        if settings.log.compacted
            && let Err(error) = self.log.allow_gaps()
        {
            tracing::error!(partition = %self.name, %error, "the log cannot be compacted");
            settings.log.compacted = self.settings.log.compacted;
        }
        if let Err(error) = self.log.set_config(settings.log.clone()) {
            tracing::error!(partition = %self.name, %error, "the topic's settings are not usable");
            settings.log = LogConfig {
                flush_messages: settings.log.flush_messages,
                ..self.settings.log.clone()
            };
        }
        if settings.bounded != self.settings.bounded {
            settings.tell_bounded(&self.name);
        }
        self.settings = settings;
    }
}
