//! [`Workload`]: clients at work on one topic.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::watch;
use tokio::task::JoinSet;
use trimaran_types::{Offset, PartitionIndex};

use super::WorkloadPlan;
use crate::checker::{Verdict, check};
use crate::client::{
    Admin, Consumer, ConsumerPlan, Producer, ProducerPlan, Rest, end_offset, read_whole,
};
use crate::cluster::Cluster;
use crate::history::{AttemptOutcome, History, Recorder};

/// How long progress may take, on a machine with much else to do.
const PROGRESS_PATIENCE: Duration = Duration::from_secs(60);

/// The dice of the clients: which call goes to which broker is the same in every run.
const SEED: u64 = 42;

/// A topic under load.
#[derive(Debug)]
pub struct Workload {
    plan: WorkloadPlan,
    rest: Rest,
    recorder: Recorder,
    acked: Arc<[AtomicU64]>,
    stop: watch::Sender<bool>,
    clients: JoinSet<Result<()>>,
}

impl Workload {
    /// Creates the topic, starts the clients, and waits until every partition has taken records.
    ///
    /// # Errors
    /// The topic cannot be created, or takes nothing.
    pub async fn start(cluster: &Cluster, plan: WorkloadPlan) -> Result<Self> {
        let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), SEED)?;
        let configs: Vec<(&str, &str)> = plan
            .configs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        Admin::new(rest.clone())
            .create_topic(
                &plan.topic,
                plan.partitions,
                plan.replication_factor,
                &configs,
            )
            .await?;
        let mut workload = Self {
            acked: (0..plan.partitions).map(|_| AtomicU64::new(0)).collect(),
            plan,
            rest,
            recorder: Recorder::default(),
            stop: watch::Sender::new(false),
            clients: JoinSet::new(),
        };
        workload.start_clients();
        workload.wait_for_progress(5).await?;
        Ok(workload)
    }

    fn start_clients(&mut self) {
        for producer in 0..self.plan.producers {
            let mut plan = ProducerPlan::gentle(producer, &self.plan.topic, self.plan.partitions);
            plan.records_per_request = usize::try_from(producer + 1).unwrap_or(1);
            plan.on_unknown = self.plan.on_unknown;
            let producer = Producer::new(
                plan,
                self.rest.clone(),
                self.recorder.clone(),
                self.acked.clone(),
                self.stop.subscribe(),
            );
            self.clients.spawn(producer.run());
        }
        for consumer in 0..self.plan.consumers {
            for partition in 0..self.plan.partitions {
                let plan = ConsumerPlan {
                    consumer,
                    topic: self.plan.topic.clone(),
                    partition: PartitionIndex(partition),
                };
                let consumer = Consumer::new(
                    plan,
                    self.rest.clone(),
                    self.recorder.clone(),
                    self.stop.subscribe(),
                );
                self.clients.spawn(consumer.run());
            }
        }
    }

    /// The client of all brokers.
    #[must_use]
    pub const fn rest(&self) -> &Rest {
        &self.rest
    }

    /// The operator's view.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::new(self.rest.clone())
    }

    /// The topic's name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.plan.topic
    }

    /// Waits until every partition has acknowledged `records` more than now.
    ///
    /// # Errors
    /// One does not in time, or a client failed meanwhile.
    pub async fn wait_for_progress(&mut self, records: u64) -> Result<()> {
        let goals: Vec<u64> = self.counts().map(|count| count + records).collect();
        let what = format!(
            "{records} more records in every partition of {}",
            self.plan.topic
        );
        crate::until(&what, PROGRESS_PATIENCE, async || {
            if let Some(ended) = self.clients.try_join_next() {
                // Nobody told them to stop, so an end is a failure; it is told at the next look.
                ended.context("a client panicked")??;
            }
            let reached = self
                .counts()
                .zip(&goals)
                .all(|(count, goal)| count >= *goal);
            Ok(reached.then_some(()))
        })
        .await
        .with_context(|| {
            format!(
                "acknowledged by partition: {:?}",
                self.counts().collect::<Vec<_>>()
            )
        })
    }

    fn counts(&self) -> impl Iterator<Item = u64> {
        self.acked.iter().map(|count| count.load(Ordering::Relaxed))
    }

    /// Stops the clients, waits until every replica is in sync, reads everything twice through
    /// different brokers, and judges.
    ///
    /// # Errors
    /// A client failed, the topic does not become whole, or a promise was broken.
    pub async fn finish(mut self) -> Result<(Verdict, History)> {
        // Nobody may be left to tell; the join below says why.
        let _ = self.stop.send(true);
        while let Some(ended) = self.clients.join_next().await {
            ended.context("a client panicked")??;
        }
        self.admin()
            .wait_for_full_isr(&self.plan.topic, PROGRESS_PATIENCE)
            .await?;
        for partition in (0..self.plan.partitions).map(PartitionIndex) {
            let end_min = self.end_min(partition);
            for broker in self.rest.brokers().iter().take(2) {
                let read = read_whole(&self.rest, broker, &self.plan.topic, partition, end_min);
                self.recorder.final_read(read.await?);
            }
        }
        let history = self.recorder.history();
        let verdict = check(&history).into_result()?;
        eprintln!("{}: {verdict}", self.plan.topic);
        for why in reasons_of_unknown(&history) {
            eprintln!("  unknown: {why}");
        }
        Ok((verdict, history))
    }

    /// Where a partition must end at the least, after what clients were told: behind the last record
    /// acknowledged or read.
    fn end_min(&self, partition: PartitionIndex) -> Offset {
        let history = self.recorder.history();
        let acked = history
            .attempts
            .iter()
            .filter(|it| it.partition == partition);
        let acked = acked.filter_map(|it| it.acked_offset());
        let reads = history.reads.iter().filter(|it| it.partition == partition);
        let read = reads.filter_map(|it| Some(it.records.last()?.offset));
        acked.chain(read).max().map_or(Offset::ZERO, Offset::next)
    }

    /// Sum of the end offsets of all partitions, as one broker tells them.
    ///
    /// # Errors
    /// It does not tell.
    pub async fn total_end(&self, broker: &str) -> Result<i64> {
        let mut total = 0;
        for partition in (0..self.plan.partitions).map(PartitionIndex) {
            let offsets = end_offset(&self.rest, broker, &self.plan.topic, partition).await?;
            total += offsets.end_offset.0;
        }
        Ok(total)
    }
}

/// Why fates are unknown: the first few different reasons, to be seen on failure.
fn reasons_of_unknown(history: &History) -> BTreeSet<String> {
    let why = history
        .attempts
        .iter()
        .filter_map(|attempt| match &attempt.outcome {
            AttemptOutcome::Unknown(why) => Some(why.chars().take(200).collect()),
            AttemptOutcome::Acked(_) | AttemptOutcome::Refused(_) => None,
        });
    why.take(5).collect()
}
