//! `trimaran metadata log`.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use trimaran_api::controller::{FeedEntry, MetadataLogPage};
use trimaran_api::paths;
use trimaran_metadata::MetadataRecord;
use trimaran_types::{MetadataOffset, Timestamp};

use super::known::Known;
use super::record_text;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{OutputFormat, Printer, timestamp};

/// Soft bound of one page, in bytes.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// How long one poll at the end waits for an entry.
const POLL_WAIT: Duration = Duration::from_secs(20);

/// Which part of the log to show.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LogArguments {
    /// First log index; default: the oldest that is kept.
    #[arg(long)]
    pub(crate) from: Option<u64>,
    /// Only the last entries, this many at most.
    #[arg(long, conflicts_with = "from")]
    pub(crate) last: Option<u64>,
    /// Stop after this many records.
    #[arg(short = 'n', long)]
    pub(crate) limit: Option<u64>,
    /// Go on at the end and wait for new entries.
    #[arg(short, long)]
    pub(crate) follow: bool,
}

/// One record for programs: where it lies, and the record as in the log.
#[derive(Debug, Serialize)]
struct Line<'a> {
    index: u64,
    term: u64,
    timestamp: Option<Timestamp>,
    offset: Option<MetadataOffset>,
    #[serde(flatten)]
    record: &'a MetadataRecord,
}

impl LogArguments {
    /// Writes the log.
    ///
    /// # Errors
    /// When no controller answers, or the index asked for is purged.
    pub(crate) async fn run(
        &self,
        connection: &Connection,
        printer: &mut Printer,
    ) -> Result<(), Failure> {
        let mut show = Show {
            known: Known::default(),
            shown_from: self.from.unwrap_or(0),
            left: self.limit.unwrap_or(u64::MAX),
            is_headed: false,
        };
        // People read the log from its oldest entry, shown or not: so the text knows names and what
        // was before.
        let mut next = None;
        if printer.format() == OutputFormat::Table {
            show.known.names(connection).await;
        }
        if let Some(last) = self.last {
            let page = page(connection, None, 1, Duration::ZERO).await?;
            show.shown_from = page.applied_end.saturating_sub(last);
        } else if self.from.is_some() && printer.format() == OutputFormat::Json {
            next = self.from;
        }
        loop {
            let wait = if self.follow {
                POLL_WAIT
            } else {
                Duration::ZERO
            };
            let page = page(connection, next, PAGE_BYTES_MAX, wait).await?;
            if let Some(from) = self.from
                && from > page.applied_end
            {
                return Err(beyond(from, page.applied_end));
            }
            if page.snapshot.is_some() {
                return Err(purged(next));
            }
            if let Some(first) = page.entries.first()
                && self
                    .from
                    .is_some_and(|from| from.max(1) < first.index && next.is_none())
            {
                return Err(purged(self.from));
            }
            for entry in &page.entries {
                show.entry(entry, printer)?;
            }
            printer.flush()?;
            next = Some(page.next);
            let is_at_end = page.next >= page.applied_end || page.entries.is_empty();
            if show.left == 0 || (is_at_end && !self.follow) {
                return Ok(());
            }
        }
    }
}

async fn page(
    connection: &Connection,
    from: Option<u64>,
    max_bytes: usize,
    wait: Duration,
) -> Result<MetadataLogPage, Failure> {
    let mut query = vec![("max_bytes", max_bytes.to_string())];
    query.extend(from.map(|from| ("from", from.to_string())));
    if !wait.is_zero() {
        query.push(("wait_ms", wait.as_millis().to_string()));
    }
    connection
        .get_waiting(paths::METADATA_LOG, &query, wait)
        .await
}

fn purged(from: Option<u64>) -> Failure {
    let from = from.map_or_else(|| "the start".to_owned(), |from| format!("index {from}"));
    Failure::failed(format!(
        "the metadata log is not kept from {from} on: a snapshot took its place"
    ))
    .try_next("trimaran metadata log   (from the oldest kept), or trimaran metadata get")
}

fn beyond(from: u64, end: u64) -> Failure {
    Failure::failed(format!(
        "index {from} lies beyond the end of the metadata log, {end}"
    ))
    .try_next("trimaran metadata log --last 20")
}

/// What is being shown.
struct Show {
    known: Known,
    shown_from: u64,
    left: u64,
    is_headed: bool,
}

impl Show {
    fn entry(&mut self, entry: &FeedEntry, printer: &mut Printer) -> Result<(), Failure> {
        for (record, place) in entry.records.iter().zip(0_u64..) {
            let text = record_text::change(record, &self.known);
            self.known.learn(record);
            if entry.index < self.shown_from || self.left == 0 {
                continue;
            }
            self.left -= 1;
            match printer.format() {
                OutputFormat::Json => printer.json_line(&Line {
                    index: entry.index,
                    term: entry.term,
                    timestamp: entry.timestamp,
                    offset: entry.base_offset.map(|base| base.plus(place)),
                    record,
                })?,
                OutputFormat::Table => {
                    if !std::mem::replace(&mut self.is_headed, true) {
                        printer.line(&columns("INDEX", "TERM", "WHEN", "RECORD", "CHANGE"))?;
                    }
                    printer.line(&columns(
                        &entry.index.to_string(),
                        &entry.term.to_string(),
                        &timestamp(entry.timestamp),
                        record.record_type().name(),
                        &text,
                    ))?;
                }
            }
        }
        Ok(())
    }
}

/// Fixed widths: lines that stream cannot wait for the widest.
fn columns(index: &str, term: &str, when: &str, record: &str, change: &str) -> String {
    format!("{index:<8}{term:<6}{when:<26}{record:<26}{change}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_programs_is_flat() {
        let record: MetadataRecord =
            serde_json::from_str(r#"{"type":"NoOp","version":0,"data":{}}"#).unwrap();
        let line = Line {
            index: 4,
            term: 1,
            timestamp: Some(Timestamp(9)),
            offset: Some(MetadataOffset(3)),
            record: &record,
        };
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"index":4,"term":1,"timestamp":9,"offset":3,"type":"NoOp","version":0,"data":{}}"#
        );
    }
}
