//! [`heartbeat`]: what a broker says of itself, and where that takes it (KIP-631).
//!
//! That the broker lives is the caller's to note, whatever is decided here: a late heartbeat still
//! refreshes its session.

use trimaran_api::controller::{HeartbeatRequest, HeartbeatResponse};
use trimaran_metadata::{
    BrokerRegistration, ChangeReason, FenceReason, MetadataImage, MetadataRecord,
};
use trimaran_types::{DirectoryId, MetadataOffset};

use super::control_state::{ControlState, Facts};
use super::registered_under;
use super::transition::{enter_service, leave_service, unchanged};
use crate::decide::budget::RecordBudget;
use crate::decide::partitions::{LackingRoom, changes_for_room, changes_of_reports};
use crate::decide::{Decision, FollowUp, Refusal};

/// What only the sessions know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeartbeatContext {
    /// The lowest `metadata_end` that any active broker reported last; absent when there is none.
    /// An active broker that has not reported yet counts as 0.
    pub lowest_active_metadata_end: Option<MetadataOffset>,
    /// Which replicas lack room, by the last heartbeat of each broker.
    pub lacking_room: LackingRoom,
}

/// The answer, and what is left to do.
#[derive(Debug, Clone, PartialEq)]
pub struct HeartbeatOutcome {
    /// The answer to the broker; final when `follow_up` is nothing or elections.
    pub response: HeartbeatResponse,
    /// What the caller owes. On "decide again" with the same heartbeat, the later answer counts.
    pub follow_up: FollowUp,
}

/// Moves the broker to the state that the heartbeat takes it to.
///
/// # Errors
/// The broker is not registered, or under another epoch: it must register anew.
pub fn heartbeat(
    view: &MetadataImage,
    request: &HeartbeatRequest,
    context: HeartbeatContext,
) -> Result<Decision<HeartbeatOutcome>, Refusal> {
    heartbeat_within(view, request, context, RecordBudget::of_a_part())
}

pub(super) fn heartbeat_within(
    view: &MetadataImage,
    request: &HeartbeatRequest,
    context: HeartbeatContext,
    budget: RecordBudget,
) -> Result<Decision<HeartbeatOutcome>, Refusal> {
    let registration = registered_under(view, request.broker_id, request.broker_epoch)?;
    let is_caught_up = request.metadata_end.0 > registration.broker_epoch.0;
    let now = ControlState::of(registration);
    let answer = |state: ControlState, (records, follow_up): (Vec<MetadataRecord>, FollowUp)| {
        let response = HeartbeatResponse {
            is_caught_up,
            is_fenced: state.is_fenced(),
            should_shut_down: state == ControlState::ShutdownNow,
            lease: None,
        };
        Decision {
            records,
            response: HeartbeatOutcome {
                response,
                follow_up,
            },
        }
    };
    if let Some(left) = directories_left(registration, &request.offline_directories) {
        let mut change = unchanged(registration, FenceReason::DirectoryFailed);
        change.directories = Some(left);
        let (records, _) = leave_service(view, change, ChangeReason::DirectoryFailed, budget)?;
        return Ok(answer(now, (records, FollowUp::DecideAgain)));
    }
    let mut room = budget.clone();
    let reported = changes_of_reports(view, request, &mut room);
    if !reported.is_empty() {
        // Before the broker comes into service: it must not be elected to what it cannot serve.
        let records = reported.into_iter().map(MetadataRecord::from).collect();
        return Ok(answer(now, (records, FollowUp::DecideAgain)));
    }
    let handed_over = changes_for_room(view, request, &context.lacking_room, &mut room);
    if !handed_over.is_empty() {
        let records = handed_over.into_iter().map(MetadataRecord::from).collect();
        return Ok(answer(now, (records, FollowUp::DecideAgain)));
    }
    let next = now.after(facts(view, registration, request, &context));
    let work = transition(view, registration, (now, next), budget)?;
    // While partitions are left to hand over, the broker is where it was.
    let reached = if work.1 == FollowUp::DecideAgain {
        now
    } else {
        next
    };
    Ok(answer(reached, work))
}

fn transition(
    view: &MetadataImage,
    registration: &BrokerRegistration,
    (now, next): (ControlState, ControlState),
    budget: RecordBudget,
) -> Result<(Vec<MetadataRecord>, FollowUp), Refusal> {
    let is_same = now == next || (now.is_fenced() && next.is_fenced());
    if is_same {
        return Ok((Vec::new(), FollowUp::Nothing));
    }
    match next {
        ControlState::Unfenced => {
            let mut change = unchanged(registration, FenceReason::CaughtUp);
            change.fenced = Some(false);
            enter_service(view, change, budget)
        }
        ControlState::Fenced => {
            let mut change = unchanged(registration, FenceReason::Requested);
            change.fenced = Some(true);
            leave_service(view, change, ChangeReason::BrokerFenced, budget)
        }
        ControlState::ShutdownNow => {
            let mut change = unchanged(registration, FenceReason::ShutDown);
            change.fenced = Some(true);
            leave_service(view, change, ChangeReason::ControlledShutdown, budget)
        }
        ControlState::ControlledShutdown => {
            let mut change = unchanged(registration, FenceReason::ControlledShutdown);
            change.in_controlled_shutdown = Some(true);
            leave_service(view, change, ChangeReason::ControlledShutdown, budget)
        }
    }
}

fn facts(
    view: &MetadataImage,
    registration: &BrokerRegistration,
    request: &HeartbeatRequest,
    context: &HeartbeatContext,
) -> Facts {
    let broker = registration.broker_id;
    let is_caught_up = request.metadata_end.0 > registration.broker_epoch.0;
    let leaves = request.want_shutdown || registration.in_controlled_shutdown;
    // The last change of a broker that shuts down is, or comes after, its going.
    let going = registration.last_change.origin.offset;
    Facts {
        want_fence: request.want_fence,
        want_shutdown: request.want_shutdown,
        is_ready: is_caught_up && !registration.directories.is_empty(),
        leads: leaves && view.partitions_led_by(broker).next().is_some(),
        shutdown_is_known: context
            .lowest_active_metadata_end
            .is_none_or(|lowest| lowest > going),
        began_shutdown: registration.in_controlled_shutdown,
    }
}

/// What is left of the broker's directories; `None` when none of them is reported as failed.
fn directories_left(
    registration: &BrokerRegistration,
    offline: &[DirectoryId],
) -> Option<Vec<DirectoryId>> {
    let directories = &registration.directories;
    let is_online = |directory: &&DirectoryId| !offline.contains(directory);
    let left: Vec<DirectoryId> = directories.iter().filter(is_online).copied().collect();
    (left.len() < directories.len()).then_some(left)
}

#[cfg(test)]
mod heartbeat_test;
