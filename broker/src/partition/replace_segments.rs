//! A cleaned segment is swapped in: the cleaner asks, the owner of the log does it.

use tokio::sync::oneshot;
use trimaran_commit_log::{CleanedSegment, ProducerEnd, ReplaceError, Replaced};

use super::event::Event;
use super::owner::Owner;
use super::{PartitionHandle, PartitionRole};

impl PartitionHandle {
    /// Has the owner swap a cleaned segment in, and waits for it. Not for a thread of the runtime.
    ///
    /// # Errors
    /// Those of [`trimaran_commit_log::Log::replace_segments`]; an owner that has ended counts as a
    /// changed log.
    pub(crate) fn replace_segments_blocking(
        &self,
        cleaned: CleanedSegment,
    ) -> Result<Replaced, ReplaceError> {
        let (reply, answer) = oneshot::channel();
        let event = Event::ReplaceSegments(Box::new(cleaned), reply);
        if !self.send_blocking(event) {
            return Err(ReplaceError::Changed);
        }
        answer.blocking_recv().unwrap_or(Err(ReplaceError::Changed))
    }

    /// Where the log's producers stand; `None` when the owner has ended. Not for a thread of the
    /// runtime.
    pub(crate) fn producer_ends_blocking(&self) -> Option<Vec<ProducerEnd>> {
        let (reply, answer) = oneshot::channel();
        self.send_blocking(Event::ProducerEnds(reply))
            .then(|| answer.blocking_recv().ok())
            .flatten()
    }

    /// Whether the log can be cleaned: its owner lives and its disk works.
    pub(crate) fn is_in_service(&self) -> bool {
        !matches!(
            self.status().role,
            PartitionRole::Failed | PartitionRole::Stopped
        )
    }
}

impl Owner {
    pub(super) fn tell_producer_ends(&self, reply: oneshot::Sender<Vec<ProducerEnd>>) {
        let _ = reply.send(self.log.producer_ends());
    }

    /// Blocks for two syncs of the directory, some ten times an hour at most: a cut of the log,
    /// the only other thing that touches its finished segments, cannot come between.
    pub(super) fn replace_segments(
        &mut self,
        cleaned: &CleanedSegment,
        reply: oneshot::Sender<Result<Replaced, ReplaceError>>,
    ) {
        let replaced = self.log.replace_segments(cleaned);
        if let Err(ReplaceError::DirFailed(failed)) = &replaced {
            self.fail(&failed.to_string());
        }
        let _ = reply.send(replaced);
    }
}
