//! Old records go: the log decides within what is committed, its files go when the new start is on
//! the disk.

use tokio::sync::oneshot;
use trimaran_commit_log::{DeleteError, DeletedSegments, Retained};
use trimaran_types::Offset;

use super::event::Event;
use super::owner::Owner;
use super::role::Role;
use super::{Clock, PartitionHandle};

impl PartitionHandle {
    /// Lets go of what the topic's settings let go; tells what may be deleted once the log start
    /// is on the disk.
    pub(crate) async fn retain(&self) -> Option<Retained> {
        let (reply, answer) = oneshot::channel();
        if !self.send(Event::Retain(reply)).await {
            return None;
        }
        answer.await.ok().flatten()
    }

    /// Takes segments out of the log that end at or below `durable_start`.
    pub(crate) async fn delete_segments(&self, durable_start: Offset) -> Option<DeletedSegments> {
        let (reply, answer) = oneshot::channel();
        if !self.send(Event::DeleteSegments(durable_start, reply)).await {
            return None;
        }
        answer.await.ok().flatten()
    }
}

impl Owner {
    pub(super) fn retain(&mut self, reply: oneshot::Sender<Option<Retained>>) {
        if matches!(self.role, Role::Failed) {
            return;
        }
        let high_watermark = self.known_high_watermark();
        let retained = self.log.retain(high_watermark, Clock::wall());
        let retained = self.checked(retained);
        if retained.is_some() {
            self.log_start_moved();
        }
        let _ = reply.send(retained);
    }

    pub(super) fn delete_segments(
        &mut self,
        durable_start: Offset,
        reply: oneshot::Sender<Option<DeletedSegments>>,
    ) {
        if matches!(self.role, Role::Failed) {
            return;
        }
        let deleted = self.log.delete_segments(durable_start);
        let _ = reply.send(self.checked(deleted));
    }

    fn checked<T>(&mut self, result: Result<Option<T>, DeleteError>) -> Option<T> {
        result.unwrap_or_else(|error| {
            match &error {
                DeleteError::DirFailed(failed) => self.fail(&failed.to_string()),
                DeleteError::Io { .. } => {
                    tracing::error!(partition = %self.name, %error, "old segments stay");
                }
            }
            None
        })
    }

    /// The log starts later: the core and everybody else hear of it.
    pub(super) fn log_start_moved(&mut self) {
        let log_start = self.log.log_start();
        match &mut self.role {
            Role::Leader(leader) => leader.log_start_raised(log_start),
            Role::Follower(follower) => follower.log_start_raised(log_start),
            Role::Idle(_) | Role::Failed => {
                self.high_watermark = self.high_watermark.max(log_start);
            }
        }
        self.publish();
    }
}
