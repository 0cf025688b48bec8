//! Retention and compaction of one log, together and against each other: `cleanup.policy=compact,delete`,
//! a deletion before, within and after a pass of the cleaner, and what a restart finds then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use trimaran_commit_log::{
    CleanControl, CleanError, CleanJob, CleanReport, CleanedSegment, Cleaner, CleanerSettings, Log,
    LogConfig, ReplaceError, Replaced,
};
use trimaran_types::{Offset, Timestamp};

use crate::clean_rig::{Found, Pass, keyed, records};
use crate::rig::{NOW, Rig, flush};
use crate::scrub_races::{CHANGES, Change, Race};

/// A log that is both compacted and let go by size.
fn both() -> Rig {
    let mut rig = crate::cleaner::rig();
    rig.config.deletes = true;
    rig
}

fn append(log: &mut Log, keys: &[&str]) {
    crate::cleaner::append(log, keys);
}

fn keep_bytes(log: &mut Log, bytes: u64) {
    let config = LogConfig {
        retention_bytes: Some(bytes),
        ..log.config().clone()
    };
    log.set_config(config).unwrap();
}

/// Lets go of what the settings let go, files and all.
fn retain(log: &mut Log) -> bool {
    let end = log.flushed_end();
    let Some(retained) = log.retain(end, NOW).unwrap() else {
        return false;
    };
    while let Some(deleted) = log.delete_segments(retained.log_start).unwrap() {
        let is_all = deleted.is_all();
        deleted.remove().unwrap();
        if is_all {
            break;
        }
    }
    true
}

fn keep_half(log: &mut Log) {
    let bytes = log.bytes();
    keep_bytes(log, bytes / 2);
    assert!(retain(log));
}

/// What is left of a compacted log: for each key at least its last record, at its offset, and nothing
/// that was not appended there.
fn check_kept(log: &Log, appended: &[Found]) {
    let start = log.log_start().0;
    let found = records(&log.reader());
    let mut last: BTreeMap<&str, &Found> = BTreeMap::new();
    for record in appended.iter().filter(|record| record.0 >= start) {
        last.insert(&record.1, record);
    }
    for record in &found {
        let at = usize::try_from(record.0).unwrap();
        assert_eq!(record, &appended[at]);
    }
    for record in last.into_values() {
        assert!(found.contains(record), "{record:?} is gone");
    }
}

/// Everything that was appended, while nothing is compacted or deleted yet.
fn appended(log: &Log) -> Vec<Found> {
    let found = records(&log.reader());
    assert!(found.iter().enumerate().all(|(at, it)| it.0 == at as i64));
    found
}

fn no_rests(rig: &Rig) {
    let names: Vec<String> = std::fs::read_dir(rig.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            let suffixes = [".cleaned", ".swap", ".deleted"];
            suffixes.iter().any(|suffix| name.ends_with(suffix))
        })
        .collect();
    assert!(names.is_empty(), "{names:?}");
}

/// The same after a stop of any kind: what the log start checkpoint says is believed.
fn check_restarts(mut rig: Rig, log: Log, appended: &[Found]) {
    check_kept(&log, appended);
    no_rests(&rig);
    let (start, end, held) = (log.log_start(), log.log_end(), records(&log.reader()));
    rig.log_start = Some(start);
    drop(log);
    for clean in [false, true] {
        let (log, report) = rig.open(end.0, clean).unwrap();
        assert_eq!(report.cut, None);
        assert_eq!((log.log_start(), log.log_end()), (start, end));
        assert_eq!(records(&log.reader()), held);
        log.close().unwrap();
    }
}

fn filled(rig: &Rig) -> (Log, Vec<Found>) {
    let mut log = rig.fresh();
    append(&mut log, &["a", "b"].repeat(24));
    append(&mut log, &["c", "d", "a"].repeat(24));
    append(&mut log, &["e", "a"].repeat(24));
    assert!(rig.segments().len() > 6);
    let appended = appended(&log);
    (log, appended)
}

#[test]
fn what_is_compacted_and_too_much_goes_and_the_rest_is_compacted_on() {
    let rig = both();
    let (mut log, mut all) = filled(&rig);
    for _ in 0..4 {
        Pass::default().run(&mut log).unwrap().unwrap();
        check_kept(&log, &all);
        keep_half(&mut log);
        check_kept(&log, &all);
        let before = log.log_end();
        append(&mut log, &["a", "e", "c"].repeat(16));
        for number in before.0..log.log_end().0 {
            let key = ["a", "e", "c"][usize::try_from(number - before.0).unwrap() % 3];
            all.push((number, key.to_owned(), Some(format!("v{number}"))));
        }
    }
    let first = rig.segments().keys().next().copied();
    assert!(first > Some(0), "nothing was ever deleted");
    check_restarts(rig, log, &all);
}

#[test]
fn old_records_go_by_age_whatever_compaction_keeps() {
    let rig = both();
    let (mut log, _) = filled(&rig);
    Pass::default().run(&mut log).unwrap().unwrap();
    let week_ms = 7 * 24 * 3_600_000;
    let end = log.log_end();
    let later = Timestamp(NOW.0 + week_ms + 1);
    let retained = log.retain(end, later).unwrap().unwrap();
    assert_eq!((retained.log_start, retained.rolled), (end, true));
    log.delete_segments(end).unwrap().unwrap().remove().unwrap();
    assert!(Pass::default().run(&mut log).is_none(), "nothing is left");
    append(&mut log, &["z"]);
    assert_eq!(records(&log.reader()).len(), 1);
    assert_eq!(log.log_start(), end);
}

#[test]
fn segments_that_go_before_their_copy_is_swapped_in_are_not_brought_back() {
    let rig = both();
    let (mut log, appended) = filled(&rig);
    let pass = Pass {
        before_swap: keep_half,
        ..Pass::default()
    };
    let before = log.log_start();
    let swapped = pass.run(&mut log).unwrap();
    assert!(matches!(swapped, Err(CleanError::Changed)), "{swapped:?}");
    assert!(log.log_start() > before);
    no_rests(&rig);
    check_kept(&log, &appended);
    // The next pass finds what is left.
    Pass::default().run(&mut log).unwrap().unwrap();
    check_restarts(rig, log, &appended);
}

#[test]
fn a_log_start_within_a_segment_that_is_swapped_stays() {
    let rig = both();
    let (mut log, appended) = filled(&rig);
    let second = *rig.segments().keys().nth(1).unwrap();
    log.raise_log_start(Offset(second + 2));
    let pass = Pass {
        // By a client this time, into the middle of a later segment.
        before_swap: |log| log.raise_log_start(log.log_start().next()),
        ..Pass::default()
    };
    pass.run(&mut log).unwrap().unwrap();
    assert!(log.log_start() > Offset(second + 2));
    let start = log.log_start();
    assert!(log.delete_segments(start).unwrap().is_none_or(|deleted| {
        deleted.remove().unwrap();
        true
    }));
    check_restarts(rig, log, &appended);
}

/// The owner is somebody else, as in a broker.
struct Shared(Arc<Mutex<Log>>);

impl CleanControl for Shared {
    fn go_on_after(&mut self, _bytes: u64) -> Option<std::time::Duration> {
        Some(std::time::Duration::ZERO)
    }

    fn replace(&mut self, cleaned: CleanedSegment) -> Result<Replaced, ReplaceError> {
        self.0.lock().unwrap().replace_segments(&cleaned)
    }
}

fn clean(race: &Race, change: Change) -> Option<Result<CleanReport, CleanError>> {
    let pass = Pass::default();
    let (limit, config, ends) = {
        let log = race.log.lock().unwrap();
        (log.flushed_end(), log.config().clone(), log.producer_ends())
    };
    let plan = race.reader.plan_cleaning(limit, &pass.settings, NOW)?;
    let job = CleanJob {
        log: &race.reader,
        config: &config,
        plan,
        settings: &pass.settings,
        producer_ends: &ends,
        now: NOW,
    };
    race.within_the_next_read(change);
    let settings = CleanerSettings {
        map_bytes_max: 1 << 20,
        io_bytes: 300,
    };
    let mut control = Shared(Arc::clone(&race.log));
    Some(Cleaner::new(settings).clean(&job, &mut control))
}

/// Nothing that an owner does meanwhile makes a log uncleanable: that is for damage.
#[test]
fn a_pass_meets_what_an_owner_does_and_calls_it_a_change() {
    for change in CHANGES {
        if matches!(change, Change::Compact) {
            // One pass at a time.
            continue;
        }
        let mut has_met = false;
        for reads in (0..60).step_by(4) {
            let race = Race::new(true);
            race.skip_reads(reads);
            let cleaned = clean(&race, change).unwrap();
            let is_over = race.unhook();
            match cleaned {
                Ok(_) => {}
                Err(CleanError::Changed) => has_met = true,
                Err(error) => panic!("{change:?} within read {reads}: {error} ({error:?})"),
            }
            no_cleaned_copy(&race.rig);
            let mut log = race.log.lock().unwrap();
            if let Some(again) = Pass::default().run(&mut log) {
                again.unwrap();
            }
            let (end, held) = (log.log_end(), records(&race.reader));
            assert!(held.is_empty() || held[0].0 >= log.log_start().0 - 2);
            drop(log);
            if is_over {
                break;
            }
            let mut rig = race.rig;
            rig.log_start = Some(race.reader.log_start());
            drop(race.log);
            let (log, _) = rig.open(0, false).unwrap();
            assert_eq!((log.log_end(), records(&log.reader())), (end, held));
        }
        let takes_away = matches!(
            change,
            Change::Truncate(_) | Change::StartOver | Change::Retain
        );
        assert!(has_met || !takes_away, "{change:?} was never in the way");
    }
}

fn no_cleaned_copy(rig: &Rig) {
    let entries = std::fs::read_dir(rig.dir()).unwrap();
    for entry in entries {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            !name.ends_with(".cleaned") && !name.ends_with(".swap"),
            "{name}"
        );
    }
}

#[test]
fn a_tombstone_that_outlived_its_horizon_and_a_deletion_go_together() {
    let rig = both();
    let mut log = rig.fresh();
    append(&mut log, &["a", "b"].repeat(12));
    let epoch = log.latest_epoch().unwrap();
    log.append_as_leader(vec![keyed(&[("a", None)])], epoch, NOW)
        .unwrap();
    flush(&mut log);
    append(&mut log, &["c"].repeat(24));
    for later in [0, 2_000, 4_000] {
        let pass = Pass {
            now: Timestamp(NOW.0 + later),
            ..Pass::default()
        };
        if let Some(cleaned) = pass.run(&mut log) {
            cleaned.unwrap();
        }
        append(&mut log, &["c"].repeat(12));
    }
    let held = records(&log.reader());
    assert!(held.iter().all(|record| record.1 != "a"), "{held:?}");
    assert!(held.iter().any(|record| record.1 == "b"));
    keep_half(&mut log);
    let held = records(&log.reader());
    assert!(held.iter().all(|record| record.1 != "a"), "{held:?}");
}
