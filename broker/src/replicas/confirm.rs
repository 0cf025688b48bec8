//! Whether this broker still leads, known or asked before an answer that only the true leader may
//! give.
//!
//! A broker that was paused leads on in its own eyes until it hears otherwise. A reader that has
//! seen more than such a log holds must not be told that its offset does not exist, nor that the log
//! ends earlier: it would start over. Where the lease does not rule that out, the controllers are
//! asked first (promise P-VISIBLE).

use std::time::Duration;

use tokio::time::Instant;
use trimaran_api::client::CallError;
use trimaran_api::controller::TopicStatus;
use trimaran_api::{ApiError, headers, paths};
use trimaran_types::{BrokerId, KafkaError, LeaderEpoch, TopicIdPartition, TopicPartition};

use super::Replicas;
use crate::partition::PartitionHandle;

/// How long the controllers may take to say who leads.
const CONFIRM_TIMEOUT: Duration = Duration::from_millis(300);

impl Replicas {
    /// Whether no later leader can have shown more than this broker, which leads in `epoch` in its own
    /// eyes, had before this call.
    pub(super) fn leads_by_lease(&self, partition: TopicIdPartition, epoch: LeaderEpoch) -> bool {
        let Some(lease) = *self.context.lease.borrow() else {
            return false;
        };
        let image = self.context.current_image();
        let leads = image.partition(partition).is_some_and(|state| {
            state.leader == Some(self.context.broker_id) && state.leader_epoch == epoch
        });
        leads && lease.holds(Instant::now(), image.position.next_offset)
    }

    /// Asks the controllers whether this broker leads under `epoch`.
    ///
    /// # Errors
    /// It does not: the reader is sent to the true leader. Nobody can say: it may ask again.
    pub(super) async fn confirm_leading(
        &self,
        handle: &PartitionHandle,
        partition: TopicIdPartition,
        epoch: Option<LeaderEpoch>,
    ) -> Result<(), ApiError> {
        let question = self.topic_now(handle.topic());
        let answer = self.questions.ask(partition, CONFIRM_TIMEOUT, question);
        let answer = answer.await.flatten();
        judge(answer.as_ref(), partition, (self.context.broker_id, epoch))
    }

    /// The topic with this partition alone, as a majority of the controllers knows it now.
    async fn topic_now(&self, partition: &TopicPartition) -> Option<TopicStatus> {
        let path = paths::fill(paths::TOPIC, &[&partition.topic]);
        let only = partition.partition;
        let told = u64::try_from(CONFIRM_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
        let answer: Result<TopicStatus, CallError> = self
            .context
            .controllers
            .call(CONFIRM_TIMEOUT, |http, base| {
                http.get(format!("{base}{path}?partition={only}"))
                    .timeout(CONFIRM_TIMEOUT)
                    .header(headers::TIMEOUT_MS, told)
                    .header(headers::LINEARIZABLE, "1")
            })
            .await;
        answer.ok()
    }
}

/// What the controllers' answer says of the leadership.
fn judge(
    answer: Option<&TopicStatus>,
    partition: TopicIdPartition,
    (own, epoch): (BrokerId, Option<LeaderEpoch>),
) -> Result<(), ApiError> {
    let Some(topic) = answer else {
        let message = "no controller confirms that this broker still leads, ask again";
        return Err(ApiError::kafka(KafkaError::OffsetNotAvailable, message));
    };
    let leads = topic.topic_id == partition.topic_id
        && topic.partitions.iter().any(|state| {
            state.partition == partition.partition
                && state.leader == Some(own)
                && Some(state.leader_epoch) == epoch
        });
    if leads {
        return Ok(());
    }
    let message = format!("this broker does not lead {partition} any more");
    Err(ApiError::kafka(KafkaError::NotLeaderOrFollower, message))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use trimaran_api::controller::PartitionStatus;
    use trimaran_types::{PartitionEpoch, PartitionIndex, TopicId, TopicName};

    use super::*;

    const OWN: BrokerId = BrokerId(1);
    const EPOCH: LeaderEpoch = LeaderEpoch(4);

    fn partition() -> TopicIdPartition {
        let topic_id: TopicId = "AAAAAAAAAAAAAAAAAAAAAQ".parse().unwrap();
        TopicIdPartition {
            topic_id,
            partition: PartitionIndex(0),
        }
    }

    fn topic(leader: Option<BrokerId>, leader_epoch: LeaderEpoch) -> TopicStatus {
        TopicStatus {
            name: TopicName::new("flights").unwrap(),
            topic_id: partition().topic_id,
            configs: BTreeMap::new(),
            partitions: vec![PartitionStatus {
                partition: PartitionIndex(0),
                leader,
                leader_epoch,
                partition_epoch: PartitionEpoch(9),
                replicas: vec![OWN],
                isr: vec![OWN],
                eligible_leader_replicas: Vec::new(),
                last_change: None,
            }],
        }
    }

    #[test]
    fn only_the_leader_of_this_epoch_may_say_where_the_log_ends() {
        let mut recreated = topic(Some(OWN), EPOCH);
        recreated.topic_id = "AAAAAAAAAAAAAAAAAAAAAg".parse().unwrap();
        let table = [
            (Some(topic(Some(OWN), EPOCH)), None),
            (
                Some(topic(Some(OWN), EPOCH.next())),
                Some(KafkaError::NotLeaderOrFollower),
            ),
            (
                Some(topic(Some(BrokerId(2)), EPOCH)),
                Some(KafkaError::NotLeaderOrFollower),
            ),
            (
                Some(topic(None, EPOCH)),
                Some(KafkaError::NotLeaderOrFollower),
            ),
            (Some(recreated), Some(KafkaError::NotLeaderOrFollower)),
            (None, Some(KafkaError::OffsetNotAvailable)),
        ];
        for (answer, expected) in table {
            let judged = judge(answer.as_ref(), partition(), (OWN, Some(EPOCH)));
            let error = judged.err().and_then(|refusal| refusal.body.kafka_error);
            assert_eq!(error, expected, "{answer:?}");
        }
    }
}
