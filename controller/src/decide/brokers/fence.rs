//! [`fence`]: a broker is gone, or seems so.
//!
//! One broker a decision, so that the next fencing sees what this one did to the ISRs.

use trimaran_metadata::{ChangeReason, FenceReason, MetadataImage};
use trimaran_types::{BrokerEpoch, BrokerId};

use super::registered_under;
use super::transition::{leave_service, unchanged};
use crate::decide::budget::RecordBudget;
use crate::decide::{Decision, FollowUp, Refusal};

/// Takes `broker` out of every ISR and leadership, and fences it.
///
/// # Errors
/// The broker is not registered, or under another epoch: whoever was to be fenced is gone already.
pub fn fence(
    view: &MetadataImage,
    broker: BrokerId,
    epoch: BrokerEpoch,
    reason: FenceReason,
) -> Result<Decision<FollowUp>, Refusal> {
    fence_within(view, (broker, epoch), reason, RecordBudget::of_a_part())
}

pub(super) fn fence_within(
    view: &MetadataImage,
    (broker, epoch): (BrokerId, BrokerEpoch),
    reason: FenceReason,
    budget: RecordBudget,
) -> Result<Decision<FollowUp>, Refusal> {
    let registration = registered_under(view, broker, epoch)?;
    if registration.fenced {
        return Ok(Decision {
            records: Vec::new(),
            response: FollowUp::Nothing,
        });
    }
    let mut change = unchanged(registration, reason);
    change.fenced = Some(true);
    let (records, response) = leave_service(view, change, ChangeReason::BrokerFenced, budget)?;
    Ok(Decision { records, response })
}

#[cfg(test)]
mod fence_test;
