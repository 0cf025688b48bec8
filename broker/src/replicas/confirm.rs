//! Whether this broker still leads, asked before an answer that only the true leader may give.
//!
//! A broker that was paused leads on in its own eyes until it hears otherwise. A reader that has
//! seen more than such a log holds must not be told that its offset does not exist: it would start
//! over. So the controllers are asked first (promise P-VISIBLE).

use std::time::Duration;

use trimaran_api::client::CallError;
use trimaran_api::controller::TopicStatus;
use trimaran_api::{ApiError, paths};
use trimaran_types::{BrokerId, KafkaError, LeaderEpoch, TopicIdPartition};

use super::Replicas;
use crate::partition::PartitionHandle;

/// How long the controllers may take to say who leads.
const CONFIRM_TIMEOUT: Duration = Duration::from_millis(300);

impl Replicas {
    /// `refusal`, if the controllers say that this broker leads under `epoch`; else one that sends
    /// the reader to the true leader, or lets it ask again.
    pub(super) async fn unless_deposed(
        &self,
        handle: &PartitionHandle,
        partition: TopicIdPartition,
        epoch: Option<LeaderEpoch>,
        refusal: ApiError,
    ) -> ApiError {
        let topic = &handle.topic().topic;
        let path = paths::fill(paths::TOPIC, &[topic]);
        let answer: Result<TopicStatus, CallError> = self
            .context
            .controllers
            .call(CONFIRM_TIMEOUT, |http, base| {
                http.get(format!("{base}{path}")).timeout(CONFIRM_TIMEOUT)
            })
            .await;
        let answer = answer.ok();
        judge(
            answer.as_ref(),
            partition,
            (self.context.broker_id, epoch),
            refusal,
        )
    }
}

/// What the controllers' answer makes of the refusal.
fn judge(
    answer: Option<&TopicStatus>,
    partition: TopicIdPartition,
    (own, epoch): (BrokerId, Option<LeaderEpoch>),
    refusal: ApiError,
) -> ApiError {
    let Some(topic) = answer else {
        let message = format!(
            "{}; but no controller confirms that this broker still leads, ask again",
            refusal.body.message
        );
        return ApiError::kafka(KafkaError::OffsetNotAvailable, message);
    };
    let leads = topic.topic_id == partition.topic_id
        && topic.partitions.iter().any(|state| {
            state.partition == partition.partition
                && state.leader == Some(own)
                && Some(state.leader_epoch) == epoch
        });
    if leads {
        return refusal;
    }
    let message = format!("this broker does not lead {partition} any more");
    ApiError::kafka(KafkaError::NotLeaderOrFollower, message)
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
    fn only_the_leader_of_this_epoch_may_say_that_an_offset_does_not_exist() {
        let mut recreated = topic(Some(OWN), EPOCH);
        recreated.topic_id = "AAAAAAAAAAAAAAAAAAAAAg".parse().unwrap();
        let table = [
            (Some(topic(Some(OWN), EPOCH)), KafkaError::OffsetOutOfRange),
            (
                Some(topic(Some(OWN), EPOCH.next())),
                KafkaError::NotLeaderOrFollower,
            ),
            (
                Some(topic(Some(BrokerId(2)), EPOCH)),
                KafkaError::NotLeaderOrFollower,
            ),
            (Some(topic(None, EPOCH)), KafkaError::NotLeaderOrFollower),
            (Some(recreated), KafkaError::NotLeaderOrFollower),
            (None, KafkaError::OffsetNotAvailable),
        ];
        for (answer, expected) in table {
            let refusal = ApiError::kafka(KafkaError::OffsetOutOfRange, "no offset 9");
            let own = (OWN, Some(EPOCH));
            let judged = judge(answer.as_ref(), partition(), own, refusal);
            assert_eq!(judged.body.kafka_error, Some(expected), "{answer:?}");
        }
    }
}
