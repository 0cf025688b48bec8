//! [`unregister`]: a broker leaves for good (Kafka's UnregisterBroker).
//!
//! Its replicas stay in the partitions' lists until they are reassigned, so that nothing forgets
//! how many copies there should be.

use trimaran_metadata::record::UnregisterBroker;
use trimaran_metadata::{ChangeReason, MetadataImage, MetadataRecord};
use trimaran_types::{BrokerId, KafkaError};

use super::registered;
use crate::decide::budget::RecordBudget;
use crate::decide::partitions::{Loss, changes_of_departure};
use crate::decide::{Decision, FollowUp, Refusal};

/// Removes the registration of a broker that is fenced.
///
/// # Errors
/// The broker is not registered, or is still in service: it would only register again.
pub fn unregister(view: &MetadataImage, broker: BrokerId) -> Result<Decision<FollowUp>, Refusal> {
    let registration = registered(view, broker)?;
    if !registration.fenced {
        return Err(Refusal::new(
            KafkaError::InvalidRequest,
            format!("broker {broker} is in service; stop it before it is unregistered"),
        ));
    }
    let record = UnregisterBroker {
        broker_id: broker,
        broker_epoch: registration.broker_epoch,
    };
    let record = MetadataRecord::from(record);
    let mut budget = RecordBudget::of_a_part();
    budget.take(&record);
    let reason = ChangeReason::BrokerUnregistered;
    let (changes, all) = changes_of_departure(view, broker, Loss::Everything, reason, &mut budget);
    let mut records: Vec<MetadataRecord> = changes.into_iter().map(Into::into).collect();
    if !all {
        return Ok(Decision {
            records,
            response: FollowUp::DecideAgain,
        });
    }
    records.push(record);
    Ok(Decision {
        records,
        response: FollowUp::Nothing,
    })
}

#[cfg(test)]
mod unregister_test;
