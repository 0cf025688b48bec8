//! Carrying out what the leader's core has decided.

use trimaran_replication::leader::Action;

use super::event::IsrAnswered;
use super::owner::Owner;
use super::refusal::append_refused;
use super::role::Role;

impl Owner {
    pub(super) fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::AdvanceHighWatermark { .. } => self.publish(),
                Action::Acknowledge { waiter, .. } => {
                    if let Some(waiting) = self.waiting.remove(&waiter) {
                        // A caller that is gone does not mind.
                        let _ = waiting.reply.send(Ok(waiting.response));
                        drop(waiting.permits);
                    }
                }
                Action::Refuse {
                    waiter,
                    error,
                    outcome,
                } => {
                    if let Some(waiting) = self.waiting.remove(&waiter) {
                        let refusal = append_refused(&self.name, error, outcome);
                        let _ = waiting.reply.send(Err(refusal));
                        drop(waiting.permits);
                    }
                }
                Action::ProposeIsr(proposal) => {
                    tracing::info!(
                        partition = %self.name,
                        change = ?proposal.change,
                        partition_epoch = %proposal.partition_epoch,
                        "asking for another isr"
                    );
                    self.isr_changes.propose(self.id, proposal);
                }
            }
        }
    }

    /// The controllers have answered; an answer to an earlier leadership is dropped.
    pub(super) fn isr_answered(&mut self, answered: IsrAnswered) {
        let IsrAnswered {
            leader_epoch,
            proposed_on,
            answer,
        } = answered;
        let now = self.now();
        let mut actions = Vec::new();
        if let Role::Leader(leader) = &mut self.role
            && leader.leader_epoch() == leader_epoch
        {
            tracing::info!(partition = %self.name, ?answer, "isr change answered");
            leader.isr_answered(now, proposed_on, answer, &mut actions);
        }
        self.carry_out(actions);
        self.answer_trims();
        self.seats.unsettle();
    }
}
