//! Torn tails are cut, damage is named, nothing wrong is ever served.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use trimaran_commit_log::{Damage, Log, LogConfig, OpenError, ReadError};
use trimaran_types::record_batch::{BatchError, BatchHeader};
use trimaran_types::{LeaderEpoch, Offset};

use crate::rig::{NOW, Rig, batch_of, flush, read_all, segment_files, topic_id};

/// Positions of the batches in a log file.
fn batches(file: &[u8]) -> Vec<usize> {
    let mut places = vec![0];
    while let Ok(header) = BatchHeader::parse(&file[*places.last().unwrap()..]) {
        places.push(places.last().unwrap() + header.total_bytes());
    }
    places
}

/// A log of one segment with five batches of two records each.
fn five_batches() -> (Rig, std::path::PathBuf, Vec<u8>) {
    let mut rig = Rig::new();
    rig.config = LogConfig {
        segment_bytes: 1 << 20,
        ..rig.config
    };
    let mut log = rig.fresh();
    for number in 0..5_u8 {
        log.append_as_leader(vec![batch_of(&[&[number; 40], b"x"])], LeaderEpoch(0), NOW)
            .unwrap();
    }
    drop(log);
    let path = rig.segments()[&0].clone();
    let bytes = fs::read(&path).unwrap();
    (rig, path, bytes)
}

#[test]
fn a_tail_cut_at_any_byte_loses_only_the_batch_that_it_hits() {
    let (rig, path, whole) = five_batches();
    let places = batches(&whole);
    for length in places[3]..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let kept = places.iter().filter(|place| **place <= length).count() - 1;
        let (log, report) = rig.open(6, false).unwrap();
        assert_eq!(
            log.log_end(),
            Offset(2 * i64::try_from(kept).unwrap()),
            "cut at {length}"
        );
        assert_eq!(log.flushed_end(), log.log_end());
        assert_eq!(fs::metadata(&path).unwrap().len(), places[kept] as u64);
        match report.cut {
            // Zeros are what room leaves, too; the first bytes of a batch may be no more than that.
            None => {
                assert!(whole[places[kept]..length].iter().all(|byte| *byte == 0));
                assert_eq!(report.room_bytes, (length - places[kept]) as u64);
            }
            Some(cut) => {
                assert_eq!(
                    (cut.position, cut.bytes),
                    (places[kept] as u64, (length - places[kept]) as u64)
                );
                assert!(matches!(
                    cut.cause,
                    Damage::Batch(BatchError::Truncated { .. })
                ));
            }
        }
        assert_eq!(read_all(&log.reader(), 100).len(), 2 * kept);
    }
}

#[test]
fn a_tail_cut_below_the_recovery_point_is_corruption_and_is_left_alone() {
    let (rig, path, whole) = five_batches();
    let places = batches(&whole);
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let synced_end = 10;
        match rig.open(synced_end, false) {
            Err(OpenError::Corrupt {
                file,
                position,
                offset,
                ..
            }) => {
                let kept = places.iter().filter(|place| **place <= length).count() - 1;
                assert_eq!(file, path);
                assert_eq!(offset, Offset(2 * i64::try_from(kept).unwrap()));
                assert_eq!(position, places[kept] as u64);
            }
            other => panic!("cut at {length}: {other:?}"),
        }
        assert_eq!(fs::metadata(&path).unwrap().len(), length as u64);
    }
}

/// A flipped bit that no check can see: the epoch is outside the checksum, and of what a start walks
/// only a lower one, or one higher than the next batch's, contradicts anything.
fn is_blind_spot(place: usize, at: usize) -> bool {
    (12..16).contains(&(at - place))
}

#[test]
fn a_flipped_bit_in_the_middle_is_corruption_even_beyond_the_recovery_point() {
    let (rig, path, whole) = five_batches();
    let places = batches(&whole);
    for at in 0..places[4] {
        let mut bad = whole.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&path, &bad).unwrap();
        match rig.open(0, false) {
            Err(OpenError::Corrupt { .. }) => assert_eq!(fs::read(&path).unwrap(), bad),
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

#[test]
fn a_flipped_bit_in_the_last_batch_is_cut_or_named_by_the_recovery_point() {
    let (rig, path, whole) = five_batches();
    let [.., before, last, _] = batches(&whole)[..] else {
        panic!("five batches")
    };
    for at in last..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 1 << (at % 8);
        for synced_end in [8, 10] {
            fs::write(&path, &bad).unwrap();
            match rig.open(synced_end, false) {
                Ok((log, _)) if is_blind_spot(last, at) => assert!(log.log_end() >= Offset(8)),
                Ok((log, report)) => {
                    assert_eq!((synced_end, log.log_end()), (8, Offset(8)), "byte {at}");
                    assert_eq!(report.cut.unwrap().position, last as u64);
                }
                // A whole batch in the wrong place is no torn tail, wherever the synced end is.
                Err(OpenError::Corrupt { position, .. }) => {
                    assert!(synced_end == 10 || at < last + 16, "byte {at}");
                    // Where offsets are missing in front of it, the batch before it is in doubt.
                    let is_before = at < last + 8 && position == before as u64;
                    assert!(is_before || position == last as u64, "byte {at}");
                }
                Err(other) => panic!("byte {at}: {other}"),
            }
        }
    }
}

#[test]
fn after_a_clean_stop_every_bad_byte_is_corruption() {
    let (rig, path, whole) = five_batches();
    let (log, _) = rig.open(0, false).unwrap();
    let end = log.close().unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(
        rig.open(end.0, true),
        Err(OpenError::Corrupt { .. })
    ));
    // Even when the recovery point was lost.
    assert!(matches!(rig.open(0, true), Err(OpenError::Corrupt { .. })));
}

/// Reads on until the damaged byte is named; whether it was. All that is read is good.
fn reads_until_damage(log: &Log, good: &[(i64, i32, Vec<u8>)], (path, at): (&Path, usize)) -> bool {
    let reader = log.reader();
    let mut from = Offset(0);
    while from < log.log_end() {
        match reader.read(from, Offset(i64::MAX), 300) {
            Ok(bytes) => {
                assert!(!bytes.is_empty(), "byte {at} hides what follows");
                for (offset, epoch, value) in crate::rig::records_in(bytes) {
                    let known = &good[usize::try_from(offset).unwrap()];
                    assert_eq!((offset, epoch, value), *known, "byte {at}");
                    from = Offset(offset + 1);
                }
            }
            Err(ReadError::Corrupt { file, position, .. }) => {
                assert_eq!(&file, path);
                assert!(position <= at as u64, "byte {at}");
                return true;
            }
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    false
}

#[test]
fn a_flipped_bit_in_a_finished_segment_is_never_served() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    for _ in 0..3 {
        rig.fill(&mut log, 20, 60);
        log.assign_epoch(
            LeaderEpoch(log.latest_epoch().unwrap().0 + 1),
            log.log_end(),
        )
        .unwrap();
    }
    let good = read_all(&log.reader(), 400);
    let end = log.close().unwrap();
    let segments = rig.segments();
    assert!(segments.len() > 2);
    let path = &segments[&0];
    let whole = fs::read(path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    for at in 0..whole.len() {
        file.write_all_at(&[whole[at] ^ 0x10], at as u64).unwrap();
        let failed = match rig.open(end.0, true) {
            Ok((log, _)) => reads_until_damage(&log, &good, (path, at)),
            // Where an epoch begins, a start sees it.
            Err(OpenError::Corrupt { file, position, .. }) => {
                assert_eq!(&file, path);
                assert!(position <= at as u64, "byte {at}");
                true
            }
            Err(other) => panic!("byte {at}: {other}"),
        };
        assert!(failed, "byte {at} went unseen");
        file.write_all_at(&whole[at..=at], at as u64).unwrap();
    }
}

#[test]
fn a_later_segment_with_good_batches_makes_an_earlier_torn_one_corrupt() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 30, 60);
    drop(log);
    let segments: Vec<_> = rig.segments().into_iter().collect();
    let (_, first) = &segments[0];
    let whole = fs::read(first).unwrap();
    fs::write(first, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(rig.open(0, false), Err(OpenError::Corrupt { .. })));
    // A whole batch short: no bad byte, but a hole before the next segment.
    let places = batches(&whole);
    fs::write(first, &whole[..places[places.len() - 2]]).unwrap();
    match rig.open(0, false) {
        Err(OpenError::Corrupt {
            cause: Damage::SegmentOutOfPlace { expected, found },
            ..
        }) => {
            assert_eq!((expected.next(), found), (found, Offset(segments[1].0)));
        }
        other => panic!("{other:?}"),
    }
    // With nothing but empty segments behind it, it is a torn tail.
    for (_, later) in &segments[1..] {
        fs::write(later, b"").unwrap();
    }
    let (log, report) = rig.open(0, false).unwrap();
    assert_eq!(log.log_end().next(), Offset(segments[1].0));
    assert_eq!(rig.segments().len(), 1);
    assert!(report.cut.is_some());
}

#[test]
fn indexes_are_only_hints() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 100, 60);
    let good = read_all(&log.reader(), 400);
    let end = log.close().unwrap().0;
    for extension in ["index", "timeindex"] {
        for (base, path) in segment_files(&rig.dir(), extension) {
            let whole = fs::read(&path).unwrap();
            let garbage: Vec<u8> = whole.iter().map(|byte| byte ^ 0x55).collect();
            let half = whole[..whole.len() / 2].to_vec();
            for content in [
                Some(vec![]),
                Some(garbage),
                Some(half),
                Some(vec![0; whole.len()]),
                Some(vec![1; 7]),
                None,
            ] {
                match &content {
                    Some(content) => fs::write(&path, content).unwrap(),
                    None => fs::remove_file(&path).unwrap(),
                }
                for clean in [true, false] {
                    let (log, _) = rig.open(end, clean).unwrap();
                    assert_eq!(
                        read_all(&log.reader(), 400),
                        good,
                        "{extension} of {base}: {content:?}"
                    );
                    let found = log
                        .reader()
                        .offset_for_timestamp(NOW, log.log_end())
                        .unwrap();
                    assert_eq!(
                        found,
                        Some((NOW, Offset(0))),
                        "{extension} of {base}: {content:?}"
                    );
                    let latest = log.reader().offset_of_max_timestamp(log.log_end());
                    assert_eq!(
                        latest.unwrap(),
                        Some((NOW, Offset(0))),
                        "{extension} of {base}: {content:?}"
                    );
                }
            }
            fs::write(&path, whole).unwrap();
        }
    }
}

#[test]
fn epochs_are_learned_anew_when_their_file_is_damaged() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    for epoch in 1..4 {
        rig.fill(&mut log, 10, 60);
        log.assign_epoch(LeaderEpoch(epoch), log.log_end()).unwrap();
    }
    rig.fill(&mut log, 1, 60);
    let epochs = log.epochs().clone();
    let end = log.close().unwrap().0;
    let path = rig.dir().join("leader-epoch-checkpoint");
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "0\n4\n0 0\n1 10\n2 20\n3 30\n"
    );
    for damaged in [None, Some(""), Some("0\n1\n0 0\n9 9\n")] {
        match damaged {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        for clean in [true, false] {
            let (log, report) = rig.open(end, clean).unwrap();
            assert_eq!(log.epochs(), &epochs);
            assert_eq!(report.scanned_batches, 31);
        }
    }
}

#[test]
fn only_what_lies_beyond_the_recovery_point_is_walked() {
    let mut rig = Rig::new();
    rig.config = LogConfig {
        segment_bytes: 1 << 20,
        ..rig.config
    };
    let mut log = rig.fresh();
    rig.fill(&mut log, 1000, 60);
    let request = log.begin_checkpoint().unwrap().unwrap();
    request
        .files
        .iter()
        .for_each(|file| file.sync_data().unwrap());
    log.flushed(&request.token());
    assert!(log.begin_checkpoint().unwrap().is_none());
    rig.fill(&mut log, 5, 60);
    flush(&mut log);
    let end = log.log_end();
    drop(log);
    let (log, report) = rig.open(1000, false).unwrap();
    assert_eq!(log.log_end(), end);
    assert!((5..15).contains(&report.scanned_batches), "{report:?}");
    log.close().unwrap();
    let (_, report) = rig.open(end.0, true).unwrap();
    assert!(report.scanned_batches < 5, "{report:?}");
}

#[test]
fn what_was_synced_cannot_be_missing() {
    let rig = Rig::new();
    match rig.open(7, false) {
        Err(OpenError::Missing { recovery_point, .. }) => assert_eq!(recovery_point, Offset(7)),
        other => panic!("{other:?}"),
    }
    let mut log = rig.fresh();
    rig.fill(&mut log, 50, 60);
    drop(log);
    for (_, path) in rig.segments() {
        fs::remove_file(path).unwrap();
    }
    assert!(matches!(
        rig.open(50, false),
        Err(OpenError::Corrupt { .. })
    ));
}

#[test]
fn a_directory_of_another_topic_is_refused() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 1, 10);
    drop(log);
    let path = rig.dir().join("partition.metadata");
    let text = format!("version: 0\ntopic_id: {}", topic_id());
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    fs::write(&path, "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAg\n").unwrap();
    assert!(matches!(
        rig.open(0, false),
        Err(OpenError::OtherTopic { .. })
    ));
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        rig.open(0, false),
        Err(OpenError::TopicIdMissing { .. })
    ));
}

#[test]
fn a_note_of_the_topic_that_is_no_text_or_no_file_is_damage_of_this_log_alone() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 1, 10);
    drop(log);
    let path = rig.dir().join("partition.metadata");
    for bad in [&b"version: 0\ntopic_id: \xff\xfe\n"[..], b"nonsense", b""] {
        fs::write(&path, bad).unwrap();
        let refused = rig.open(0, false);
        assert!(
            matches!(refused, Err(OpenError::TopicIdMissing { .. })),
            "{refused:?}"
        );
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let refused = rig.open(0, false);
    assert!(
        matches!(refused, Err(OpenError::TopicIdMissing { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_file_in_the_place_of_the_directory_is_named_as_such() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 1, 10);
    drop(log);
    fs::remove_dir_all(rig.dir()).unwrap();
    fs::write(rig.dir(), b"?").unwrap();
    let refused = rig.open(0, false);
    assert!(
        matches!(refused, Err(OpenError::NoDirectory { .. })),
        "{refused:?}"
    );
    assert!(rig.context().latch.failure().is_none());
}
