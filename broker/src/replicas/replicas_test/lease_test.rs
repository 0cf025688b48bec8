//! Who may say where a log ends without asking the controllers (ADR 0015, 0016). They answer no such
//! question here, so an answer is one under the lease.

use std::sync::Arc;

use trimaran_api::ApiError;
use trimaran_api::controller::DamageCause;
use trimaran_types::{BrokerId, KafkaError, LeaderEpoch, Offset, TopicIdPartition};

use super::pair::{ONE, Pair, TWO};
use crate::partition::PartitionRole;

async fn written() -> (Pair, TopicIdPartition) {
    let pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    for text in ["a", "b"] {
        pair.append(ONE, id, text).await.unwrap();
    }
    (pair, id)
}

async fn end(
    pair: &Pair,
    at: BrokerId,
    id: TopicIdPartition,
) -> Result<Offset, Option<KafkaError>> {
    let offsets = pair.broker(at).replicas.offsets(id).await;
    let error = |refusal: ApiError| refusal.body.kafka_error;
    offsets.map(|offsets| offsets.high_watermark).map_err(error)
}

const NOT_LEADING: Result<Offset, Option<KafkaError>> = Err(Some(KafkaError::NotLeaderOrFollower));

#[tokio::test]
async fn only_the_leader_of_the_image_answers_and_only_under_a_lease() {
    let (pair, id) = written().await;
    assert_eq!(
        end(&pair, ONE, id).await,
        Err(Some(KafkaError::OffsetNotAvailable))
    );
    pair.give_lease();
    assert_eq!(end(&pair, ONE, id).await, Ok(Offset(2)));
    assert_eq!(end(&pair, TWO, id).await, NOT_LEADING);
    pair.elect(id, TWO);
    pair.until(ONE, id, |status| status.role == PartitionRole::Follower)
        .await;
    assert_eq!(end(&pair, ONE, id).await, NOT_LEADING);
}

/// Its broker lives and has a lease, and the metadata shows it as the leader: still it says nothing,
/// because others may lead as soon as the controllers have heard of it.
#[tokio::test]
async fn a_condemned_leader_says_nothing_before_the_controllers_hear_of_it() {
    let (pair, id) = written().await;
    pair.give_lease();
    let replicas = Arc::clone(&pair.broker(ONE).replicas);
    let kept = replicas.get(id).unwrap();
    let mut reports = replicas.reports();
    let condemning = Arc::clone(&replicas);
    let condemned = tokio::spawn(async move { condemning.condemn(id, DamageCause::Corrupt).await });
    let told = reports.wait_for(|report| !report.damaged.is_empty());
    drop(told.await.unwrap());
    // Not even whoever found the replica before it was condemned.
    assert!(kept.offsets().is_err());
    assert_eq!(end(&pair, ONE, id).await, NOT_LEADING);
    assert_eq!(pair.image().partition(id).unwrap().leader, Some(ONE));
    assert!(condemned.await.unwrap());
}

#[tokio::test]
async fn the_empty_log_in_its_place_never_says_where_the_log_ends() {
    let (mut pair, id) = written().await;
    pair.give_lease();
    pair.hear(ONE);
    let replicas = Arc::clone(&pair.broker(ONE).replicas);
    assert!(replicas.condemn(id, DamageCause::Corrupt).await);
    // However soon it is asked: never less than what was shown.
    while pair.image().partition(id).unwrap().isr != [TWO, ONE] {
        assert_eq!(end(&pair, ONE, id).await, NOT_LEADING);
        tokio::task::yield_now().await;
    }
    pair.elect(id, ONE);
    let epoch = pair.image().partition(id).unwrap().leader_epoch;
    assert!(epoch > LeaderEpoch(1));
    pair.until(ONE, id, |status| {
        status.leader_epoch == Some(epoch) && status.role == PartitionRole::Leader
    })
    .await;
    loop {
        match end(&pair, ONE, id).await {
            // It does not know yet how far its predecessors' records are committed.
            Err(error) => assert_eq!(error, Some(KafkaError::OffsetNotAvailable)),
            Ok(end) => break assert_eq!(end, Offset(2)),
        }
        tokio::task::yield_now().await;
    }
}

/// A follower that is condemned costs its leader an epoch and nothing else: the leader answers on.
#[tokio::test]
async fn a_leader_answers_on_when_a_follower_is_condemned() {
    let (mut pair, id) = written().await;
    pair.set_config(id, "min.insync.replicas", "1");
    pair.give_lease();
    pair.hear(TWO);
    let replicas = Arc::clone(&pair.broker(TWO).replicas);
    assert!(replicas.condemn(id, DamageCause::Corrupt).await);
    pair.until(ONE, id, |status| {
        status.leader_epoch == Some(LeaderEpoch(1))
    })
    .await;
    assert_eq!(end(&pair, ONE, id).await, Ok(Offset(2)));
    assert_eq!(end(&pair, TWO, id).await, NOT_LEADING);
}
