//! The flush journal, for people and as JSON: what it amounts to, and its groups one by one.

use std::ops::ControlFlow;
use std::path::Path;

use serde_json::{Value, json};
use trimaran_commit_log::{
    JournalEntry, JournalFiles, JournalGroup, JournalSummary, RealDisk, inspect_journal,
};

use super::unreadable;
use crate::failure::Failure;
use crate::output::{OutputFormat, Printer};

/// Shows the groups of one file, at most so many, and then what the journal amounts to.
///
/// # Errors
/// The file cannot be read, or the output fails.
pub(super) fn dump(
    path: &Path,
    files: &JournalFiles,
    groups_max: u64,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut left = groups_max;
    let mut failed = None;
    let mut on_group = |group: &JournalGroup| {
        if left == 0 {
            return ControlFlow::Break(());
        }
        left -= 1;
        let shown = match printer.format() {
            OutputFormat::Table => printer.line(&group_text(group)),
            OutputFormat::Json => printer.json_line(&group_json(group)),
        };
        match shown {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                failed = Some(failure);
                ControlFlow::Break(())
            }
        }
    };
    let summary = inspect_journal(&RealDisk, files, &mut on_group)
        .map_err(|error| unreadable(path, &error))?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    let summary = summary.filter(|summary| summary.files.iter().any(|file| file == path));
    let gone = || Failure::failed(format!("cannot read {}: no such file", path.display()));
    show(&summary.ok_or_else(gone)?, printer)
}

/// Shows what a journal amounts to.
///
/// # Errors
/// The output fails.
pub(super) fn show(summary: &JournalSummary, printer: &mut Printer) -> Result<(), Failure> {
    match printer.format() {
        OutputFormat::Table => printer.line(&text(summary)),
        OutputFormat::Json => printer.json_line(&json_of(summary)),
    }
}

pub(super) fn text(summary: &JournalSummary) -> String {
    let mut text = match summary.newest {
        None => "flush journal: empty".to_owned(),
        Some(newest) => format!(
            "flush journal: {} groups up to number {newest}, {} of them count",
            summary.groups, summary.groups_counting
        ),
    };
    for (file, position) in &summary.torn {
        text.push_str(&format!(
            "\n{} at {position}: a group begins that is not whole, torn or damaged",
            file.display()
        ));
    }
    if let Some(cause) = &summary.unsound {
        let outcome = if summary.was_clean {
            "all was closed cleanly, so that nothing is lost"
        } else {
            "a start believes nothing of it and takes every log for damaged"
        };
        text.push_str(&format!("\nflush journal: {cause}; {outcome}"));
    }
    text
}

pub(super) fn json_of(summary: &JournalSummary) -> Value {
    let torn: Vec<Value> = summary
        .torn
        .iter()
        .map(|(file, position)| json!({"file": file, "position": position}))
        .collect();
    json!({
        "kind": "journal",
        "files": summary.files,
        "groups": summary.groups,
        "groups_counting": summary.groups_counting,
        "newest": summary.newest,
        "not_whole": torn,
        "unsound": summary.unsound,
        "was_clean": summary.was_clean,
    })
}

fn group_text(group: &JournalGroup) -> String {
    let mut text = format!(
        "{} at {}: group {}, {} bytes, low water {}, {}",
        group.file.display(),
        group.position,
        group.number,
        group.bytes,
        group.low_water,
        if group.counts {
            "counts"
        } else {
            "does not count"
        }
    );
    for entry in &group.entries {
        text.push_str("\n  ");
        text.push_str(&match entry {
            JournalEntry::Bytes {
                log,
                base,
                position,
                bytes,
                is_void,
            } => format!(
                "{log}: {bytes} bytes at {position} of the segment at {base}{}",
                if *is_void { ", void" } else { "" }
            ),
            JournalEntry::Forget { log } => format!("{log}: what came before is void"),
        });
    }
    text
}

fn group_json(group: &JournalGroup) -> Value {
    let entries: Vec<Value> = group
        .entries
        .iter()
        .map(|entry| match entry {
            JournalEntry::Bytes {
                log,
                base,
                position,
                bytes,
                is_void,
            } => json!({
                "kind": "bytes",
                "log": log,
                "base_offset": base.0,
                "position": position,
                "bytes": bytes,
                "void": is_void,
            }),
            JournalEntry::Forget { log } => json!({"kind": "forget", "log": log}),
        })
        .collect();
    json!({
        "kind": "journal_group",
        "file": group.file,
        "position": group.position,
        "bytes": group.bytes,
        "number": group.number,
        "low_water": group.low_water,
        "counts": group.counts,
        "entries": entries,
    })
}
