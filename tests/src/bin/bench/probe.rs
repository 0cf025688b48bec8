//! [`Probe`]: one small record after the other through brokers that stay alive, to see gaps.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use trimaran_tests::client::{Producer, ProducerPlan, Rest};
use trimaran_tests::history::{Gap, Recorder, longest_gap};

/// A producer in the background.
#[derive(Debug)]
pub(crate) struct Probe {
    recorder: Recorder,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<()>>,
}

impl Probe {
    /// Writes to partition 0 of `topic` through `brokers`.
    pub(crate) fn start(http: &reqwest::Client, brokers: Vec<String>, topic: &str) -> Result<Self> {
        let rest = Rest::new(http.clone(), brokers, 7)?;
        let recorder = Recorder::default();
        let stop = watch::Sender::new(false);
        let plan = ProducerPlan {
            pause: Duration::from_millis(1),
            patience: Duration::from_secs(2),
            ..ProducerPlan::gentle(0, topic, 1)
        };
        let acked: Arc<[AtomicU64]> = Arc::from([AtomicU64::new(0)]);
        let producer = Producer::new(plan, rest, recorder.clone(), acked, stop.subscribe());
        Ok(Self {
            recorder,
            stop,
            task: tokio::spawn(producer.run()),
        })
    }

    /// Time since it began.
    pub(crate) fn now(&self) -> Duration {
        self.recorder.now()
    }

    /// Waits until a record was sent after `since` and acknowledged.
    pub(crate) async fn wait_for_ack_after(&self, since: Duration) -> Result<()> {
        trimaran_tests::until("an acknowledgement", Duration::from_secs(30), async || {
            let history = self.recorder.history();
            let mut newest = history.attempts.iter().rev();
            let acked = newest.find(|attempt| attempt.acked_offset().is_some());
            Ok(acked.filter(|attempt| attempt.invoked > since).map(|_| ()))
        })
        .await
    }

    /// Stops it: the longest stretch without an acknowledgement.
    pub(crate) async fn finish(self) -> Result<Gap> {
        // When it has ended by itself, the join tells why.
        let _ = self.stop.send(true);
        self.task.await.context("the probe panicked")??;
        longest_gap(&self.recorder.history().attempts, None).context("the probe wrote nothing")
    }
}
