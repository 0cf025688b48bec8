//! [`Consumer`]: follows one partition from its beginning by long polls, and records what it sees.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::sync::watch;
use trimaran_types::{Offset, PartitionIndex};

use super::{Answer, Rest};
use crate::history::{PositionRefused, Read, Recorder, SeenRecord, ValueId};

/// How long the cluster may hold a read that finds nothing.
const LONG_POLL: Duration = Duration::from_millis(500);

/// How long the client waits for the answer of such a read.
const READ_PATIENCE: Duration = Duration::from_secs(5);

/// Pause after a read that failed.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Most bytes asked for at once.
const READ_BYTES_MAX: usize = 256 * 1024;

/// What a consumer reads.
#[derive(Debug, Clone)]
pub struct ConsumerPlan {
    /// Its name; unique in a run.
    pub consumer: u32,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: PartitionIndex,
}

/// A consumer at work.
#[derive(Debug)]
pub struct Consumer {
    plan: ConsumerPlan,
    rest: Rest,
    recorder: Recorder,
    stop: watch::Receiver<bool>,
}

/// One answer to a read.
#[derive(Debug)]
pub(super) enum ReadAnswer {
    /// Records, or none yet.
    Records(Vec<SeenRecord>),
    /// The offset is out of range.
    OutOfRange(String),
    /// Not now.
    NotNow,
}

impl Consumer {
    /// A consumer that stands at offset 0.
    #[must_use]
    pub const fn new(
        plan: ConsumerPlan,
        rest: Rest,
        recorder: Recorder,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            plan,
            rest,
            recorder,
            stop,
        }
    }

    /// Reads until told to stop, each time through a broker that chance picks.
    ///
    /// # Errors
    /// The cluster gives an answer that no consumer can use.
    pub async fn run(self) -> Result<()> {
        let partition = self.plan.partition;
        let mut position = Offset::ZERO;
        while !*self.stop.borrow() {
            let broker = self.rest.any_broker();
            let place = (self.plan.topic.as_str(), partition, position);
            match read(&self.rest, broker, place, LONG_POLL).await? {
                ReadAnswer::Records(records) => {
                    let from = position;
                    position = records.last().map_or(from, |record| record.offset.next());
                    self.recorder.read(Read {
                        consumer: self.plan.consumer,
                        partition,
                        from,
                        completed: self.recorder.now(),
                        records,
                    });
                }
                ReadAnswer::OutOfRange(message) => {
                    self.recorder.position_refused(PositionRefused {
                        consumer: self.plan.consumer,
                        partition,
                        position,
                        completed: self.recorder.now(),
                        message,
                    });
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                ReadAnswer::NotNow => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
        Ok(())
    }
}

/// One read of `(topic, partition, offset)` through `broker`.
///
/// # Errors
/// The answer is none that the interface knows.
pub(super) async fn read(
    rest: &Rest,
    broker: &str,
    (topic, partition, from): (&str, PartitionIndex, Offset),
    wait: Duration,
) -> Result<ReadAnswer> {
    let url = format!(
        "http://{broker}/topics/{topic}/partitions/{partition}/records?offset={from}&timeout={}\
         &max_bytes={READ_BYTES_MAX}",
        wait.as_millis()
    );
    let request = rest
        .http()
        .get(url)
        .header("accept", "application/vnd.kafka.json.v2+json")
        .timeout(READ_PATIENCE);
    let answer = match request.send().await {
        Ok(response) => Answer::read(response).await,
        Err(error) => Err(error),
    };
    let Ok(answer) = answer else {
        rest.was_silent(broker);
        return Ok(ReadAnswer::NotNow);
    };
    if answer.is_success() {
        return seen(&answer).map(ReadAnswer::Records);
    }
    let error = answer.body.get("kafka_error").and_then(Value::as_str);
    if error == Some("OFFSET_OUT_OF_RANGE") {
        return Ok(ReadAnswer::OutOfRange(format!("{answer} from {broker}")));
    }
    if answer.is_retriable() || answer.status >= 500 {
        return Ok(ReadAnswer::NotNow);
    }
    bail!("a read of {topic}-{partition} at {from} was answered {answer}")
}

fn seen(answer: &Answer) -> Result<Vec<SeenRecord>> {
    let records = answer
        .body
        .as_array()
        .context("a read is answered with an array")?;
    let of_one = |record: &Value| {
        let offset = record.get("offset").and_then(Value::as_i64);
        Some(SeenRecord {
            offset: Offset(offset?),
            value: record.get("value").and_then(ValueId::from_json),
        })
    };
    let seen: Option<Vec<SeenRecord>> = records.iter().map(of_one).collect();
    seen.with_context(|| format!("a record without an offset in {answer}"))
}
