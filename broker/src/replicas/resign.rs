//! The end of this broker's leaderships, as far as it is in its own hands.
//!
//! A leadership that moves while appends wait leaves their callers in doubt: the next leader may
//! have the records, or not. So a broker that is about to stop takes no more appends first, lets
//! those that it took be answered, and only then asks for its leaderships to be moved. What it
//! refuses meanwhile was surely not written, and is tried again at the next leader.

use std::time::Duration;

use tokio_util::task::task_tracker::TaskTrackerToken;
use trimaran_api::ApiError;
use trimaran_types::{KafkaError, TopicPartition};

use super::Replicas;
use crate::partition::not_serving;

impl Replicas {
    /// Refuses every further append, and waits until those that were taken are answered, at most
    /// `patience`. Tells whether all of them were.
    pub async fn resign(&self, patience: Duration) -> bool {
        self.appends.close();
        tokio::time::timeout(patience, self.appends.wait())
            .await
            .is_ok()
    }

    /// Counts an append in, until the token is dropped.
    ///
    /// # Errors
    /// This broker resigns. The count comes before the look, so that no append is overlooked.
    pub(super) fn count_in(
        &self,
        partition: &TopicPartition,
    ) -> Result<TaskTrackerToken, ApiError> {
        let token = self.appends.token();
        if self.appends.is_closed() {
            let error = KafkaError::NotLeaderOrFollower;
            return Err(not_serving(&partition.to_string(), error));
        }
        Ok(token)
    }
}
