//! [`Producer`]: writes unique values until told to stop, and records every attempt.
//!
//! One request at a time. What was surely not written is sent again, to another broker; what may have
//! been written is sent again only when the plan says so, since nobody can tell the copies apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::watch;
use trimaran_types::PartitionIndex;

use super::{ProduceRequest, RecordFate, Rest};
use crate::history::{Attempt, AttemptOutcome, Recorder, ValueId};

/// Pause before something refused is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// What to do with a value of unknown fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnknown {
    /// Leave it: at most once.
    LeaveIt,
    /// Send it again: at least once, with duplicates.
    SendAgain,
}

/// What a producer writes.
#[derive(Debug, Clone)]
pub struct ProducerPlan {
    /// Its name; unique in a run.
    pub producer: u32,
    /// The topic.
    pub topic: String,
    /// It goes round partitions `0..partitions`, one request each.
    pub partitions: u32,
    /// Values a request.
    pub records_per_request: usize,
    /// Text beside each value's id.
    pub padding_bytes: usize,
    /// Pause between two requests, so that a small machine has room for the cluster.
    pub pause: Duration,
    /// How long a request may take.
    pub patience: Duration,
    /// What to do when that was too short.
    pub on_unknown: OnUnknown,
}

impl ProducerPlan {
    /// One small record a request, a request every few milliseconds.
    #[must_use]
    pub fn gentle(producer: u32, topic: &str, partitions: u32) -> Self {
        Self {
            producer,
            topic: topic.to_owned(),
            partitions,
            records_per_request: 1,
            padding_bytes: 100,
            pause: Duration::from_millis(2),
            patience: Duration::from_secs(4),
            on_unknown: OnUnknown::LeaveIt,
        }
    }
}

/// A producer at work.
#[derive(Debug)]
pub struct Producer {
    plan: ProducerPlan,
    rest: Rest,
    recorder: Recorder,
    acked: Arc<[AtomicU64]>,
    stop: watch::Receiver<bool>,
    next_sequence: u64,
}

impl Producer {
    /// A producer that counts its acknowledgements by partition in `acked`.
    #[must_use]
    pub fn new(
        plan: ProducerPlan,
        rest: Rest,
        recorder: Recorder,
        acked: Arc<[AtomicU64]>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            plan,
            rest,
            recorder,
            acked,
            stop,
            next_sequence: 0,
        }
    }

    /// Writes until told to stop.
    ///
    /// # Errors
    /// The cluster refuses a value for good, which a correct one never does.
    pub async fn run(mut self) -> Result<()> {
        let partitions = (0..self.plan.partitions).cycle().map(PartitionIndex);
        for partition in partitions {
            if *self.stop.borrow() {
                return Ok(());
            }
            let values = self.draw_values();
            self.write(partition, values).await?;
            tokio::time::sleep(self.plan.pause).await;
        }
        Ok(())
    }

    fn draw_values(&mut self) -> Vec<ValueId> {
        let producer = self.plan.producer;
        let first = self.next_sequence;
        let count = u64::try_from(self.plan.records_per_request).unwrap_or(1);
        self.next_sequence += count;
        (first..first + count)
            .map(|sequence| ValueId { producer, sequence })
            .collect()
    }

    /// Writes `values`, again and again as far as that is safe, until their fate is settled.
    async fn write(&self, partition: PartitionIndex, mut values: Vec<ValueId>) -> Result<()> {
        while !values.is_empty() {
            let fates = self.attempt(partition, &values).await;
            let mut again = Vec::new();
            for (value, fate) in values.into_iter().zip(fates) {
                match fate {
                    RecordFate::Acked(_) => self.count_acked(partition),
                    RecordFate::Refused {
                        retriable: true, ..
                    } => again.push(value),
                    RecordFate::Refused {
                        retriable: false,
                        why,
                    } => {
                        bail!("value {value} was refused for good: {why}")
                    }
                    RecordFate::Unknown(_) if self.plan.on_unknown == OnUnknown::SendAgain => {
                        again.push(value);
                    }
                    RecordFate::Unknown(_) => {}
                }
            }
            values = again;
            if *self.stop.borrow() {
                return Ok(());
            }
            if !values.is_empty() {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
        Ok(())
    }

    /// One request, recorded.
    async fn attempt(&self, partition: PartitionIndex, values: &[ValueId]) -> Vec<RecordFate> {
        let request = ProduceRequest {
            topic: &self.plan.topic,
            partition,
            values,
            padding_bytes: self.plan.padding_bytes,
            patience: self.plan.patience,
        };
        let invoked = self.recorder.now();
        let fates = request.send(&self.rest).await;
        let completed = self.recorder.now();
        let attempts = values.iter().zip(&fates).map(|(value, fate)| Attempt {
            value: *value,
            partition,
            invoked,
            completed,
            outcome: outcome(fate),
        });
        self.recorder.attempts(attempts);
        fates
    }

    fn count_acked(&self, partition: PartitionIndex) {
        let place = usize::try_from(partition.0).unwrap_or(usize::MAX);
        if let Some(count) = self.acked.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn outcome(fate: &RecordFate) -> AttemptOutcome {
    match fate {
        RecordFate::Acked(offset) => AttemptOutcome::Acked(*offset),
        RecordFate::Refused { why, .. } => AttemptOutcome::Refused(why.clone()),
        RecordFate::Unknown(why) => AttemptOutcome::Unknown(why.clone()),
    }
}
