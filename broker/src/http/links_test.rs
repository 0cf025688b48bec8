//! Every link of a v3 answer leads to an answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};
use trimaran_metadata::record::{
    BrokerRegistrationChange, Config, ConfigResourceType, PartitionChange,
};
use trimaran_metadata::{ChangeReason, FenceReason, MetadataRecord};
use trimaran_types::{BrokerId, PartitionIndex};

use super::test_client::{TestBroker, cluster_id};
use crate::routing::fake::partition;

const HOST: &str = "http://127.0.0.1:8082";

/// The links in a value: `related` ones, and what a resource calls itself.
fn links(value: &Value, found: &mut VecDeque<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(url) if name == "related" || name == "self" => {
                        found.push_back(url.strip_prefix(HOST).expect(url).to_owned());
                    }
                    field => links(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| links(item, found)),
        _ => {}
    }
}

/// A cluster with a partition on the move, a fenced broker, a topic without a leader and a setting
/// for every broker.
fn busy() -> TestBroker {
    let broker = TestBroker::serving();
    let id = partition(1, 1);
    let mut change = PartitionChange::new(id.topic_id, id.partition, ChangeReason::Elected);
    change.adding_replicas = Some(vec![BrokerId(3)]);
    let image = broker.images.borrow().clone();
    let third = image.brokers.get(BrokerId(3)).unwrap();
    let fenced = BrokerRegistrationChange {
        broker_id: third.broker_id,
        broker_epoch: third.broker_epoch,
        fenced: Some(true),
        in_controlled_shutdown: None,
        directories: None,
        reason: FenceReason::SessionTimeout,
    };
    let config = Config {
        resource_type: ConfigResourceType::Broker,
        resource_name: String::new(),
        name: "log.retention.ms".to_owned(),
        value: Some("1000".to_owned()),
    };
    let records: Vec<MetadataRecord> = vec![change.into(), fenced.into(), config.into()];
    let changed = image.replay_pending(&records).unwrap();
    broker.images.send_replace(Arc::new(changed));
    broker
}

#[tokio::test]
async fn every_link_of_every_answer_leads_somewhere() {
    let broker = busy();
    let mut found = VecDeque::from(["/v3/clusters".to_owned()]);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut visited = std::collections::BTreeSet::new();
    while let Some(path) = found.pop_front() {
        if !visited.insert(path.clone()) {
            continue;
        }
        let answer = broker.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let answer = answer.json();
        assert_eq!(answer["metadata"]["self"], format!("{HOST}{path}"));
        let kind = answer["kind"].as_str().expect("a kind").to_owned();
        *kinds.entry(kind).or_default() += 1;
        links(&answer, &mut found);
    }
    // The walk has seen the whole house.
    for (kind, count) in [
        ("KafkaClusterList", 1),
        ("KafkaCluster", 1),
        ("KafkaAclList", 1),
        ("KafkaConsumerGroupList", 1),
        ("KafkaBrokerList", 1),
        ("KafkaBroker", 3),
        ("KafkaClusterConfigList", 1),
        ("KafkaClusterConfig", 1),
        ("KafkaTopicList", 1),
        ("KafkaTopic", 1),
        ("KafkaPartitionList", 1),
        ("KafkaPartition", 3),
        ("KafkaReplica", 9),
        ("KafkaReassignment", 3),
        ("KafkaReassignmentList", 2),
    ] {
        assert_eq!(kinds.get(kind), Some(&count), "{kind} in {kinds:?}");
    }
    assert!(kinds["KafkaBrokerConfig"] > 30, "{kinds:?}");
}

#[tokio::test]
async fn the_linked_resources_say_what_the_metadata_says() {
    let broker = busy();
    let base = format!("/v3/clusters/{}", cluster_id());
    let get = |path: &str| {
        let path = format!("{base}{path}");
        let broker = &broker;
        async move { broker.get(&path).await.json() }
    };
    let moving = get("/topics/-/partitions/-/reassignment").await;
    assert_eq!(moving["data"].as_array().unwrap().len(), 1);
    assert_eq!(moving["data"][0]["partition_id"], json!(PartitionIndex(1)));
    assert_eq!(moving["data"][0]["adding_replicas"], json!([3]));
    assert_eq!(
        moving["data"],
        get("/topics/t/partitions/-/reassignment").await["data"]
    );
    let still = get("/topics/t/partitions/0/reassignment").await;
    assert_eq!(
        (&still["adding_replicas"], &still["removing_replicas"]),
        (&json!([]), &json!([]))
    );
    let hosted = get("/brokers/2/partition-replicas").await;
    assert_eq!(hosted["kind"], "KafkaReplicaList");
    let hosted = hosted["data"].as_array().unwrap();
    assert_eq!(hosted.len(), 3);
    assert!(
        hosted
            .iter()
            .all(|it| it["broker_id"] == 2 && it["is_leader"] == false)
    );
    let retention = get("/brokers/2/configs/log.retention.ms").await;
    assert_eq!(retention["value"], "1000");
    assert_eq!(retention["source"], "DYNAMIC_DEFAULT_BROKER_CONFIG");
    assert_eq!(retention["synonyms"][1]["source"], "DEFAULT_CONFIG");
    let of_all = get("/broker-configs/log.retention.ms").await;
    assert_eq!(
        (&of_all["value"], &of_all["config_type"]),
        (&json!("1000"), &json!("BROKER"))
    );
    for (path, part) in [
        ("/brokers/2/configs/none", "cannot be found for BROKER 2"),
        ("/broker-configs/none", "cannot be found for CLUSTER BROKER"),
        ("/brokers/9/configs", "Broker 9 cannot be found"),
        ("/brokers/9/partition-replicas", "Broker 9 cannot be found"),
        ("/topics/t/partitions/9/reassignment", "9"),
    ] {
        let refused = get(path).await;
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains(part), "{path}: {message}");
    }
}
