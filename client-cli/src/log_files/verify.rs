//! `trimaran log verify`.

use std::ops::ControlFlow;
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use trimaran_commit_log::{Finding, PartitionSummary, Seen, Severity, inspect_partition};

use super::{Asked, journal, seen_json, seen_text, unreadable};
use crate::failure::Failure;
use crate::output::{OutputFormat, Printer, table};

/// Findings that are kept to be shown; a broken disk has more than anyone reads.
const FINDINGS_MAX: usize = 10_000;

/// Checks everything under `path`.
///
/// # Errors
/// Something cannot be read, or records are damaged.
pub(super) fn run(path: &Path, printer: &mut Printer) -> Result<(), Failure> {
    let asked = Asked::find(path)?;
    let mut findings: Vec<Finding> = Vec::new();
    let mut more: u64 = 0;
    let mut summaries = Vec::new();
    let bar = progress(asked.places.partitions.len());
    for dir in &asked.places.partitions {
        bar.set_message(dir.display().to_string());
        let mut on_seen = |seen: &Seen<'_>| {
            if let Seen::Finding(finding) = seen {
                if findings.len() < FINDINGS_MAX {
                    findings.push((*finding).clone());
                } else {
                    more += 1;
                }
            }
            ControlFlow::Continue(())
        };
        let known = asked.notes.known(dir);
        let summary = inspect_partition(&asked.disk, dir, &known, &mut on_seen)
            .map_err(|error| unreadable(dir, &error))?;
        summaries.push(summary);
        bar.inc(1);
    }
    bar.finish_and_clear();
    for (summary, finding) in asked.lost() {
        summaries.push(summary);
        if findings.len() < FINDINGS_MAX {
            findings.push(finding);
        } else {
            more += 1;
        }
    }
    match printer.format() {
        OutputFormat::Table => printer.line(&text(&asked, &summaries, &findings, more))?,
        OutputFormat::Json => printer.json(&json_of(&asked, &summaries, &findings, more))?,
    }
    printer.flush()?;
    // Who names such a folder wants to know; among others it stays damaged for as long as it is kept.
    let counts =
        |summary: &&PartitionSummary| asked.is_one_partition || !Asked::is_set_aside(&summary.dir);
    let in_use: Vec<_> = summaries.iter().filter(counts).collect();
    let is_damaged = |summary: &&&PartitionSummary| summary.worst == Some(Severity::Damage);
    match in_use.iter().filter(is_damaged).count() {
        0 => Ok(()),
        damaged => Err(Failure::failed(format!(
            "{damaged} of {} partitions are damaged",
            in_use.len()
        ))
        .try_next(
            "start the broker: it takes a damaged replica out of service, others go on serving it",
        )),
    }
}

fn progress(partitions: usize) -> ProgressBar {
    let total = u64::try_from(partitions).ok();
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {eta}  {msg}") {
        bar.set_style(style);
    }
    bar
}

fn verdict(summary: &PartitionSummary) -> &'static str {
    summary.worst.map_or("good", seen_text::severity)
}

fn text(asked: &Asked, summaries: &[PartitionSummary], findings: &[Finding], more: u64) -> String {
    let rows = summaries
        .iter()
        .map(|summary| {
            let offset = |offset: Option<trimaran_types::Offset>| {
                offset.map_or_else(|| "-".to_owned(), |offset| offset.to_string())
            };
            let name = summary.dir.file_name().unwrap_or_default();
            vec![
                name.to_string_lossy().into_owned(),
                summary.segments.to_string(),
                summary.batches.to_string(),
                summary.records.to_string(),
                summary.bytes.to_string(),
                offset(summary.start),
                offset(summary.end),
                verdict(summary).to_owned(),
            ]
        })
        .collect();
    let header = [
        "PARTITION",
        "SEGMENTS",
        "BATCHES",
        "RECORDS",
        "BYTES",
        "START",
        "END",
        "VERDICT",
    ];
    let mut text = table(&header, rows);
    if let Some(summary) = &asked.journal {
        text.push_str("\n\n");
        text.push_str(&journal::text(summary));
    }
    for file in asked
        .notes
        .checkpoints
        .iter()
        .filter(|file| file.offsets.is_none())
    {
        text.push_str(&format!(
            "\n\n{}: damaged, the next start takes it for empty",
            file.path.display()
        ));
    }
    if !findings.is_empty() {
        text.push('\n');
    }
    for finding in findings {
        text.push('\n');
        text.push_str(&seen_text::finding(finding));
    }
    if more > 0 {
        text.push_str(&format!("\nand {more} more"));
    }
    text
}

fn json_of(
    asked: &Asked,
    summaries: &[PartitionSummary],
    findings: &[Finding],
    more: u64,
) -> Value {
    let partitions: Vec<Value> = summaries
        .iter()
        .map(|summary| {
            json!({
                "directory": summary.dir,
                "topic_id": summary.topic_id.map(|id| id.to_string()),
                "segments": summary.segments,
                "batches": summary.batches,
                "records": summary.records,
                "bytes": summary.bytes,
                "start_offset": summary.start.map(|offset| offset.0),
                "end_offset": summary.end.map(|offset| offset.0),
                "worst": summary.worst.map(seen_json::severity),
                "set_aside": Asked::is_set_aside(&summary.dir),
            })
        })
        .collect();
    let damaged_checkpoints: Vec<_> = asked
        .notes
        .checkpoints
        .iter()
        .filter(|file| file.offsets.is_none())
        .map(|file| &file.path)
        .collect();
    json!({
        "partitions": partitions,
        "damaged_checkpoints": damaged_checkpoints,
        "journal": asked.journal.as_ref().map(journal::json_of),
        "findings": findings.iter().map(seen_json::finding).collect::<Vec<_>>(),
        "findings_not_shown": more,
    })
}
