//! What a pass of the cleaner does to a log, step by step.

use std::collections::BTreeMap;

use trimaran_commit_log::{CleanError, CleanerSettings, CompactionSettings, Log, LogConfig};
use trimaran_types::record_batch::Compression;
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::clean_rig::{Pass, batches, keyed, packed, records};
use crate::rig::{NOW, Rig, batch_of, flush};

pub(crate) fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.config = LogConfig {
        compacted: true,
        segment_bytes: 1024,
        ..rig.config
    };
    rig
}

/// Appends batches of one record, values `v<offset>`, key by key, and flushes.
pub(crate) fn append(log: &mut Log, keys: &[&str]) {
    let epoch = log.latest_epoch().unwrap();
    for key in keys {
        let value = format!("v{}", log.log_end());
        let batch = keyed(&[(key, Some(&value))]);
        log.append_as_leader(vec![batch], epoch, NOW).unwrap();
    }
    flush(log);
}

fn roll(log: &mut Log, rig: &Rig) {
    let before = rig.segments().len();
    while rig.segments().len() == before {
        append(log, &["filler"]);
    }
}

pub(crate) fn last_values(log: &Log) -> Vec<(String, String)> {
    let mut last = std::collections::BTreeMap::new();
    for (_, key, value) in records(&log.reader()) {
        match value {
            Some(value) => last.insert(key, value),
            None => last.remove(&key),
        };
    }
    last.into_iter().collect()
}

#[test]
fn the_last_value_of_each_key_stays_at_its_offset() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &["a", "b", "c"].repeat(20));
    let (before, before_files) = (last_values(&log), rig.segments().len());
    let end = log.log_end();
    assert!(before_files > 3);
    let report = Pass::default().run(&mut log).unwrap().unwrap();
    assert_eq!(report.keys, 3);
    assert!(report.records_dropped > 30 && report.bytes_after < report.bytes_before / 4);
    assert_eq!((last_values(&log), log.log_end()), (before, end));
    for (offset, _, value) in records(&log.reader()) {
        assert_eq!(value, Some(format!("v{offset}")));
    }
    // Again: nothing is dirty.
    assert!(Pass::default().run(&mut log).is_none());
    // What is left of the segments becomes one with the next pass.
    append(&mut log, &["a", "b", "c"].repeat(10));
    let (before, end) = (last_values(&log), log.log_end());
    Pass::default().run(&mut log).unwrap().unwrap();
    assert!(rig.segments().len() < before_files);
    assert_eq!(last_values(&log), before);
    // Every offset can be asked for, also those in gaps.
    let kept: Vec<i64> = records(&log.reader()).iter().map(|r| r.0).collect();
    for from in 0..end.0 {
        let bytes = log.reader().read(Offset(from), end, 1).unwrap();
        let found = trimaran_types::record_batch::split(bytes)
            .next()
            .unwrap()
            .unwrap();
        assert!(found.header().last_offset() >= Offset(from));
        let next = kept.iter().find(|kept| **kept >= from).unwrap();
        assert!(found.header().base_offset <= Offset(*next), "{from}");
    }
}

#[test]
fn what_is_gone_from_the_files_is_gone_from_memory() {
    let mut rig = rig();
    rig.config.tail_bytes_max = 1 << 20;
    let mut log = rig.fresh();
    append(&mut log, &["a"].repeat(60));
    let finished = *rig.segments().keys().next_back().unwrap();
    let before = last_values(&log);
    Pass::default().run(&mut log).unwrap().unwrap();
    let found = records(&log.reader());
    assert_eq!(found.iter().filter(|r| r.0 < finished).count(), 1);
    assert_eq!(last_values(&log), before);
}

#[test]
fn a_cleaned_log_is_opened_again_with_its_gaps() {
    for clean in [true, false] {
        let mut rig = rig();
        let mut log = rig.fresh();
        append(&mut log, &["a", "b"].repeat(30));
        Pass::default().run(&mut log).unwrap().unwrap();
        let (held, end) = (records(&log.reader()), log.log_end());
        log.close().unwrap();
        // The topic is not compacted any more: the gaps remain.
        rig.config.compacted = false;
        let (mut log, report) = rig.open(if clean { end.0 } else { 0 }, clean).unwrap();
        assert_eq!((records(&log.reader()), log.log_end()), (held, end));
        assert_eq!(report.cut, None);
        append(&mut log, &["c"]);
    }
}

#[test]
fn gaps_are_allowed_before_the_first_one() {
    let mut rig = rig();
    rig.config.compacted = false;
    let mut log = rig.fresh();
    append(&mut log, &["a"].repeat(40));
    assert!(Pass::default().run(&mut log).is_none(), "not compacted");
    assert!(!rig.dir().join("gaps-allowed").exists());
    log.allow_gaps().unwrap();
    assert!(rig.dir().join("gaps-allowed").exists());
    Pass::default().run(&mut log).unwrap().unwrap();
    assert_eq!(last_values(&log).len(), 1);
}

#[test]
fn tombstones_stay_until_their_horizon() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &["k"]);
    log.append_as_leader(vec![keyed(&[("k", None)])], LeaderEpoch(0), NOW)
        .unwrap();
    roll(&mut log, &rig);
    let has_tombstone = |log: &Log| {
        records(&log.reader())
            .iter()
            .any(|r| r.1 == "k" && r.2.is_none())
    };
    let has_value = |log: &Log| {
        records(&log.reader())
            .iter()
            .any(|r| r.1 == "k" && r.2.is_some())
    };
    let at = |ms: i64| Pass {
        now: Timestamp(NOW.0 + ms),
        ..Pass::default()
    };
    at(5).run(&mut log).unwrap().unwrap();
    assert!(has_tombstone(&log) && !has_value(&log));
    roll(&mut log, &rig);
    at(1004).run(&mut log).unwrap().unwrap();
    assert!(has_tombstone(&log), "its horizon is 1005");
    roll(&mut log, &rig);
    at(1005).run(&mut log).unwrap().unwrap();
    assert!(!has_tombstone(&log) && !has_value(&log));
}

#[test]
fn only_durable_committed_finished_segments_are_looked_at() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &["a"].repeat(70));
    let bases: Vec<i64> = rig.segments().into_keys().collect();
    assert!(bases.len() > 3);
    let limit = bases[2];
    let pass = Pass {
        limit: Offset(limit + 1),
        ..Pass::default()
    };
    let report = pass.run(&mut log).unwrap().unwrap();
    assert_eq!(report.clean_end, Offset(limit));
    let kept: Vec<i64> = records(&log.reader()).iter().map(|r| r.0).collect();
    assert_eq!(kept, (limit - 1..log.log_end().0).collect::<Vec<_>>());
}

#[test]
fn a_full_map_ends_the_pass_and_the_next_one_goes_on() {
    let rig = rig();
    let mut log = rig.fresh();
    let keys: Vec<String> = (0..120).map(|n| format!("k{}", n % 60)).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    append(&mut log, &keys);
    roll(&mut log, &rig);
    let before = last_values(&log);
    let pass = Pass {
        cleaner: CleanerSettings {
            map_bytes_max: 24 * 20,
            io_bytes: 300,
        },
        ..Pass::default()
    };
    let mut ends = Vec::new();
    while let Some(report) = pass.run(&mut log) {
        ends.push(report.unwrap().clean_end.0);
        assert_eq!(last_values(&log), before);
    }
    assert!(ends.len() > 3 && ends.is_sorted(), "{ends:?}");
    let found = records(&log.reader());
    let below: Vec<_> = found.iter().filter(|r| r.0 < 120).map(|r| &r.1).collect();
    assert_eq!(below.len(), 60);
}

#[test]
fn a_stopped_pass_leaves_a_good_log_and_nothing_behind() {
    for go_on in 1..40 {
        let rig = rig();
        let mut log = rig.fresh();
        append(&mut log, &["a", "b", "c"].repeat(25));
        let before = last_values(&log);
        let pass = Pass {
            go_on,
            ..Pass::default()
        };
        match pass.run(&mut log).unwrap() {
            Err(CleanError::Stopped) => {}
            Ok(_) => assert!(go_on > 10),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(last_values(&log), before, "{go_on}");
        let left = std::fs::read_dir(rig.dir()).unwrap();
        for name in left.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
            let is_known = ["log", "index", "timeindex", "leader-epoch-checkpoint"]
                .iter()
                .chain(&["partition.metadata", "gaps-allowed", "snapshot"])
                .any(|end| name.ends_with(end));
            assert!(is_known, "{name}");
        }
        Pass::default().run(&mut log).unwrap().unwrap();
        assert_eq!(last_values(&log), before);
    }
}

#[test]
fn a_log_that_is_cut_meanwhile_is_not_touched() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &["a", "b"].repeat(30));
    let cut = Offset(log.log_end().0 - 1);
    let pass = Pass {
        before_swap: |log| {
            let to = Offset(log.log_end().0 - 1);
            log.truncate_to(to).unwrap();
        },
        ..Pass::default()
    };
    let error = pass.run(&mut log).unwrap().unwrap_err();
    assert!(matches!(error, CleanError::Changed), "{error}");
    assert_eq!(log.log_end(), cut);
    assert_eq!(
        records(&log.reader()).len(),
        usize::try_from(cut.0).unwrap()
    );
    // What was clean and is cut is dirty again.
    Pass::default().run(&mut log).unwrap().unwrap();
    assert!(Pass::default().run(&mut log).is_none());
    log.truncate_to(Offset(10)).unwrap();
    append(&mut log, &["a", "b"].repeat(20));
    assert!(Pass::default().run(&mut log).is_some());
    assert_eq!(last_values(&log).len(), 2);
}

#[test]
fn what_is_appended_after_a_cut_below_the_clean_end_is_dirty() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &["a", "b"].repeat(40));
    let clean_end = Pass::default().run(&mut log).unwrap().unwrap().clean_end;
    log.truncate_to(Offset(10)).unwrap();
    // Past the old clean end: were it still believed, these would never meet in one pass.
    append(&mut log, &["q"; 50]);
    append(&mut log, &["r"; 40]);
    assert!(log.log_end() > clean_end);
    let report = Pass::default().run(&mut log).unwrap().unwrap();
    let found = records(&log.reader()).into_iter();
    let below = found.filter(|r| r.1 == "q" && r.0 < report.clean_end.0);
    assert_eq!(below.count(), 1);
}

#[test]
fn a_cut_in_a_gap_ends_where_the_bytes_do() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &["a"].repeat(40));
    Pass::default().run(&mut log).unwrap().unwrap();
    let found = batches(&log.reader());
    let gap = found
        .windows(2)
        .find(|pair| pair[0].header().next_offset() < pair[1].header().base_offset)
        .unwrap();
    let end = gap[0].header().next_offset();
    let inside = Offset(gap[1].header().base_offset.0 - 1);
    assert!(end < inside);
    assert_eq!(log.truncate_to(inside).unwrap(), end);
    flush(&mut log);
    drop(log);
    let (mut log, _) = rig.open(end.0, false).unwrap();
    append(&mut log, &["z"]);
    assert_eq!(records(&log.reader()).last().unwrap().0, end.0);
}

#[test]
fn epochs_begin_where_they_began() {
    let rig = rig();
    let mut log = rig.fresh();
    for epoch in 1..5 {
        append(&mut log, &["a", "b"].repeat(9));
        log.assign_epoch(LeaderEpoch(epoch), log.log_end()).unwrap();
    }
    roll(&mut log, &rig);
    let epochs = log.epochs().clone();
    Pass::default().run(&mut log).unwrap().unwrap();
    assert!(records(&log.reader()).len() < 40);
    let mut learned = Vec::new();
    for batch in batches(&log.reader()) {
        let header = batch.header();
        if learned
            .last()
            .is_none_or(|(epoch, _)| Some(*epoch) != header.leader_epoch)
        {
            learned.push((header.leader_epoch.unwrap(), header.base_offset));
        }
    }
    let known: Vec<_> = epochs
        .entries()
        .iter()
        .map(|e| (e.epoch, e.start))
        .collect();
    assert_eq!(learned, known);
    // A start that has lost its epochs learns the same.
    drop(log);
    std::fs::remove_file(rig.dir().join("leader-epoch-checkpoint")).ok();
    let (log, _) = rig.open(0, false).unwrap();
    assert_eq!(log.epochs(), &epochs);
}

#[test]
fn compressed_batches_keep_their_codec() {
    let rig = rig();
    let mut log = rig.fresh();
    let values: Vec<String> = (0..6).map(|n| format!("{n}-{}", "x".repeat(60))).collect();
    for number in 0..25 {
        let records: Vec<_> = ["a", "b", "c"]
            .iter()
            .zip(&values)
            .map(|(key, value)| (*key, Some(value.as_str())))
            .chain([("only", Some("me"))].into_iter().filter(|_| number < 5))
            .collect();
        let batch = packed(&keyed(&records), number);
        log.append_as_leader(vec![batch], LeaderEpoch(0), NOW)
            .unwrap();
    }
    roll(&mut log, &rig);
    let codecs = |log: &Log| -> BTreeMap<Offset, Compression> {
        let found = batches(&log.reader()).into_iter();
        found
            .map(|b| (b.header().base_offset, *b.header()))
            .filter(|(_, header)| header.record_count > 0)
            .map(|(base, header)| (base, header.attributes.compression()))
            .collect()
    };
    let (before, values) = (codecs(&log), last_values(&log));
    let report = Pass::default().run(&mut log).unwrap().unwrap();
    assert!(report.records_dropped > 50);
    assert_eq!(last_values(&log), values);
    for (base, codec) in codecs(&log) {
        assert_eq!(before[&base], codec);
    }
}

#[test]
fn records_without_a_key_go_and_are_counted() {
    let rig = rig();
    let mut log = rig.fresh();
    log.append_as_leader(vec![batch_of(&[b"x", b"y"])], LeaderEpoch(0), NOW)
        .unwrap();
    roll(&mut log, &rig);
    let report = Pass::default().run(&mut log).unwrap().unwrap();
    assert_eq!(report.records_without_key, 2);
}

#[test]
fn a_damaged_segment_is_reported_and_left_alone() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &["a"].repeat(40));
    let path = rig.segments().into_values().nth(1).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[70] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = Pass::default().run(&mut log).unwrap().unwrap_err();
    assert!(error.is_lasting(), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn lags_hold_a_log_back() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &["a"].repeat(40));
    let lagging = |lag_ms_min, ms| Pass {
        settings: CompactionSettings {
            lag_ms_min,
            ..Pass::default().settings
        },
        now: Timestamp(NOW.0 + ms),
        ..Pass::default()
    };
    assert!(lagging(100, 99).run(&mut log).is_none());
    let overdue = Pass {
        settings: CompactionSettings {
            dirty_ratio_min: 1.0,
            lag_ms_max: 100,
            ..Pass::default().settings
        },
        now: Timestamp(NOW.0 + 101),
        ..Pass::default()
    };
    assert!(overdue.run(&mut log).is_some());
    assert!(lagging(100, 100).run(&mut log).is_none(), "clean already");
}

#[test]
fn a_compacted_log_closes_its_segments_for_the_largest_lag() {
    let mut rig = rig();
    rig.config.compaction_lag_ms_max = 50;
    let mut log = rig.fresh();
    append(&mut log, &["a"]);
    let later = Timestamp(NOW.0 + 51);
    log.append_as_leader(vec![keyed(&[("a", None)])], LeaderEpoch(0), later)
        .unwrap();
    assert_eq!(rig.segments().len(), 2);
}

#[test]
fn a_reader_in_flight_sees_every_last_value() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &["a", "b", "c", "d"].repeat(20));
    let reader = log.reader();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut rounds = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) || rounds == 0 {
                let mut keys: Vec<_> = records(&reader).into_iter().map(|r| r.1).collect();
                keys.sort();
                keys.dedup();
                assert!(keys.len() >= 4);
                rounds += 1;
            }
        });
        for _ in 0..30 {
            append(&mut log, &["a", "b", "c", "d"].repeat(6));
            if let Some(result) = Pass::default().run(&mut log) {
                result.unwrap();
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        reading.join().unwrap();
    });
}
