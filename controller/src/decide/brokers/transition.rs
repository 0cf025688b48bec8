//! The records of a broker's change of state, together with what the change does to partitions.

use trimaran_metadata::record::BrokerRegistrationChange;
use trimaran_metadata::{
    BrokerRegistration, ChangeReason, FenceReason, MetadataImage, MetadataRecord,
};
use trimaran_types::KafkaError;

use crate::decide::budget::RecordBudget;
use crate::decide::partitions::{Loss, changes_of_departure, changes_of_return};
use crate::decide::{FollowUp, Refusal};

/// A registration change that changes nothing yet.
pub(super) const fn unchanged(
    registration: &BrokerRegistration,
    reason: FenceReason,
) -> BrokerRegistrationChange {
    BrokerRegistrationChange {
        broker_id: registration.broker_id,
        broker_epoch: registration.broker_epoch,
        fenced: None,
        in_controlled_shutdown: None,
        directories: None,
        reason,
    }
}

/// Takes a broker out of (some of) its service.
///
/// Its partitions go first and the broker last, once all the rest fits into one entry. Until then it
/// is still registered as in service, so a controller that takes over in between sees work undone
/// and begins anew; afterwards it is in no ISR, as nothing can get in between the two.
pub(super) fn leave_service(
    view: &MetadataImage,
    change: BrokerRegistrationChange,
    reason: ChangeReason,
    mut budget: RecordBudget,
) -> Result<(Vec<MetadataRecord>, FollowUp), Refusal> {
    let broker = change.broker_id;
    let change = MetadataRecord::from(change);
    budget.take(&change);
    let after = view_after(view, &change)?;
    let (changes, all) = changes_of_departure(&after, broker, Loss::Nothing, reason, &mut budget);
    let mut records: Vec<MetadataRecord> = changes.into_iter().map(Into::into).collect();
    if !all {
        return Ok((records, FollowUp::DecideAgain));
    }
    records.push(change);
    Ok((records, FollowUp::Nothing))
}

/// Takes a broker into service: the broker first, then elections where there is no leader.
pub(super) fn enter_service(
    view: &MetadataImage,
    change: BrokerRegistrationChange,
    mut budget: RecordBudget,
) -> Result<(Vec<MetadataRecord>, FollowUp), Refusal> {
    let broker = change.broker_id;
    let change = MetadataRecord::from(change);
    budget.take(&change);
    let after = view_after(view, &change)?;
    let (changes, all) = changes_of_return(&after, broker, &mut budget);
    let mut records = vec![change];
    records.extend(changes.into_iter().map(MetadataRecord::from));
    Ok((
        records,
        if all {
            FollowUp::Nothing
        } else {
            FollowUp::ElectLeaderless
        },
    ))
}

/// The view once `record` is committed.
pub(super) fn view_after(
    view: &MetadataImage,
    record: &MetadataRecord,
) -> Result<MetadataImage, Refusal> {
    view.replay_pending(std::slice::from_ref(record))
        .map_err(|cause| Refusal::new(KafkaError::UnknownServerError, cause.to_string()))
}
