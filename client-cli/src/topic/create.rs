//! `trimaran topic create`.

use clap::Args;
use reqwest::Method;
use trimaran_api::controller::ConfigEntry;
use trimaran_api::rest::{CreateTopicBody, TopicData};
use trimaran_types::TopicName;

use crate::connection::Connection;
use crate::failure::Failure;

/// What to create.
#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The new topic's name: letters, digits, '.', '_' and '-', at most 249.
    pub(crate) topic: TopicName,
    /// Partitions; default: the cluster's (1).
    #[arg(short, long, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    pub(crate) partitions: Option<i64>,
    /// Replicas of each partition; default: 3, or as many as there are brokers.
    #[arg(short, long, value_parser = clap::value_parser!(i64).range(1..=100))]
    pub(crate) replication_factor: Option<i64>,
    /// A setting, such as min.insync.replicas=2; may be repeated.
    #[arg(short, long = "config", value_name = "NAME=VALUE", value_parser = config_entry)]
    pub(crate) configs: Vec<ConfigEntry>,
}

impl CreateArguments {
    /// Creates the topic.
    ///
    /// # Errors
    /// When the cluster refuses, or does not answer.
    pub(crate) async fn create(&self, connection: &Connection) -> Result<TopicData, Failure> {
        let cluster_id = connection.cluster_id().await?;
        let body = CreateTopicBody {
            topic_name: self.topic.to_string(),
            partitions_count: self.partitions,
            replication_factor: self.replication_factor,
            replicas_assignments: None,
            configs: self.configs.clone(),
            validate_only: false,
        };
        let path = format!("v3/clusters/{cluster_id}/topics");
        connection.change(Method::POST, &path, Some(&body)).await
    }
}

/// What was taken, as Kafka takes it, and will not work: nothing can be acknowledged by more replicas
/// than there are.
pub(crate) fn warning(configs: &[ConfigEntry], created: &TopicData) -> Option<String> {
    let min_isr = configs
        .iter()
        .rfind(|it| it.name == "min.insync.replicas")?;
    let min_isr: usize = min_isr.value.as_ref()?.trim().parse().ok()?;
    let replicas = created.replication_factor;
    (min_isr > replicas).then(|| {
        format!(
            "warning: min.insync.replicas is {min_isr} and the topic has {replicas} replicas: every \
             append with acks=all will be refused"
        )
    })
}

fn config_entry(text: &str) -> Result<ConfigEntry, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok(ConfigEntry {
            name: name.trim().to_owned(),
            value: Some(value.to_owned()),
        }),
        _ => Err("expected NAME=VALUE, for instance min.insync.replicas=2".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_in_sync_replicas_than_there_are_is_warned_of() {
        let created: TopicData = serde_json::from_value(serde_json::json!({
            "kind": "KafkaTopic", "metadata": { "self": "", "resource_name": "" },
            "cluster_id": "AAAAAAAAAAAAAAAAAAAAAg", "topic_name": "t", "is_internal": false,
            "replication_factor": 3, "partitions_count": 1,
            "partitions": { "related": "" }, "configs": { "related": "" },
            "partition_reassignments": { "related": "" },
        }))
        .unwrap();
        let asked = |value: &str| [config_entry(&format!("min.insync.replicas={value}")).unwrap()];
        assert_eq!(warning(&[], &created), None);
        assert_eq!(warning(&asked("3"), &created), None);
        let text = warning(&asked("4"), &created).unwrap();
        assert!(text.contains("has 3 replicas"), "{text}");
    }

    #[test]
    fn a_setting_is_split_at_its_first_equals() {
        let entry = config_entry("a.b=c=d").unwrap();
        assert_eq!(
            (entry.name.as_str(), entry.value.as_deref()),
            ("a.b", Some("c=d"))
        );
        assert_eq!(config_entry("a=").unwrap().value.as_deref(), Some(""));
        assert!(config_entry("=x").is_err());
        assert!(config_entry("x").is_err());
    }
}
