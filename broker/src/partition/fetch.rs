//! A follower's fetch, at the leader.

use trimaran_replication::leader::FetchAnswer;
use trimaran_types::KafkaError;

use super::event::{FetchReply, FollowerRequest};
use super::leader_history::end_of;
use super::owner::Owner;
use super::role::Role;

impl Owner {
    /// Counts the follower's position and says what it may read; when there is nothing, its fetch
    /// is parked until there is.
    pub(super) fn follower_fetch(&mut self, request: FollowerRequest) {
        let FollowerRequest {
            fetch,
            waiter,
            reply,
        } = request;
        let now = self.now();
        let mut actions = Vec::new();
        let own_epoch = self.role.leader_epoch();
        let answer = match &mut self.role {
            Role::Leader(leader) => {
                let (epochs, log_end) = (self.log.epochs(), self.log.log_end());
                let epoch = leader.leader_epoch();
                let lookup = |asked| end_of(epochs, log_end, epoch, asked);
                let answer = leader.fetched(now, &fetch, lookup, &mut actions);
                if let FetchAnswer::Read { from, before } = answer
                    && from == before
                {
                    // A replica outside the ISR may be let in by nothing but the passing of time.
                    let settled = leader.isr().contains(&fetch.replica);
                    self.seats.park(fetch, settled, waiter);
                }
                answer
            }
            Role::Failed => FetchAnswer::Refused(KafkaError::KafkaStorageError),
            // The follower has heard of a leader epoch that this broker has not.
            Role::Idle(_) | Role::Follower(_) if Some(fetch.leader_epoch) > own_epoch => {
                FetchAnswer::Refused(KafkaError::UnknownLeaderEpoch)
            }
            Role::Idle(_) | Role::Follower(_) => {
                FetchAnswer::Refused(KafkaError::NotLeaderOrFollower)
            }
        };
        self.carry_out(actions);
        self.answer_trims();
        let (high_watermark, log_start) = (self.known_high_watermark(), self.log.log_start());
        let _ = reply.send(FetchReply {
            answer,
            high_watermark,
            log_start,
        });
    }
}
