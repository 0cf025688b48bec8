//! What a pass shares with the rest of the log: retention, snapshots, checkpoints, a map that is full,
//! and what is missing between segments.

use std::io;
use std::time::{Duration, UNIX_EPOCH};

use trimaran_commit_log::{
    CleanControl, CleanError, CleanJob, CleanedSegment, Cleaner, Damage, Log, OpenError, ReadError,
    ReplaceError, Replaced,
};
use trimaran_types::{Offset, Timestamp};

use crate::clean_rig::{Pass, batches, keyed};
use crate::cleaner::{append, rig};
use crate::retention::{names, open_dir};
use crate::rig::{NOW, Rig, flush, topic_id};

/// Swaps segments in, and lets retention take the next one right after the first swap.
struct Deleting<'a> {
    log: &'a mut Log,
    until: Offset,
}

impl CleanControl for Deleting<'_> {
    fn go_on_after(&mut self, _bytes: u64) -> Option<std::time::Duration> {
        Some(std::time::Duration::ZERO)
    }

    fn replace(&mut self, cleaned: CleanedSegment) -> Result<Replaced, ReplaceError> {
        let replaced = self.log.replace_segments(&cleaned)?;
        self.log.raise_log_start(self.until);
        drop(self.log.delete_segments(self.until).unwrap());
        Ok(replaced)
    }
}

#[test]
fn a_segment_that_retention_takes_meanwhile_is_no_reason_to_give_the_log_up() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &["a", "b"].repeat(40));
    let reader = log.reader();
    let pass = Pass::default();
    let plan = reader
        .plan_cleaning(log.flushed_end(), &pass.settings, NOW)
        .unwrap();
    let (config, producer_ends) = (log.config().clone(), log.producer_ends());
    let job = CleanJob {
        log: &reader,
        config: &config,
        plan,
        settings: &pass.settings,
        producer_ends: &producer_ends,
        now: NOW,
    };
    let until = Offset(*rig.segments().keys().nth(3).unwrap());
    let mut control = Deleting {
        log: &mut log,
        until,
    };
    let cleaned = Cleaner::new(pass.cleaner).clean(&job, &mut control);
    assert!(matches!(cleaned, Err(CleanError::Changed)), "{cleaned:?}");
    assert_eq!(log.log_start(), until);
    Pass::default().run(&mut log).unwrap().unwrap();
}

#[test]
fn a_system_that_has_run_out_of_descriptors_may_have_some_later() {
    let read = |errno| CleanError::Read {
        path: "t-0/0.log".into(),
        source: io::Error::from_raw_os_error(errno),
    };
    // ENFILE, EMFILE; then ENOENT, EIO.
    for (errno, is_lasting) in [(23, false), (24, false), (2, true), (5, true)] {
        assert_eq!(read(errno).is_lasting(), is_lasting, "{errno}");
    }
}

#[test]
fn snapshots_go_with_the_segments_that_they_belonged_to() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &["a", "b"].repeat(30));
    Pass::default().run(&mut log).unwrap().unwrap();
    append(&mut log, &["a", "b"].repeat(30));
    let before = rig.segments().len();
    Pass::default().run(&mut log).unwrap().unwrap();
    assert!(rig.segments().len() < before, "some were merged");
    let found = names(&rig.dir(), ".snapshot");
    let mut bases = rig.segments().into_keys();
    assert_eq!(bases.next(), Some(0), "which needs none");
    let expected: Vec<_> = bases.map(|base| format!("{base:020}.snapshot")).collect();
    assert_eq!(found, expected);
    assert_eq!(names(&rig.dir(), ".deleted"), Vec::<String>::new());
}

#[test]
fn a_cleaned_segment_is_as_old_as_the_youngest_that_it_was_made_from() {
    const WEEK_MS: u64 = 7 * 24 * 3_600_000;
    let mut rig = rig();
    rig.config.deletes = true;
    rig.config.retention_ms = Some(WEEK_MS);
    let mut log = rig.fresh();
    append(&mut log, &["a", "b"].repeat(60));
    // What was written long ago is stamped in the future.
    let now = Timestamp(NOW.0 - 1);
    let written = |number: u64| {
        let ms = NOW.0.unsigned_abs() - 2 * WEEK_MS + number * 1000;
        UNIX_EPOCH + Duration::from_millis(ms)
    };
    for (number, path) in (0..).zip(rig.segments().into_values()) {
        let file = std::fs::OpenOptions::new().write(true).open(path);
        file.unwrap().set_modified(written(number)).unwrap();
    }
    let (before, active) = (
        rig.segments().len(),
        *rig.segments().keys().next_back().unwrap(),
    );
    Pass::default().run(&mut log).unwrap().unwrap();
    append(&mut log, &["a", "b"].repeat(60));
    Pass::default().run(&mut log).unwrap().unwrap();
    let merged = rig.segments();
    let first = merged.values().next().unwrap();
    assert!(*merged.keys().nth(1).unwrap() >= active, "{merged:?}");
    let modified = std::fs::metadata(first).unwrap().modified().unwrap();
    assert_eq!(modified, written(before as u64 - 2));
    let retained = log.retain(log.log_end(), now).unwrap().unwrap();
    assert_eq!(retained.log_start.0, *merged.keys().nth(1).unwrap());
}

#[test]
fn the_time_of_a_tombstone_begins_with_the_pass_that_looks_at_it() {
    let rig = rig();
    let mut log = rig.fresh();
    let keys: Vec<String> = (0..60).map(|number| format!("k{number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    append(&mut log, &keys);
    let epoch = log.latest_epoch().unwrap();
    let tombstone = keyed(&[("k0", None), ("other", Some("value"))]);
    log.append_as_leader(vec![tombstone], epoch, NOW).unwrap();
    append(&mut log, &["filler"].repeat(20));
    flush(&mut log);
    let mut small = Pass::default();
    small.cleaner.map_bytes_max = 24 * 32;
    let report = small.run(&mut log).unwrap().unwrap();
    assert!(report.clean_end < Offset(60), "{report:?}");
    let is_stamped = |log: &Log| {
        let found = batches(&log.reader());
        let mut holds = found
            .iter()
            .map(trimaran_types::record_batch::RecordBatch::header);
        let batch = holds.find(|header| header.last_offset() == Offset(61));
        batch.unwrap().attributes.has_delete_horizon()
    };
    assert!(!is_stamped(&log));
    for _ in 0..5 {
        if let Some(cleaned) = Pass::default().run(&mut log) {
            cleaned.unwrap();
        }
    }
    assert!(is_stamped(&log));
}

#[test]
fn a_log_that_ends_before_what_was_cleaned_is_dirty_from_there_on() {
    let root = tempfile::tempdir().unwrap();
    let offsets = root.path().join("logs/cleaner-offset-checkpoint");
    drop(open_dir(root.path()));
    std::fs::write(&offsets, "0\n1\nt 0 500\n").unwrap();
    let dir = open_dir(root.path());
    let partition = trimaran_commit_log::parse_partition_dir("t-0").unwrap();
    let start = dir.open_as(&partition, topic_id());
    let path = dir.partition_dir(&partition);
    let (log, _) = Log::open(dir.context(), &path, rig().config, start).unwrap();
    assert_eq!(log.log_end(), Offset(0));
    let text = std::fs::read_to_string(&offsets).unwrap();
    assert!(text.contains("t 0 0"), "{text}");
}

#[test]
fn what_a_broken_off_deletion_left_below_the_start_is_not_looked_at() {
    let mut rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &["a", "b", "c"].repeat(30));
    drop(log);
    let segments: Vec<_> = rig.segments().into_iter().collect();
    assert!(segments.len() > 5);
    // Of three segments that were renamed, the names of two came back with a power cut.
    std::fs::remove_file(&segments[1].1).unwrap();
    rig.log_start = Some(Offset(segments[3].0));
    let (mut log, _) = rig.open(0, false).unwrap();
    assert_eq!(log.log_start(), Offset(segments[3].0));
    let report = Pass::default().run(&mut log).unwrap().unwrap();
    assert!(report.records_dropped > 0, "{report:?}");
    let first = batches(&log.reader())[0].header().base_offset;
    assert!(first >= log.log_start(), "{first}");
}

/// Cuts the last batches off a finished segment, as if they had never reached the disk.
fn lose_tail(rig: &Rig, nth: usize) {
    let path = rig.segments().into_values().nth(nth).unwrap();
    let batch_bytes = std::fs::metadata(&path).unwrap().len() / 2;
    let whole = std::fs::read(&path).unwrap();
    let mut end = 0;
    while (end as u64) < batch_bytes {
        let header = trimaran_types::record_batch::BatchHeader::parse(&whole[end..]).unwrap();
        end += header.total_bytes();
    }
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(end as u64).unwrap();
}

#[test]
fn what_is_lost_between_two_segments_is_no_gap() {
    for whole in [false, true] {
        let rig = rig();
        let mut log = rig.fresh();
        append(&mut log, &["a", "b", "c"].repeat(20));
        let end = log.close().unwrap();
        match whole {
            true => {
                let path = rig.segments().into_values().nth(1).unwrap();
                std::fs::write(path, b"").unwrap();
            }
            false => lose_tail(&rig, 1),
        }
        // Beyond the recovery point a start sees it.
        let found = rig.open(0, false).unwrap_err();
        assert!(
            matches!(
                &found,
                OpenError::Corrupt {
                    cause: Damage::SegmentOutOfPlace { .. },
                    ..
                }
            ),
            "{found:?}"
        );
        // Below, whoever reads, and the cleaner, which would make a gap of it.
        let (mut log, _) = rig.open(end.0, true).unwrap();
        let reader = log.reader();
        let (mut from, mut refused) = (Offset(0), None);
        while refused.is_none() && from < end {
            match reader.read(from, end, 1) {
                Ok(bytes) => {
                    let batch = trimaran_types::record_batch::BatchHeader::parse(&bytes).unwrap();
                    from = batch.next_offset();
                }
                Err(error) => refused = Some(error),
            }
        }
        assert!(
            matches!(refused, Some(ReadError::Corrupt { .. })),
            "{refused:?}"
        );
        let cleaned = Pass::default().run(&mut log).unwrap();
        assert!(
            matches!(cleaned, Err(CleanError::Corrupt { .. })),
            "{cleaned:?}"
        );
        assert!(rig.dir().join("gaps-allowed").exists());
    }
}
