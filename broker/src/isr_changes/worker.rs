//! [`IsrWorker`]: the one task that talks to the controllers about ISRs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use trimaran_api::client::CallError;
use trimaran_api::controller::{AlterPartitionsResponse, PartitionAlterationResult};
use trimaran_api::{body, headers, paths};
use trimaran_replication::leader::{IsrAnswer, IsrProposal};
use trimaran_types::{BrokerEpoch, KafkaError, LeaderEpoch, PartitionEpoch, TopicIdPartition};

use super::IsrChanges;
use super::request::{answer, request};
use crate::context::BrokerContext;
use crate::partition::{Event, IsrAnswered};
use crate::replicas::ReplicaTable;

/// Pause after a request that failed as a whole, or in a part that is sent again (Kafka's 50 ms).
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Most partitions in one request; the controllers bound what they decide at once.
const PARTITIONS_MAX: usize = 1_000;

/// How long the controllers may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends proposals and brings the answers back to the owners.
#[derive(Debug)]
pub struct IsrWorker {
    context: BrokerContext,
    changes: IsrChanges,
    table: Arc<ReplicaTable>,
}

type Proposals = BTreeMap<TopicIdPartition, IsrProposal>;

/// The proposals whose leaders have heard that an attempt has no answer, since the controllers
/// answered last; at most one for each partition.
type Told = BTreeMap<TopicIdPartition, (LeaderEpoch, PartitionEpoch)>;

impl IsrWorker {
    /// For the proposals in `changes`, of the replicas in `table`.
    #[must_use]
    pub const fn new(
        context: BrokerContext,
        changes: IsrChanges,
        table: Arc<ReplicaTable>,
    ) -> Self {
        Self {
            context,
            changes,
            table,
        }
    }

    /// Runs until it is dropped.
    pub async fn run(self) {
        let mut is_failing = false;
        let mut told = Told::new();
        loop {
            self.changes.news().await;
            let proposals = self.changes.take(PARTITIONS_MAX);
            if proposals.is_empty() {
                continue;
            }
            match self.send(&proposals).await {
                Ok(results) => {
                    if is_failing {
                        tracing::info!("the controllers answer about isr changes again");
                    }
                    is_failing = false;
                    told.clear();
                    if self.deliver(proposals, results).await {
                        tokio::time::sleep(RETRY_PAUSE).await;
                    }
                }
                Err(cause) => {
                    if !is_failing {
                        let partitions = proposals.len();
                        tracing::warn!(partitions, %cause, "isr changes wait for the controllers");
                    }
                    is_failing = true;
                    if cause.may_be_carried_out() {
                        self.tell_unanswered(&proposals, &mut told).await;
                    }
                    self.changes.put_back(proposals);
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    async fn send(
        &self,
        proposals: &Proposals,
    ) -> Result<Vec<PartitionAlterationResult>, CallFailure> {
        let broker_epoch = self
            .context
            .current_broker_epoch()
            .ok_or(CallFailure::Unregistered)?;
        let message = self.encode(proposals, broker_epoch)?;
        let answer = self
            .context
            .controllers
            .try_once::<AlterPartitionsResponse>(|http, base| {
                http.post(format!("{base}{}", paths::ALTER_PARTITIONS))
                    .header(headers::CLUSTER_ID, self.context.cluster_id.to_string())
                    .header(http::header::CONTENT_TYPE, headers::MSGPACK)
                    .header(http::header::ACCEPT, headers::MSGPACK)
                    .timeout(ANSWER_TIMEOUT)
                    .body(message.clone())
            });
        Ok(answer.await?.partitions)
    }

    fn encode(
        &self,
        proposals: &Proposals,
        broker_epoch: BrokerEpoch,
    ) -> Result<Vec<u8>, CallFailure> {
        let message = request(self.context.broker_id, broker_epoch, proposals);
        Ok(body::to_msgpack(&message)?)
    }

    /// Hands every owner its answer. A proposal that the answer left out is sent again.
    /// Tells whether some failed, so that the next round does not follow at once.
    async fn deliver(&self, proposals: Proposals, results: Vec<PartitionAlterationResult>) -> bool {
        let mut left = proposals;
        let mut some_failed = false;
        for result in results {
            let partition = result.partition;
            let Some(proposal) = left.remove(&partition) else {
                continue;
            };
            some_failed |= result.error.is_some();
            self.tell(partition, &proposal, answer(&result)).await;
        }
        for (partition, proposal) in left {
            some_failed = true;
            self.tell(partition, &proposal, IsrAnswer::Unanswered).await;
            let answer = IsrAnswer::Failed(KafkaError::UnknownServerError);
            self.tell(partition, &proposal, answer).await;
        }
        some_failed
    }

    /// Tells the owners that an attempt has no answer, once for each proposal.
    async fn tell_unanswered(&self, proposals: &Proposals, told: &mut Told) {
        for (partition, proposal) in proposals {
            let epochs = (proposal.leader_epoch, proposal.partition_epoch);
            if told.insert(*partition, epochs) != Some(epochs) {
                self.tell(*partition, proposal, IsrAnswer::Unanswered).await;
            }
        }
    }

    async fn tell(&self, partition: TopicIdPartition, proposal: &IsrProposal, answer: IsrAnswer) {
        let Some(handle) = self.table.get(partition) else {
            return;
        };
        let answered = IsrAnswered {
            leader_epoch: proposal.leader_epoch,
            proposed_on: proposal.partition_epoch,
            answer,
        };
        // An owner that has ended has no use for it.
        handle.send(Event::IsrAnswered(Box::new(answered))).await;
    }
}

impl CallFailure {
    /// Whether the request may be on its way still, or with a controller that has not said so.
    const fn may_be_carried_out(&self) -> bool {
        match self {
            Self::Unregistered | Self::Encode(_) => false,
            Self::Call(_) => true,
        }
    }
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
enum CallFailure {
    #[error("this broker is not registered yet")]
    Unregistered,
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Encode(#[from] body::BodyError),
}
