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
