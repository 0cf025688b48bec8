//! [`Tasks`]: the parts of a broker that run beside each other, and how their failure is noticed.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Fatal;

/// Failures that nobody has looked at yet; the first one ends the process.
const FAILURES_MAX: usize = 16;

/// Starts tasks and hears of their end.
#[derive(Debug, Clone)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    failures: mpsc::Sender<Fatal>,
}

impl Tasks {
    /// None yet; the receiver gets what cannot be got over.
    pub(super) fn new() -> (Self, mpsc::Receiver<Fatal>) {
        let (failures, heard) = mpsc::channel(FAILURES_MAX);
        let tracker = TaskTracker::new();
        (Self { tracker, failures }, heard)
    }

    /// Runs `part` until `stop`. Its error, or its end before `stop`, ends the broker.
    pub(super) fn run<E: Into<Fatal> + Send + 'static>(
        &self,
        task: &'static str,
        stop: &CancellationToken,
        part: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let (failures, stop) = (self.failures.clone(), stop.clone());
        let running = self.tracker.spawn(part_to_its_end(part));
        self.tracker.spawn(async move {
            let failure = match running.await {
                Ok(Err(error)) => error,
                Ok(Ok(())) | Err(_) if stop.is_cancelled() => return,
                Ok(Ok(())) | Err(_) => Fatal::TaskEnded { task },
            };
            // A full channel means that the broker is ending already.
            let _ = failures.try_send(failure);
        });
    }

    /// Runs `part`, which never ends by itself, until `stop`.
    pub(super) fn run_forever(
        &self,
        task: &'static str,
        stop: &CancellationToken,
        part: impl Future<Output = ()> + Send + 'static,
    ) {
        let token = stop.clone();
        self.run(task, stop, async move {
            tokio::select! {
                () = token.cancelled() => Ok(()),
                () = part => Err(Fatal::TaskEnded { task }),
            }
        });
    }

    /// Waits until all tasks have ended; the caller has stopped them.
    pub(super) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

async fn part_to_its_end<E: Into<Fatal>>(
    part: impl Future<Output = Result<(), E>>,
) -> Result<(), Fatal> {
    part.await.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_end_before_the_stop_is_a_failure_and_after_it_is_none() {
        let (tasks, mut heard) = Tasks::new();
        let stop = CancellationToken::new();
        tasks.run("early", &stop, async { Ok::<(), Fatal>(()) });
        assert!(matches!(
            heard.recv().await,
            Some(Fatal::TaskEnded { task: "early" })
        ));
        tasks.run_forever("forever", &stop, std::future::pending());
        stop.cancel();
        tasks.ended().await;
        assert!(heard.try_recv().is_err());
    }
}
