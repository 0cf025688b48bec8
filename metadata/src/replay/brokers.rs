//! How records change the registered brokers.

use trimaran_types::{BrokerEpoch, BrokerId};

use super::InvalidRecord;
use crate::image::{BrokerRegistration, MetadataImage, RegistrationLastChange};
use crate::record::{BrokerRegistrationChange, ChangeOrigin, RegisterBroker, UnregisterBroker};

pub(super) fn register(
    image: &mut MetadataImage,
    record: &RegisterBroker,
    origin: ChangeOrigin,
) -> Result<(), InvalidRecord> {
    if let Some(existing) = image.brokers.get(record.broker_id) {
        let same_run = existing.incarnation_id == record.incarnation_id;
        let (named, registered) = (record.broker_epoch, existing.broker_epoch);
        let follows = if same_run {
            named == registered
        } else {
            named > registered
        };
        if !follows {
            let broker = record.broker_id;
            return Err(InvalidRecord::BrokerEpochMismatch {
                broker,
                named,
                registered,
            });
        }
    }
    image.brokers.insert(BrokerRegistration {
        broker_id: record.broker_id,
        incarnation_id: record.incarnation_id,
        broker_epoch: record.broker_epoch,
        client_address: record.client_address.clone(),
        inter_node_address: record.inter_node_address.clone(),
        rack: record.rack.clone(),
        directories: record.directories.clone(),
        fenced: record.fenced,
        in_controlled_shutdown: record.in_controlled_shutdown,
        last_change: RegistrationLastChange {
            reason: record.reason,
            origin: record.origin.unwrap_or(origin),
        },
    });
    Ok(())
}

pub(super) fn unregister(
    image: &mut MetadataImage,
    record: &UnregisterBroker,
) -> Result<(), InvalidRecord> {
    let broker = record.broker_id;
    registered(image, broker, record.broker_epoch)?;
    if let Some(led) = image.partitions_led_by(broker).next() {
        let (topic, partition) = (led.topic.name.clone(), led.partition);
        return Err(InvalidRecord::BrokerStillLeads {
            broker,
            topic,
            partition,
        });
    }
    image.brokers.remove(broker);
    image.configs.remove_broker(broker);
    Ok(())
}

pub(super) fn change(
    image: &mut MetadataImage,
    record: &BrokerRegistrationChange,
    origin: ChangeOrigin,
) -> Result<(), InvalidRecord> {
    let broker = record.broker_id;
    let registration = registered(image, broker, record.broker_epoch)?;
    if record.in_controlled_shutdown == Some(false) {
        return Err(InvalidRecord::ShutdownTakenBack { broker });
    }
    registration.in_controlled_shutdown |= record.in_controlled_shutdown.is_some();
    if let Some(fenced) = record.fenced {
        registration.fenced = fenced;
    }
    if let Some(directories) = &record.directories {
        registration.directories.clone_from(directories);
    }
    registration.last_change = RegistrationLastChange {
        reason: record.reason,
        origin,
    };
    Ok(())
}

/// The registration of `broker`, provided that `named` is its epoch.
fn registered(
    image: &mut MetadataImage,
    broker: BrokerId,
    named: BrokerEpoch,
) -> Result<&mut BrokerRegistration, InvalidRecord> {
    let registration = image
        .brokers
        .get_mut(broker)
        .ok_or(InvalidRecord::UnknownBroker { broker })?;
    let registered = registration.broker_epoch;
    if registered != named {
        return Err(InvalidRecord::BrokerEpochMismatch {
            broker,
            named,
            registered,
        });
    }
    Ok(registration)
}
