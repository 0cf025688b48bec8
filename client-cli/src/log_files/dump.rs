//! `trimaran log dump`.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use trimaran_commit_log::{DecompressLimits, JournalFiles, Seen, decompress, inspect_partition};
use trimaran_types::Offset;

use super::{Asked, journal, seen_json, seen_text, unreadable};
use crate::failure::Failure;
use crate::output::{OutputFormat, Printer};

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct DumpArguments {
    /// A partition's directory, the `logs` folder, a broker's data directory, or a file of the flush
    /// journal.
    path: PathBuf,
    /// Show each record, not only its batch.
    #[arg(long)]
    records: bool,
    /// Show the entries of the indexes, and the producers in the snapshots.
    #[arg(long)]
    indexes: bool,
    /// Begin with the batch that holds this offset.
    #[arg(long, value_name = "OFFSET")]
    from: Option<i64>,
    /// Stop after this many batches of each partition, or groups of a journal.
    #[arg(short = 'n', long)]
    limit: Option<u64>,
}

impl DumpArguments {
    /// Shows everything under the path.
    ///
    /// # Errors
    /// When something cannot be read or the output fails. Damage is shown, and is no error.
    pub(super) fn run(&self, printer: &mut Printer) -> Result<(), Failure> {
        if let Some(files) = JournalFiles::of_file(&self.path) {
            journal::dump(&self.path, &files, self.limit.unwrap_or(u64::MAX), printer)?;
            return printer.flush();
        }
        let asked = Asked::find(&self.path)?;
        show_notes(&asked, printer)?;
        for dir in &asked.places.partitions {
            let mut left = self.limit.unwrap_or(u64::MAX);
            let mut failed = None;
            let mut on_seen = |seen: &Seen<'_>| {
                if !self.wants(seen) {
                    return ControlFlow::Continue(());
                }
                if matches!(seen, Seen::Batch { .. }) {
                    if left == 0 {
                        return ControlFlow::Break(());
                    }
                    left -= 1;
                }
                match self.show(seen, printer) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(failure) => {
                        failed = Some(failure);
                        ControlFlow::Break(())
                    }
                }
            };
            let known = asked.notes.known(dir);
            inspect_partition(&asked.disk, dir, &known, &mut on_seen)
                .map_err(|error| unreadable(dir, &error))?;
            if let Some(failure) = failed {
                return Err(failure);
            }
        }
        printer.flush()
    }

    fn wants(&self, seen: &Seen<'_>) -> bool {
        match seen {
            Seen::OffsetEntry { .. } | Seen::TimeEntry { .. } | Seen::Producer(_) => self.indexes,
            Seen::Batch { header, .. } => self
                .from
                .is_none_or(|from| header.last_offset() >= Offset(from)),
            _ => true,
        }
    }

    fn show(&self, seen: &Seen<'_>, printer: &mut Printer) -> Result<(), Failure> {
        match printer.format() {
            OutputFormat::Table => printer.line(&seen_text::text(seen))?,
            OutputFormat::Json => printer.json_line(&seen_json::json(seen))?,
        }
        let Seen::Batch { batch, .. } = seen else {
            return Ok(());
        };
        if !self.records {
            return Ok(());
        }
        let records = match decompress(batch, &DecompressLimits::default()) {
            Ok(plain) => plain.records(),
            Err(error) => return unreadable_records(&error.to_string(), printer),
        };
        for record in records {
            match (record, printer.format()) {
                (Ok(record), OutputFormat::Table) => printer.line(&seen_text::record(&record))?,
                (Ok(record), OutputFormat::Json) => {
                    printer.json_line(&seen_json::record(&record))?;
                }
                // The checksum is right, so this was written so.
                (Err(error), _) => return unreadable_records(&error.to_string(), printer),
            }
        }
        Ok(())
    }
}

/// What the folder of logs has noted about all of them.
fn show_notes(asked: &Asked, printer: &mut Printer) -> Result<(), Failure> {
    let is_json = printer.format() == OutputFormat::Json;
    if let Some(file) = &asked.notes.clean_shutdown {
        if is_json {
            printer.json_line(&seen_json::clean_shutdown(file))?;
        } else {
            printer.line(&seen_text::clean_shutdown(file))?;
        }
    }
    for file in &asked.notes.checkpoints {
        if is_json {
            printer.json_line(&seen_json::checkpoint(file))?;
        } else {
            printer.line(&seen_text::checkpoint(file))?;
        }
    }
    if let Some(summary) = &asked.journal {
        journal::show(summary, printer)?;
    }
    let ends = asked.notes.flushed_ends.sorted();
    if ends.is_empty() {
        return Ok(());
    }
    if is_json {
        printer.json_line(&seen_json::flushed_ends(&ends))
    } else {
        printer.line(&seen_text::flushed_ends(&ends))
    }
}

/// Records that cannot be shown, or the rest of a batch that cannot.
fn unreadable_records(cause: &str, printer: &mut Printer) -> Result<(), Failure> {
    match printer.format() {
        OutputFormat::Table => printer.line(&format!("    records not readable: {cause}")),
        OutputFormat::Json => printer.json_line(&seen_json::unreadable_records(cause)),
    }
}
