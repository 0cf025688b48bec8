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
        let mut bad_line = None;
        while let Some(batch) = lines.next().await {
            match batch {
                Ok(batch) => self.send(&sender, batch, &mut summary).await,
                Err(error) => bad_line = Some(error),
            }
            progress.show(&summary);
            if bad_line.is_some() || summary.is_hopeless() {
                break;
            }
        }
        progress.clear();
        summary.took(started.elapsed());
        printer.result(&summary, Summary::text)?;
        if let Some(error) = bad_line {
            return Err(Failure::failed(error.to_string()).try_next(format!(
                "correct the line; the lines before it are counted above ({} sent)",
                summary.sent()
            )));
        }
        summary.verdict()
    }

    async fn send(&self, sender: &Sender<'_>, batch: Batch, summary: &mut Summary) {
        let outcomes = sender.send(&batch.records).await;
        for (outcome, line) in outcomes.iter().zip(batch.first_line..) {
            summary.count(line, outcome);
        }
    }
}

/// Someone who typed the command and waits should know that it waits too.
fn eprint_hint() {
    use std::io::Write as _;
    let hint = "reading lines from the terminal; end with Ctrl-D";
    // A terminal that is gone needs no hint.
    let _ = writeln!(std::io::stderr(), "{hint}");
}
