//! `trimaran produce`: lines of standard input, to a topic.
//!
//! One request at a time, so that lines of one key keep their order. What surely had no effect is
//! sent again; what may have had one never is, and is counted as unknown.

mod embedded_format;
mod lines;
mod outcome;
mod progress;
mod record;
mod sender;
mod summary;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use clap::Args;
use trimaran_types::TopicName;

pub(crate) use embedded_format::EmbeddedFormat;
pub(crate) use outcome::Outcome;
pub(crate) use record::{BadLine, ProduceRecord};
pub(crate) use sender::Sender;

use crate::connection::Connection;
use crate::dev::Signals;
use crate::failure::Failure;
use crate::output::Printer;
use lines::{Batch, Lines};
use progress::Progress;
use summary::Summary;

/// What to send, and as what.
#[derive(Debug, Args)]
pub(crate) struct ProduceArguments {
    /// The topic.
    pub(crate) topic: TopicName,
    /// The field of each JSON line that is the record's key; lines of one key share a partition.
    #[arg(short, long, value_name = "FIELD")]
    pub(crate) key_field: Option<String>,
    /// What a line is: json (checked, and sent as it stands) or text.
    #[arg(long, value_enum, default_value_t = EmbeddedFormat::Json)]
    pub(crate) format: EmbeddedFormat,
    /// How long a batch is tried again while the cluster refuses it without effect, in seconds.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub(crate) patience_s: u64,
}

impl ProduceArguments {
    /// # Errors
    /// When a line is no record, or any record was refused or has an unknown fate.
    pub(crate) async fn run(
        self,
        connection: &Connection,
        mut printer: Printer,
    ) -> Result<(), Failure> {
        if self.key_field.is_some() && self.format == EmbeddedFormat::Text {
            return Err(Failure::usage("--key-field needs JSON lines")
                .try_next("the same without --format text"));
        }
        if std::io::stdin().is_terminal() {
            eprint_hint();
        }
        let started = Instant::now();
        let mut lines = Lines::start(std::io::stdin(), self.format, self.key_field.clone())?;
        let sender = Sender::new(
            connection,
            &self.topic,
            self.format,
            Duration::from_secs(self.patience_s),
        );
        let mut summary = Summary::new(self.topic.clone());
        let progress = Progress::start();
        let mut signals = Signals::catch()?;
        let ended = loop {
            let batch = tokio::select! {
                biased;
                () = signals.next() => break Ended::Interrupted,
                batch = lines.next() => batch,
            };
            match batch {
                None => break Ended::Input,
                Some(Err(error)) => break Ended::BadLine(error),
                Some(Ok(batch)) => {
                    let told = signals.next();
                    if !send(sender.send(&batch.records), told, &batch, &mut summary).await {
                        break Ended::Interrupted;
                    }
                }
            }
            progress.show(&summary);
            if summary.is_hopeless() {
                break Ended::Input;
            }
        };
        progress.clear();
        summary.took(started.elapsed());
        printer.result(&summary, Summary::text)?;
        match ended {
            Ended::Input => summary.verdict(),
            Ended::Interrupted => Err(Failure::interrupted(format!(
                "interrupted: the {} records counted above were sent, what came after them was not",
                summary.sent()
            ))),
            Ended::BadLine(error) => Err(Failure::failed(error.to_string()).try_next(format!(
                "correct the line; the lines before it are counted above ({} sent)",
                summary.sent()
            ))),
        }
    }
}

/// Why no more is sent.
enum Ended {
    /// The input is at its end, or the rest would fare no better.
    Input,
    /// This line is no record.
    BadLine(BadLine),
    /// Somebody wants it to end.
    Interrupted,
}

/// Waits for what becomes of a batch and counts it; false when `told` to end comes first. What was
/// under way then may be written or not.
async fn send(
    sending: impl Future<Output = Vec<Outcome>>,
    told: impl Future<Output = ()>,
    batch: &Batch,
    summary: &mut Summary,
) -> bool {
    let (outcomes, goes_on) = tokio::select! {
        outcomes = sending => (outcomes, true),
        () = told => {
            let reason = "interrupted before the answer came".to_owned();
            (vec![Outcome::Unknown { reason }; batch.records.len()], false)
        }
    };
    for (outcome, line) in outcomes.iter().zip(batch.first_line..) {
        summary.count(line, outcome);
    }
    goes_on
}

/// Someone who typed the command and waits should know that it waits too.
fn eprint_hint() {
    use std::io::Write as _;
    let hint = "reading lines from the terminal; end with Ctrl-D";
    // A terminal that is gone needs no hint.
    let _ = writeln!(std::io::stderr(), "{hint}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use trimaran_types::{Offset, PartitionIndex};

    #[tokio::test]
    async fn what_is_under_way_at_an_interrupt_is_counted_as_unknown() {
        let record = ProduceRecord::of_line("1", 1, EmbeddedFormat::Json, None).unwrap();
        let batch = Batch {
            records: vec![record],
            first_line: 1,
        };
        let mut summary = Summary::new(TopicName::new("t").unwrap());
        let acknowledged = Outcome::Acknowledged {
            partition: PartitionIndex(0),
            offset: Offset(7),
        };
        assert!(send(ready(vec![acknowledged]), pending(), &batch, &mut summary).await);
        assert!(!send(pending(), ready(()), &batch, &mut summary).await);
        assert_eq!((summary.sent(), summary.acknowledged()), (2, 1));
        let text = summary.text();
        assert!(text.contains("1 UNKNOWN"), "{text}");
    }
}
