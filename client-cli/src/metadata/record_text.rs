//! A metadata record as one line for people.

use trimaran_metadata::MetadataRecord;
use trimaran_metadata::record::{
    BrokerRegistrationChange, Config, ConfigResourceType, Partition, PartitionChange,
    RegisterBroker,
};
use trimaran_types::BrokerId;

use super::known::Known;
use crate::output::list;

/// What the record changes, given what was known before it. No control characters, no newline.
pub(super) fn change(record: &MetadataRecord, known: &Known) -> String {
    let text = match record {
        MetadataRecord::RegisterBroker(registered) => register_broker(registered),
        MetadataRecord::UnregisterBroker(left) => {
            format!(
                "broker-{} left the cluster (epoch {})",
                left.broker_id, left.broker_epoch
            )
        }
        MetadataRecord::BrokerRegistrationChange(changed) => broker_change(changed),
        MetadataRecord::Topic(topic) => format!("{} created, id {}", topic.name, topic.topic_id),
        MetadataRecord::RemoveTopic(removed) => {
            format!("{} deleted", known.topic(removed.topic_id))
        }
        MetadataRecord::Partition(created) => partition(created, known),
        MetadataRecord::PartitionChange(changed) => partition_change(changed, known),
        MetadataRecord::Config(config) => setting(config),
        MetadataRecord::ProducerIds(ids) => {
            format!(
                "broker-{} holds producer ids below {}",
                ids.broker_id, ids.next_producer_id
            )
        }
        MetadataRecord::FeatureLevel(feature) => {
            format!("feature {} at level {}", feature.name, feature.level)
        }
        MetadataRecord::NoOp(_) => "the log lives".to_owned(),
    };
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn register_broker(registered: &RegisterBroker) -> String {
    let fenced = if registered.fenced {
        "fenced"
    } else {
        "in service"
    };
    format!(
        "broker-{} epoch {} {fenced} ({}), clients {}, nodes {}{}",
        registered.broker_id,
        registered.broker_epoch,
        registered.reason,
        registered.client_address,
        registered.inter_node_address,
        registered
            .rack
            .as_ref()
            .map(|rack| format!(", rack {rack}"))
            .unwrap_or_default(),
    )
}

fn broker_change(changed: &BrokerRegistrationChange) -> String {
    let mut parts = Vec::new();
    match changed.fenced {
        Some(true) => parts.push("fenced".to_owned()),
        Some(false) => parts.push("in service".to_owned()),
        None => {}
    }
    match changed.in_controlled_shutdown {
        Some(true) => parts.push("shutting down".to_owned()),
        Some(false) => parts.push("no longer shutting down".to_owned()),
        None => {}
    }
    if let Some(directories) = &changed.directories {
        parts.push(format!("directories {}", list(directories)));
    }
    if parts.is_empty() {
        parts.push("unchanged".to_owned());
    }
    format!(
        "broker-{} {} ({})",
        changed.broker_id,
        parts.join(", "),
        changed.reason
    )
}

fn partition(created: &Partition, known: &Known) -> String {
    format!(
        "{}-{} leader {} replicas [{}] isr [{}]",
        known.topic(created.topic_id),
        created.partition,
        leader(created.leader),
        list(&created.replicas),
        list(&created.isr),
    )
}

fn partition_change(changed: &PartitionChange, known: &Known) -> String {
    let before = known.partition(changed.topic_id, changed.partition);
    let mut text = format!("{}-{}", known.topic(changed.topic_id), changed.partition);
    if let Some(now) = changed.leader {
        match before.map(|before| before.leader) {
            Some(old) if old != now => {
                text.push_str(&format!(" leader {}→{}", leader(old), leader(now)));
            }
            Some(_) => text.push_str(&format!(" leader {} in a new epoch", leader(now))),
            None => text.push_str(&format!(" leader →{}", leader(now))),
        }
    }
    if let Some(isr) = &changed.isr {
        let old = before.map_or_else(String::new, |before| format!("[{}]", list(&before.isr)));
        text.push_str(&format!(" isr {old}→[{}]", list(isr)));
    }
    for (name, brokers) in [
        ("replicas", &changed.replicas),
        ("adding", &changed.adding_replicas),
        ("removing", &changed.removing_replicas),
        ("eligible", &changed.eligible_leader_replicas),
        ("last-known", &changed.last_known_eligible),
    ] {
        if let Some(brokers) = brokers {
            text.push_str(&format!(" {name} →[{}]", list(brokers)));
        }
    }
    let about = changed
        .reason_broker
        .map(|broker| format!(": broker-{broker}"));
    text.push_str(&format!(
        " ({}{})",
        changed.reason,
        about.unwrap_or_default()
    ));
    text
}

fn setting(config: &Config) -> String {
    let of = match config.resource_type {
        ConfigResourceType::Topic => format!("topic {}", config.resource_name),
        ConfigResourceType::Broker if config.resource_name.is_empty() => "cluster".to_owned(),
        ConfigResourceType::Broker => format!("broker-{}", config.resource_name),
    };
    match &config.value {
        Some(value) => format!("{of}: {}={value}", config.name),
        None => format!("{of}: {} back to its default", config.name),
    }
}

fn leader(leader: Option<BrokerId>) -> String {
    leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AAAAAAAAAAAAAAAAAAAAAw";

    fn record(kind: &str, data: serde_json::Value) -> MetadataRecord {
        // As text: the envelope's fields have an order, which a JSON value would lose.
        serde_json::from_str(&format!(r#"{{"type":"{kind}","version":0,"data":{data}}}"#)).unwrap()
    }

    #[test]
    fn a_failover_reads_as_from_and_to() {
        let mut known = Known::default();
        let topic = record(
            "Topic",
            serde_json::json!({ "name": "flights", "topic_id": ID }),
        );
        assert_eq!(change(&topic, &known), format!("flights created, id {ID}"));
        known.learn(&topic);
        let change_record = record(
            "PartitionChange",
            serde_json::json!({
                "topic_id": ID, "partition": 0, "isr": [2, 3], "leader": 2,
                "reason": "broker-fenced", "reason_broker": 1,
            }),
        );
        let unseen = change(&change_record, &known);
        assert_eq!(
            unseen,
            "flights-0 leader →2 isr →[2,3] (broker-fenced: broker-1)"
        );
        known.learn(&change_record);
        let next = record(
            "PartitionChange",
            serde_json::json!({
                "topic_id": ID, "partition": 0, "isr": [3], "leader": null,
                "reason": "broker-fenced", "reason_broker": 2,
            }),
        );
        assert_eq!(
            change(&next, &known),
            "flights-0 leader 2→none isr [2,3]→[3] (broker-fenced: broker-2)"
        );
    }

    #[test]
    fn a_broker_says_why_it_is_fenced() {
        let fenced = record(
            "BrokerRegistrationChange",
            serde_json::json!({
                "broker_id": 1, "broker_epoch": 7, "fenced": true, "reason": "connection-refused",
            }),
        );
        assert_eq!(
            change(&fenced, &Known::default()),
            "broker-1 fenced (connection-refused)"
        );
    }

    #[test]
    fn what_a_deleted_topic_was_is_forgotten() {
        let mut known = Known::default();
        known.learn(&record(
            "Topic",
            serde_json::json!({ "name": "t", "topic_id": ID }),
        ));
        let removed = record("RemoveTopic", serde_json::json!({ "topic_id": ID }));
        assert_eq!(change(&removed, &known), "t deleted");
        known.learn(&removed);
        assert_eq!(change(&removed, &known), format!("{ID} deleted"));
    }
}
