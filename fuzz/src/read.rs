//! Opening a damaged directory and reading everything in it.

use trimaran_commit_log::{Log, LogDir, LogReader};
use trimaran_types::Offset;
use trimaran_types::record_batch::split;

use crate::directory::{
    ABORTED, Directory, LOG_START, MARKER, RECORDS, SYNCED_END, TRANSACTION, is_written, open_dir,
    open_log, partition, timestamp,
};
use crate::memory_disk::MemoryDisk;

/// What a log must show, whatever has happened to the file that was damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owes {
    /// It may be refused. What it shows was written.
    NothingElse,
    /// Every record, by offset and by time.
    Records,
    /// And which of them were aborted.
    Transactions,
}

impl Directory {
    /// Opens it and reads everything. What is shown must be what was written, but for the last batch
    /// of a log that was not closed. Tells how many bytes the disk has more than before.
    ///
    /// # Panics
    /// It is not, or something is missing that is owed.
    pub fn read_everything(self, owes: Owes) -> usize {
        let noted_end = if self.end_is_noted {
            Offset(i64::MAX)
        } else {
            SYNCED_END
        };
        let before = self.tree.bytes();
        let disk = MemoryDisk::holding(self.tree);
        if let Some((dir, log)) =
            open_dir(&disk).and_then(|dir| open_log(&dir).map(|log| (dir, log)))
        {
            check_notes(&dir, &log);
            read_log(&log, noted_end, owes);
        } else {
            assert_eq!(owes, Owes::NothingElse, "does not open");
        }
        disk.tree().bytes().saturating_sub(before)
    }
}

/// No note may promise what the log does not have.
fn check_notes(dir: &LogDir, log: &Log) {
    let partition = partition();
    let context = dir.context();
    let ends = [
        context.cleaner_offsets.get(&partition),
        context.log_starts.get(&partition),
    ];
    for end in ends.into_iter().flatten() {
        assert!(end <= log.log_end(), "{end} is noted of {}", log.log_end());
    }
}

fn read_log(log: &Log, noted_end: Offset, owes: Owes) {
    let all = owes != Owes::NothingElse;
    let reader = log.reader();
    let mut from = reader.log_start();
    let mut count = 0;
    while from < log.log_end() {
        let Ok(bytes) = reader.read(from, Offset(i64::MAX), 1000) else {
            assert!(!all, "cannot be read at {from}");
            from = from.next();
            continue;
        };
        if bytes.is_empty() {
            break;
        }
        for batch in split(bytes) {
            let batch = batch.expect("only good batches are served");
            let end = batch.header().next_offset();
            let is_control = batch.header().attributes.is_control();
            for record in batch.records().expect("not compressed") {
                let record = record.expect("a good record");
                let is = |written: i64| is_written(&record, is_control, written);
                let offset = record.offset.0;
                // Nothing lies behind the last batch that would tell its offset, if nobody has
                // noted where the log ends: it may be a later one.
                let may_be_later = end == log.log_end() && end >= noted_end;
                let is_later = || (offset..RECORDS).any(is);
                assert!(
                    is(offset) || (may_be_later && is_later()),
                    "offset {offset}"
                );
                count += 1;
            }
            from = end;
        }
    }
    assert!(!all || count == RECORDS - LOG_START.0, "{count} records");
    look_up(&reader, log.log_end(), owes);
}

fn look_up(reader: &LogReader, end: Offset, owes: Owes) {
    let all = owes != Owes::NothingElse;
    for offset in (LOG_START.0..RECORDS).step_by(11) {
        let found = reader.offset_for_timestamp(timestamp(offset), end);
        let right = Some((timestamp(offset), Offset(offset)));
        assert!(!all || found.is_ok_and(|found| found == right));
    }
    let latest = Offset(RECORDS - 1);
    let found = reader.offset_of_max_timestamp(end);
    assert!(!all || found.is_ok_and(|it| it == Some((timestamp(latest.0), latest))));
    let found = reader.aborted_transactions(LOG_START, end);
    if owes == Owes::Transactions {
        let found = found.expect("its index is as it was written");
        let [aborted] = found[..] else {
            panic!("{found:?}");
        };
        let known = (aborted.producer, aborted.first, aborted.last);
        assert_eq!(known, (ABORTED, TRANSACTION, MARKER));
    }
}
