//! The loop around every routed request: find the leader, try, wait for newer metadata, try again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use trimaran_api::ApiError;
use trimaran_metadata::MetadataImage;
use trimaran_types::{BrokerId, KafkaError, TopicIdPartition};

use super::{Whereabouts, locate};

/// Between tries while the metadata stays as it is: the leader may be about to take over.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// A try that failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// Why.
    pub(super) error: ApiError,
    /// Whether the request may be sent again: it had no effect, and another leader may do better.
    pub(super) may_retry: bool,
}

impl Failure {
    pub(super) const fn last(error: ApiError) -> Self {
        Self {
            error,
            may_retry: false,
        }
    }
}

/// Whether an error says no more than that the work has to be done elsewhere, or a moment later.
pub(super) const fn is_about_leadership(error: KafkaError) -> bool {
    matches!(
        error,
        KafkaError::NotLeaderOrFollower
            | KafkaError::LeaderNotAvailable
            | KafkaError::BrokerNotAvailable
            | KafkaError::FencedLeaderEpoch
            | KafkaError::UnknownLeaderEpoch
            | KafkaError::KafkaStorageError
            | KafkaError::UnknownTopicId
            | KafkaError::OffsetNotAvailable
    )
}

/// Tries until success, a final refusal, or `deadline`; `attempt` is told where the leader is.
pub(super) async fn until_deadline<T, F>(
    image: &watch::Receiver<Arc<MetadataImage>>,
    me: BrokerId,
    partition: TopicIdPartition,
    deadline: Instant,
    mut attempt: impl FnMut(Whereabouts) -> F,
) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut image = image.clone();
    let mut pause = PAUSE_MIN;
    loop {
        let seen = Arc::clone(&image.borrow_and_update());
        let located = locate(&seen, partition, me);
        let has_leader = located.is_ok();
        let error = match located {
            Ok(place) => match attempt(place).await {
                Ok(done) => return Ok(done),
                Err(failure) if failure.may_retry => failure.error,
                Err(failure) => return Err(failure.error),
            },
            Err(error) if error.body.kafka_error == Some(KafkaError::LeaderNotAvailable) => error,
            Err(unknown) => return Err(unknown),
        };
        let now = Instant::now();
        if now >= deadline {
            return Err(error);
        }
        // Without a leader only newer metadata can help.
        let until = if has_leader {
            deadline.min(now + pause)
        } else {
            deadline
        };
        pause = (pause * 2).min(PAUSE_MAX);
        let before = leadership(&seen, partition);
        let moved = image.wait_for(|image| leadership(image, partition) != before);
        tokio::select! {
            Ok(_) = moved => {}
            () = tokio::time::sleep_until(until) => {}
        }
        if Instant::now() >= deadline {
            return Err(error);
        }
    }
}

/// What decides where a partition's work is done.
fn leadership(
    image: &MetadataImage,
    partition: TopicIdPartition,
) -> Option<(Option<BrokerId>, i32)> {
    let state = image.partition(partition)?;
    Some((state.leader, state.leader_epoch.0))
}
