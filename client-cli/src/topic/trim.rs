//! `trimaran topic trim`.

use clap::Args;
use reqwest::Method;
use trimaran_api::rest::{TruncateBody, TruncationData};
use trimaran_types::{KafkaError, PartitionIndex, TopicName};

use crate::connection::Connection;
use crate::failure::Failure;

/// What `topic trim` needs to know.
#[derive(Debug, Args)]
pub(crate) struct TrimArguments {
    /// The topic.
    pub(crate) topic: TopicName,
    /// The partition.
    #[arg(long, short, value_name = "P")]
    partition: u32,
    /// The first offset to keep, or 'latest' to keep nothing that is committed.
    #[arg(long, value_name = "OFFSET", value_parser = first_kept)]
    before: i64,
}

/// An offset as Kafka's DeleteRecords has it: -1 stands for the high watermark.
fn first_kept(text: &str) -> Result<i64, String> {
    match text.parse() {
        Ok(offset) if offset >= 0 => Ok(offset),
        _ if text == "latest" => Ok(-1),
        _ => Err("expected an offset from 0 up, or 'latest'".to_owned()),
    }
}

impl TrimArguments {
    /// Deletes the records before the offset, for good.
    ///
    /// # Errors
    /// When the cluster refuses, or does not answer.
    pub(crate) async fn trim(&self, connection: &Connection) -> Result<TruncationData, Failure> {
        let cluster_id = connection.cluster_id().await?;
        let (topic, partition) = (&self.topic, PartitionIndex(self.partition));
        let path =
            format!("v3/clusters/{cluster_id}/topics/{topic}/partitions/{partition}:truncate");
        let body = TruncateBody {
            before_offset: self.before,
            timeout_ms: None,
        };
        let done = connection.change(Method::POST, &path, Some(&body)).await;
        done.map_err(hinted)
    }
}

/// What to try of this command; the hint for offsets is that of readers.
fn hinted(failure: Failure) -> Failure {
    if failure.is_kafka(KafkaError::OffsetOutOfRange) {
        failure.try_next("--before latest   (deletes all that is committed)")
    } else {
        failure
    }
}

/// The result for people.
pub(crate) fn text(done: &TruncationData) -> String {
    format!(
        "{}-{} starts at offset {} now",
        done.topic_name, done.partition_id, done.log_start_offset
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_out_of_range_gets_a_hint_that_this_command_knows() {
        let refusal = trimaran_api::ApiError::kafka(KafkaError::OffsetOutOfRange, "too far");
        let shown = format!("{:?}", hinted(Failure::of_refusal(&refusal)));
        assert!(shown.contains("--before latest"), "{shown}");
        assert!(!shown.contains("--from"), "{shown}");
    }

    #[test]
    fn what_is_kept_is_an_offset_or_nothing() {
        assert_eq!([first_kept("0"), first_kept("17")], [Ok(0), Ok(17)]);
        assert_eq!(first_kept("latest"), Ok(-1));
        for wrong in ["-1", "x", "", "earliest"] {
            assert!(first_kept(wrong).is_err(), "{wrong}");
        }
    }
}
