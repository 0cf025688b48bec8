//! Decisions about brokers: who is registered, who is in service, who is leaving.
//!
//! Sessions and heartbeats are soft state and live with the caller; what they imply comes in as an
//! argument.

mod control_state;
mod fence;
mod heartbeat;
mod register;
mod transition;
mod unregister;

pub use fence::fence;
pub use heartbeat::{HeartbeatContext, HeartbeatOutcome, heartbeat};
pub use register::{RegisterContext, RegisterOutcome, register};
pub use unregister::unregister;

use trimaran_metadata::{BrokerRegistration, MetadataImage};
use trimaran_types::{BrokerEpoch, BrokerId, KafkaError};

use super::Refusal;

/// The registration of `broker`, provided that it is the one under `epoch`.
pub(super) fn registered_under(
    view: &MetadataImage,
    broker: BrokerId,
    epoch: BrokerEpoch,
) -> Result<&BrokerRegistration, Refusal> {
    let registration = registered(view, broker)?;
    let registered = registration.broker_epoch;
    if registered != epoch {
        return Err(Refusal::new(
            KafkaError::StaleBrokerEpoch,
            format!("broker {broker} is registered under epoch {registered}, not {epoch}"),
        ));
    }
    Ok(registration)
}

fn registered(view: &MetadataImage, broker: BrokerId) -> Result<&BrokerRegistration, Refusal> {
    view.brokers.get(broker).ok_or_else(|| {
        let message = format!("broker {broker} is not registered");
        Refusal::new(KafkaError::BrokerIdNotRegistered, message)
    })
}
