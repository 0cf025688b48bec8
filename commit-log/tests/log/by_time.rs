//! Where a time lies, and where the latest record does: by index, without one, and with one that lies.

use std::fs;

use trimaran_commit_log::{Log, LogReader};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::clean_rig::{Pass, keyed_at, times};
use crate::cleaner;
use crate::rig::{NOW, Rig, batch_at, first_latest, flush, segment_files};

/// Every batch has so many records.
const BATCH_RECORDS: usize = 3;

/// Appends batches of records with these times, which fill several segments.
fn append(log: &mut Log, times: &[i64]) {
    let epoch = log.latest_epoch().unwrap();
    for batch in times.chunks(BATCH_RECORDS) {
        let records: Vec<(i64, &[u8])> = batch.iter().map(|time| (*time, &[7; 70][..])).collect();
        log.append_as_leader(vec![batch_at(&records)], epoch, NOW)
            .unwrap();
    }
}

fn latest(reader: &LogReader, before: i64) -> Option<(i64, i64)> {
    let found = reader.offset_of_max_timestamp(Offset(before)).unwrap();
    found.map(|(time, offset)| (time.0, offset.0))
}

/// What a reader of whole batches below `before` is shown, from `start` on.
fn shown(times: &[i64], start: i64, before: i64) -> impl Iterator<Item = (i64, i64)> {
    let before = usize::try_from(before).unwrap() / BATCH_RECORDS * BATCH_RECORDS;
    let shown = times.iter().copied().zip(0_i64..).take(before);
    shown.filter(move |(_, offset)| *offset >= start)
}

/// Times that rise, fall, stand still, go up and down, and with one far ahead of all others.
fn histories() -> Vec<Vec<i64>> {
    let count = 90_i64;
    let spike = |offset| if offset == 31 { 9_999 } else { offset };
    vec![
        (0..count).collect(),
        (0..count).rev().collect(),
        vec![5; 90],
        (0..count).map(|offset| offset * 37 % 53).collect(),
        (0..count).map(spike).collect(),
    ]
}

#[test]
fn the_first_of_the_latest_records_is_found_below_every_bound() {
    for times in histories() {
        let rig = Rig::new();
        let mut log = rig.fresh();
        append(&mut log, &times);
        assert!(rig.segments().len() > 3);
        let end = log.log_end().0;
        for start in [0, 1, 30, 31, 32, 33, 80, 89] {
            log.raise_log_start(Offset(start));
            for before in start..=end {
                let expected = first_latest(shown(&times, start, before));
                let found = latest(&log.reader(), before);
                assert_eq!(found, expected, "{start} to {before} of {times:?}");
            }
        }
        assert_eq!(
            latest(&log.reader(), i64::MAX),
            first_latest(shown(&times, 89, end))
        );
    }
}

#[test]
fn indexes_that_are_missing_or_lie_cost_time_and_nothing_else() {
    for times in histories() {
        let rig = Rig::new();
        let mut log = rig.fresh();
        append(&mut log, &times);
        let end = log.close().unwrap().0;
        for extension in ["index", "timeindex"] {
            for (base, path) in segment_files(&rig.dir(), extension) {
                let whole = fs::read(&path).unwrap();
                let garbage: Vec<u8> = whole.iter().map(|byte| byte ^ 0x55).collect();
                let zeros = vec![0; whole.len()];
                for content in [Some(vec![]), Some(garbage), Some(zeros), None] {
                    // Behind the back of a log that is open.
                    let (log, _) = rig.open(end, true).unwrap();
                    match &content {
                        Some(content) => fs::write(&path, content).unwrap(),
                        None => fs::remove_file(&path).unwrap(),
                    }
                    for before in [end, end - 20] {
                        let expected = first_latest(shown(&times, 0, before));
                        let found = latest(&log.reader(), before);
                        assert_eq!(found, expected, "{extension} of {base}: {content:?}");
                    }
                    fs::write(&path, &whole).unwrap();
                }
            }
        }
    }
}

/// The timestamps in the time index of each segment.
fn indexed(rig: &Rig) -> Vec<Vec<i64>> {
    let entry = |raw: &[u8]| i64::from_be_bytes(*raw.first_chunk().unwrap());
    let files = segment_files(&rig.dir(), "timeindex").into_values();
    files
        .map(|path| fs::read(path).unwrap().chunks(12).map(entry).collect())
        .collect()
}

#[test]
fn records_without_a_timestamp_get_no_entry_and_hide_none() {
    const NONE: i64 = -1;
    for follows in [false, true] {
        let rig = Rig::new();
        let mut log = rig.fresh();
        // Whole segments without one, and one in which some records have one.
        let mut times = vec![NONE; 90];
        for at in [40, 42, 44] {
            times[at] = 1_000 + i64::try_from(at).unwrap();
        }
        if follows {
            for (number, chunk) in times.chunks(BATCH_RECORDS).enumerate() {
                let records: Vec<(i64, &[u8])> =
                    chunk.iter().map(|it| (*it, &[7; 70][..])).collect();
                let base = Offset(i64::try_from(number * BATCH_RECORDS).unwrap());
                let batch = batch_at(&records).stamped(base, LeaderEpoch(0));
                log.append_as_follower(batch.into_bytes(), NOW).unwrap();
            }
        } else {
            append(&mut log, &times);
        }
        let end = log.close().unwrap().0;
        let found = indexed(&rig);
        assert!(
            found.len() > 3 && found.concat().contains(&1_044),
            "{found:?}"
        );
        assert!(found.concat().iter().all(|time| *time >= 0), "{found:?}");
        assert!(found.iter().filter(|times| times.is_empty()).count() > 1);
        // And the same once they are made anew.
        for path in segment_files(&rig.dir(), "timeindex").into_values() {
            fs::remove_file(path).unwrap();
        }
        let (log, _) = rig.open(end, true).unwrap();
        let reader = log.reader();
        assert_eq!(latest(&reader, end), Some((1_044, 44)));
        for (at_least, expected) in [(0, Some(40)), (1_041, Some(42)), (1_045, None)] {
            let found = reader.offset_for_timestamp(Timestamp(at_least), Offset(end));
            assert_eq!(found.unwrap().map(|it| it.1.0), expected, "{at_least}");
        }
        log.close().unwrap();
        assert_eq!(indexed(&rig), found);
    }
}

/// The recovery point lies where the last segment begins, which is there though nobody synced its name.
#[test]
fn an_entry_that_a_power_cut_took_from_a_finished_segment_is_made_anew() {
    let mut rig = Rig::new();
    rig.config.index_interval_bytes = 400;
    let mut log = rig.fresh();
    let times = [(0..9).collect::<Vec<i64>>(), vec![900, 10, 11]].concat();
    append(&mut log, &times);
    let request = log.begin_checkpoint().unwrap().unwrap();
    for file in &request.files {
        file.sync_data().unwrap();
    }
    log.flushed(&request.token());
    let point = log.log_end().0;
    let synced = segment_files(&rig.dir(), "timeindex");
    let (base, index) = synced.into_iter().next_back().unwrap();
    let content = fs::read(&index).unwrap();
    assert!(
        !content.is_empty(),
        "of the batches in front of the last one"
    );
    log.append_as_leader(vec![batch_at(&[(5, &[7; 1700])])], LeaderEpoch(0), NOW)
        .unwrap();
    drop(log);
    let (last, path) = rig.segments().into_iter().next_back().unwrap();
    assert!(last == point && base < last);
    fs::write(path, []).unwrap();
    fs::write(&index, content).unwrap();
    let (log, _) = rig.open(point, false).unwrap();
    assert_eq!(log.log_end(), Offset(point));
    assert_eq!(latest(&log.reader(), point), Some((900, 9)));
    let found = log
        .reader()
        .offset_for_timestamp(Timestamp(899), Offset(point));
    assert_eq!(found.unwrap(), Some((Timestamp(900), Offset(9))));
}

#[test]
fn what_is_cut_off_or_deleted_is_not_found() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let mut times: Vec<i64> = (0..90).collect();
    (times[10], times[70]) = (500, 900);
    append(&mut log, &times);
    let end = log.log_end().0;
    assert_eq!(latest(&log.reader(), end), Some((900, 70)));
    log.truncate_to(Offset(66)).unwrap();
    assert_eq!(latest(&log.reader(), end), Some((500, 10)));
    let first = *rig.segments().keys().nth(1).unwrap();
    assert!(first > 10);
    log.raise_log_start(Offset(first));
    while let Some(deleted) = log.delete_segments(Offset(first)).unwrap() {
        deleted.remove().unwrap();
    }
    assert_eq!(latest(&log.reader(), end), Some((65, 65)));
    append(&mut log, &[64, 66, 66]);
    assert_eq!(latest(&log.reader(), end), Some((66, 67)));
    assert_eq!(latest(&log.reader(), 68), Some((65, 65)));
    log.truncate_fully_and_start_at(Offset(7)).unwrap();
    assert_eq!(latest(&log.reader(), end), None);
}

#[test]
fn records_without_a_time_are_never_the_latest() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    assert_eq!(latest(&log.reader(), 1), None);
    append(&mut log, &[-1; 60]);
    assert_eq!(latest(&log.reader(), 60), None);
    append(&mut log, &[-1, 0, 0]);
    assert_eq!(latest(&log.reader(), 63), Some((0, 61)));
}

/// Such a header can only come from a broker that does not look into what it is given.
#[test]
fn a_header_that_promises_more_than_its_records_have_hides_none() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let mut times = histories().remove(3);
    append(&mut log, &times);
    for round in 0..20 {
        let real = [3, 60 + round * 2, 4];
        let records = real.map(|time| (time, &[7; 70][..]));
        let lie = batch_at(&records).with_max_timestamp(Timestamp(777 - round));
        log.append_as_leader(vec![lie], LeaderEpoch(0), NOW)
            .unwrap();
        times.extend(real);
        let truth = [61 + round * 2, 59, 61 + round * 2];
        append(&mut log, &truth);
        times.extend(truth);
    }
    for before in (90..=log.log_end().0).step_by(BATCH_RECORDS) {
        let expected = first_latest(shown(&times, 0, before));
        assert_eq!(latest(&log.reader(), before), expected);
    }
}

/// The last batch of a segment stays when all of its records are superseded, and its header keeps
/// their time.
#[test]
fn what_compaction_took_is_not_the_latest() {
    let rig = cleaner::rig();
    let mut log = rig.fresh();
    let append = |log: &mut Log, key: &str, time: i64| {
        let batch = keyed_at(&[(key, Some(&"v".repeat(100)))], |_| Timestamp(time));
        log.append_as_leader(vec![batch], LeaderEpoch(0), NOW)
            .unwrap();
    };
    let segments = rig.segments().len();
    let mut time = 1_000;
    while rig.segments().len() < segments + 3 {
        append(&mut log, "k", time);
        time += 1;
    }
    append(&mut log, "k", 10);
    append(&mut log, "other", 11);
    while rig.segments().len() < segments + 4 {
        append(&mut log, "k", 9);
    }
    flush(&mut log);
    Pass::default().run(&mut log).unwrap().unwrap();
    let left = times(&log.reader());
    let expected = first_latest(left.iter().copied());
    assert!(expected.unwrap().0 < 1_000, "{left:?}");
    assert_eq!(latest(&log.reader(), log.log_end().0), expected);
}
