//! [`Proposer`]: the handle of the proposer's task.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use trimaran_metadata::{MetadataImage, MetadataRecord};

use super::ProposeError;
use super::caller::Caller;
use crate::decide::{Decision, Refusal};

/// Changes that may wait for the task.
pub(super) const MAILBOX_LENGTH: usize = 1_024;

/// What confirms a decision that changes nothing while nothing is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirm {
    /// A round of the quorum (ReadIndex): an isolated controller cannot answer.
    Quorum,
    /// Nothing: the answer promises nothing.
    Nothing,
}

/// Told once what became of the entry that a decision rests on.
pub(super) type Waiter = Box<dyn FnOnce(Result<(), ProposeError>) + Send>;

/// Decides on an image: the records, and who waits for them.
pub(super) type Decide = Box<dyn FnOnce(&MetadataImage) -> (Vec<MetadataRecord>, Waiter) + Send>;

/// One change to be decided.
pub(super) struct Job {
    pub(super) decide: Decide,
    /// Answers without deciding.
    pub(super) answer: Waiter,
    pub(super) confirm: Confirm,
}

/// Proposes changes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Proposer {
    jobs: mpsc::Sender<Job>,
    active_term: watch::Receiver<Option<u64>>,
    timeout: Duration,
}

impl Proposer {
    pub(super) fn new(
        jobs: mpsc::Sender<Job>,
        active_term: watch::Receiver<Option<u64>>,
        timeout: Duration,
    ) -> Self {
        Self {
            jobs,
            active_term,
            timeout,
        }
    }

    /// The same, with at most `patience` for each change.
    #[must_use]
    pub(crate) fn within(&self, patience: Duration) -> Self {
        Self {
            timeout: self.timeout.min(patience),
            ..self.clone()
        }
    }

    /// Decides by `decide` on the image and what is pending, and waits until the decision, and all
    /// it was decided on, is committed and applied here. `decide` runs at most once.
    ///
    /// A refusal waits likewise: what it saw may have been pending. What nobody waits for any more
    /// when its turn comes is not decided.
    ///
    /// # Errors
    /// `Unknown` alone leaves open whether the change took effect. What has not been decided when
    /// time is up is `NotController`, and will not be.
    pub(crate) async fn propose<R: Send + 'static>(
        &self,
        confirm: Confirm,
        decide: impl FnOnce(&MetadataImage) -> Result<Decision<R>, Refusal> + Send + 'static,
    ) -> Result<R, ProposeError> {
        let (sender, receiver) = oneshot::channel::<Result<R, ProposeError>>();
        // Whoever answers takes it: the decision's waiter, or the refusal to decide at all.
        let caller = Arc::new(Caller::new(sender));
        let (for_decision, for_refusal) = (Arc::clone(&caller), Arc::clone(&caller));
        let job = Job {
            decide: Box::new(move |image| {
                if !for_decision.begin() {
                    let nobody: Waiter = Box::new(|_| {});
                    return (Vec::new(), nobody);
                }
                let (records, result) = match decide(image) {
                    Ok(decision) => (decision.records, Ok(decision.response)),
                    Err(refusal) => (Vec::new(), Err(ProposeError::Refused(refusal))),
                };
                let waiter: Waiter =
                    Box::new(move |outcome| for_decision.answer(outcome.and(result)));
                (records, waiter)
            }),
            answer: Box::new(move |outcome| {
                if let Err(error) = outcome {
                    for_refusal.answer(Err(error));
                }
            }),
            confirm,
        };
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ProposeError::Busy,
            mpsc::error::TrySendError::Closed(_) => ProposeError::NotController,
        })?;
        match tokio::time::timeout(self.timeout, receiver).await {
            Ok(Ok(answer)) => answer,
            Err(_) if caller.give_up() => Err(ProposeError::NotController),
            Ok(Err(_)) | Err(_) => Err(ProposeError::Unknown),
        }
    }

    /// The term in which this controller is active: leader, and its own term's first entry
    /// applied. `None` while it is not.
    #[must_use]
    pub(crate) fn active_term(&self) -> Option<u64> {
        *self.active_term.borrow()
    }

    /// Follows [`Self::active_term`].
    #[must_use]
    pub(crate) fn watch_active_term(&self) -> watch::Receiver<Option<u64>> {
        self.active_term.clone()
    }
}
