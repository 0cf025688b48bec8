//! [`Admin`]: topics, brokers and the quorum, as any broker tells them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use trimaran_api::controller::{
    BrokerState, BrokerStatus, BrokersResponse, PartitionStatus, QuorumStatus, TopicStatus,
};
use trimaran_api::rest::ClusterList;

use super::{Answer, Rest};

/// How long a change may take while nothing is broken.
const CHANGE_PATIENCE: Duration = Duration::from_secs(30);

/// The operator's view, through any broker.
#[derive(Debug, Clone)]
pub struct Admin {
    rest: Rest,
}

impl Admin {
    /// Through `rest`.
    #[must_use]
    pub const fn new(rest: Rest) -> Self {
        Self { rest }
    }

    /// The cluster's id.
    ///
    /// # Errors
    /// No broker tells.
    pub async fn cluster_id(&self) -> Result<String> {
        let clusters: ClusterList = self.rest.get("/v3/clusters").await?.success()?;
        let cluster = clusters
            .data
            .first()
            .context("the list of clusters is empty")?;
        Ok(cluster.cluster_id.to_string())
    }

    /// One try to create a topic, answered as it comes.
    ///
    /// # Errors
    /// No answer.
    pub async fn try_create(
        &self,
        cluster_id: &str,
        topic: &str,
        partitions: u32,
        replication_factor: u32,
        configs: &[(&str, &str)],
    ) -> Result<Answer> {
        let configs: Vec<Value> = configs
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let body = json!({
            "topic_name": topic,
            "partitions_count": partitions,
            "replication_factor": replication_factor,
            "configs": configs,
        });
        self.rest
            .post(&format!("/v3/clusters/{cluster_id}/topics"), &body)
            .await
    }

    /// One try to delete a topic, answered as it comes.
    ///
    /// # Errors
    /// No answer.
    pub async fn try_delete(&self, cluster_id: &str, topic: &str) -> Result<Answer> {
        self.rest
            .delete(&format!("/v3/clusters/{cluster_id}/topics/{topic}"))
            .await
    }

    /// Creates a topic and waits until each partition has a leader.
    ///
    /// # Errors
    /// It is refused, or has no leaders in time.
    pub async fn create_topic(
        &self,
        topic: &str,
        partitions: u32,
        replication_factor: u32,
        configs: &[(&str, &str)],
    ) -> Result<()> {
        let cluster_id = self.cluster_id().await?;
        let create = self.try_create(&cluster_id, topic, partitions, replication_factor, configs);
        let answer = create.await?;
        ensure!(
            answer.status == 201,
            "creating {topic} was answered {answer}"
        );
        crate::until(
            &format!("leaders of {topic}"),
            CHANGE_PATIENCE,
            async || {
                let topic = self.topic(topic).await?;
                Ok(topic
                    .partitions
                    .iter()
                    .all(|it| it.leader.is_some())
                    .then_some(()))
            },
        )
        .await
    }

    /// One topic.
    ///
    /// # Errors
    /// It is unknown, or nobody tells.
    pub async fn topic(&self, topic: &str) -> Result<TopicStatus> {
        self.rest
            .get(&format!("/v1/topics/{topic}"))
            .await?
            .success()
    }

    /// One partition.
    ///
    /// # Errors
    /// It is unknown, or nobody tells.
    pub async fn partition(&self, topic: &str, partition: u32) -> Result<PartitionStatus> {
        let status = self.topic(topic).await?;
        let found = status
            .partitions
            .into_iter()
            .find(|it| it.partition.0 == partition);
        found.with_context(|| format!("{topic} has no partition {partition}"))
    }

    /// All brokers.
    ///
    /// # Errors
    /// Nobody tells.
    pub async fn brokers(&self) -> Result<Vec<BrokerStatus>> {
        let brokers: BrokersResponse = self.rest.get("/v1/brokers").await?.success()?;
        Ok(brokers.brokers)
    }

    /// The quorum.
    ///
    /// # Errors
    /// Nobody tells.
    pub async fn quorum(&self) -> Result<QuorumStatus> {
        self.rest.get("/v1/quorum").await?.success()
    }

    /// The `node.id` of the active controller, waiting until there is one.
    ///
    /// # Errors
    /// There is none in time.
    pub async fn active_controller(&self) -> Result<u32> {
        crate::until("an active controller", CHANGE_PATIENCE, async || {
            let leader = self.quorum().await?.leader_id;
            Ok(leader.map(|id| u32::try_from(id.0)).transpose()?)
        })
        .await
    }

    /// Waits until a controller other than `gone` is active, and tells which.
    ///
    /// # Errors
    /// There is none, after `patience`.
    pub async fn active_controller_other_than(&self, gone: u32, patience: Duration) -> Result<u32> {
        crate::until("another active controller", patience, async || {
            let active = self.active_controller().await?;
            Ok((active != gone).then_some(active))
        })
        .await
    }

    /// Waits until every replica of `topic` is in its ISR.
    ///
    /// # Errors
    /// One is not, after `patience`.
    pub async fn wait_for_full_isr(&self, topic: &str, patience: Duration) -> Result<()> {
        let what = format!("every replica of {topic} to be in its ISR");
        crate::until(&what, patience, async || {
            let status = self.topic(topic).await?;
            let behind = status
                .partitions
                .iter()
                .find(|it| it.isr.len() < it.replicas.len());
            match behind {
                None => Ok(Some(())),
                Some(partition) => Err(anyhow::anyhow!("{partition:?}")),
            }
        })
        .await
    }

    /// Waits until a broker is, or is not, in the ISR of any partition of `topic`.
    ///
    /// # Errors
    /// The other is still so, after `patience`.
    pub async fn wait_for_isr_without(
        &self,
        topic: &str,
        broker: u32,
        patience: Duration,
    ) -> Result<()> {
        let what = format!("broker {broker} to leave every ISR of {topic}");
        crate::until(&what, patience, async || {
            let status = self.topic(topic).await?;
            let is_in = |it: &PartitionStatus| it.isr.iter().any(|member| member.0 == broker);
            Ok((!status.partitions.iter().any(is_in)).then_some(()))
        })
        .await
    }

    /// Waits until a broker is in the given state.
    ///
    /// # Errors
    /// It is not, after `patience`.
    pub async fn wait_for_broker(
        &self,
        broker: u32,
        state: BrokerState,
        patience: Duration,
    ) -> Result<()> {
        let what = format!("broker {broker} to be {state:?}");
        crate::until(&what, patience, async || {
            let brokers = self.brokers().await?;
            let found = brokers.iter().find(|it| it.broker_id.0 == broker);
            Ok(found.is_some_and(|it| it.state == state).then_some(()))
        })
        .await
    }
}
