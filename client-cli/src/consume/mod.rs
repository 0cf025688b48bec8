//! `trimaran consume`: records of a topic, to standard output.

mod follow;
mod record_text;
mod start;

use clap::{Args, ValueEnum};
use trimaran_api::rest::{OffsetsV2, TopicV2};
use trimaran_types::{Offset, PartitionIndex, Timestamp, TopicName};

pub(crate) use start::Start;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{OutputFormat, Printer};
use crate::partition_reader::{PartitionReader, ReadRecord};

/// How long one read below the end waits; data is there, so this only bounds a leader change.
const READ_WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// Reads in a row that may give nothing below the end before we say that something is wrong.
const EMPTY_READS_MAX: usize = 5;

/// What to read, and how to show it.
#[derive(Debug, Args)]
pub(crate) struct ConsumeArguments {
    /// The topic.
    pub(crate) topic: TopicName,
    /// Only this partition; default: all of them, one after the other.
    #[arg(short, long)]
    pub(crate) partition: Option<u32>,
    /// Where to begin in each partition: earliest, latest or an offset.
    #[arg(short, long, default_value = "earliest")]
    pub(crate) from: Start,
    /// Begin at the first record of this time or later, in each partition; where there is none, at
    /// the end. UTC such as 2026-11-21T10:00:00Z, milliseconds since 1970, or how long ago: -1h, -90s.
    #[arg(
        long,
        value_name = "TIME",
        value_parser = start::time,
        allow_hyphen_values = true,
        conflicts_with = "from"
    )]
    pub(crate) from_time: Option<Timestamp>,
    /// Stop after this many records.
    #[arg(short = 'n', long)]
    pub(crate) count: Option<u64>,
    /// Go on at the end and wait for new records; order holds within a partition.
    #[arg(long)]
    pub(crate) follow: bool,
    /// What to write of each record.
    #[arg(long, value_enum, default_value_t = RecordFormat::Value)]
    pub(crate) format: RecordFormat,
}

/// What to write of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordFormat {
    /// The value's bytes as they are, and a newline.
    Value,
    /// One line of JSON with partition, offset, timestamp, key and value.
    Json,
}

impl ConsumeArguments {
    /// # Errors
    /// When the topic or partition does not exist, or nobody answers for it.
    pub(crate) async fn run(
        self,
        connection: &Connection,
        printer: Printer,
    ) -> Result<(), Failure> {
        // `-o json` asks for JSON everywhere, so it does here.
        let is_json = self.format == RecordFormat::Json || printer.format() == OutputFormat::Json;
        let format = if is_json {
            RecordFormat::Json
        } else {
            RecordFormat::Value
        };
        let mut sink = Sink {
            printer,
            format,
            left: self.count.unwrap_or(u64::MAX),
        };
        let partitions = self.partitions(connection).await?;
        if self.follow {
            return follow::run(
                connection,
                &self.topic,
                &partitions,
                self.start(),
                &mut sink,
            )
            .await;
        }
        let (mut beyond, mut some_reach) = (None, false);
        for partition in partitions {
            let (bounds, from) = self
                .start()
                .find(connection, &self.topic, partition)
                .await?;
            if from > bounds.end_offset {
                beyond.get_or_insert_with(|| beyond_the_end(&self.topic, partition, from, &bounds));
                continue;
            }
            some_reach = true;
            let end = bounds.end_offset;
            self.read_to_end(connection, (partition, from, end), &mut sink)
                .await?;
            if sink.left == 0 {
                break;
            }
        }
        // Nothing at all would look as if everything had been read.
        beyond.filter(|_| !some_reach).map_or(Ok(()), Err)
    }

    fn start(&self) -> Start {
        self.from_time.map_or(self.from, Start::Since)
    }

    async fn partitions(&self, connection: &Connection) -> Result<Vec<PartitionIndex>, Failure> {
        if let Some(partition) = self.partition {
            return Ok(vec![PartitionIndex(partition)]);
        }
        let topic: TopicV2 = connection
            .get(&format!("topics/{}", self.topic), &[])
            .await?;
        Ok(topic
            .partitions
            .iter()
            .map(|partition| partition.partition)
            .collect())
    }

    /// Reads a partition from an offset up to where it ended when we came.
    async fn read_to_end(
        &self,
        connection: &Connection,
        (partition, from, end): (PartitionIndex, Offset, Offset),
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        let mut reader = PartitionReader::new(connection, &self.topic, partition, from);
        let mut empty_reads = 0;
        while reader.position() < end && sink.left > 0 {
            let records = reader.read(READ_WAIT).await?;
            empty_reads = if records.is_empty() {
                empty_reads + 1
            } else {
                0
            };
            if empty_reads == EMPTY_READS_MAX {
                return Err(stuck(&self.topic, partition, reader.position(), end));
            }
            sink.write(records.iter().filter(|record| record.offset < end))?;
        }
        Ok(())
    }
}

/// Where records are, for one who asked for what is not there yet.
fn beyond_the_end(
    topic: &TopicName,
    partition: PartitionIndex,
    from: Offset,
    bounds: &OffsetsV2,
) -> Failure {
    let OffsetsV2 {
        beginning_offset: start,
        end_offset: end,
    } = bounds;
    Failure::failed(format!(
        "{topic}-{partition} has records from offset {start} up to {end} (excluded), none at {from}"
    ))
    .try_next(format!(
        "trimaran consume {topic} --partition {partition} --from {start}   (or --from earliest)"
    ))
}

fn stuck(topic: &TopicName, partition: PartitionIndex, at: Offset, end: Offset) -> Failure {
    Failure::failed(format!(
        "{topic}-{partition} gave nothing at offset {at} in {EMPTY_READS_MAX} reads, though it ends at {end}"
    ))
    .try_next(format!("trimaran topic describe {topic}"))
}

/// Where records go, until there have been enough.
#[derive(Debug)]
struct Sink {
    printer: Printer,
    format: RecordFormat,
    left: u64,
}

impl Sink {
    fn write<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a ReadRecord>,
    ) -> Result<(), Failure> {
        for record in records {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            match self.format {
                RecordFormat::Json => self.printer.json_line(&record_text::json(record))?,
                RecordFormat::Value => {
                    self.printer
                        .raw(record.value.as_deref().unwrap_or_default())?;
                    self.printer.raw(b"\n")?;
                }
            }
        }
        self.printer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_beyond_the_end_is_answered_with_the_bounds() {
        let bounds = OffsetsV2 {
            beginning_offset: Offset(3),
            end_offset: Offset(9),
        };
        let topic = TopicName::new("t").unwrap();
        let failure = beyond_the_end(&topic, PartitionIndex(1), Offset(999), &bounds);
        assert_eq!(
            failure.message(),
            "t-1 has records from offset 3 up to 9 (excluded), none at 999"
        );
    }
}
