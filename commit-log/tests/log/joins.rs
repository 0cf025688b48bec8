//! Bytes that are lost from inside one batch's offset to the same place in a later one leave a good
//! batch of the later records under the earlier offset. Nobody believes it: not a reader, not a
//! start, not the scrub, not the offline inspection. At every pair of batches in a file.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use trimaran_commit_log::{
    Checkpointed, Finding, OpenError, ReadError, Seen, Severity, inspect_partition,
};
use trimaran_types::{LeaderEpoch, Offset};

use crate::joins_rig::{
    Killed, Loss, append, batches, end, files, given, losses, placed, restore, rig,
};
use crate::rig::{NOW, batch_of, real, records_in};

/// What lies before the batch in doubt is given.
fn check_that_the_rest_is_given(offsets: &BTreeSet<i64>, loss: &Loss) {
    let mut before = 0..loss.doubted.base;
    assert!(
        before.all(|offset| offsets.contains(&offset)),
        "{loss:?}: {offsets:?}"
    );
}

#[test]
fn a_reader_gives_nothing_in_front_of_a_place_where_batches_do_not_join() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &batches());
    let reader = log.reader();
    for loss in losses(&rig.dir()) {
        loss.happen();
        let offsets = given(&reader, &loss);
        check_that_the_rest_is_given(&offsets, &loss);
        let mut lost = loss.doubted.base..loss.to.end;
        assert!(
            lost.all(|offset| !offsets.contains(&offset)),
            "{loss:?}: {offsets:?}"
        );
        loss.undo();
    }
    assert_eq!(reader.log_end(), Offset(end()));
}

#[test]
fn what_a_clean_stop_left_is_refused_by_the_start_or_by_readers() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &batches());
    log.close().unwrap();
    let good = files(&rig.dir());
    let (mut refused, mut read) = (0, 0);
    for loss in losses(&rig.dir()) {
        loss.happen();
        match rig.open(end(), true) {
            Ok((log, _)) => {
                check_that_the_rest_is_given(&given(&log.reader(), &loss), &loss);
                read += 1;
            }
            Err(OpenError::Corrupt { .. }) => refused += 1,
            Err(other) => panic!("{loss:?}: {other}"),
        }
        restore(&rig.dir(), &good);
    }
    assert!(refused > 10 && read > 100, "{refused} {read}");
}

/// Without a noted end, what does not join is corrupt wherever it lies; finished segments below the
/// recovery point are not looked at by the start.
#[test]
fn after_an_unclean_stop_what_does_not_join_is_corrupt() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &batches());
    drop(log);
    let good = files(&rig.dir());
    for recovery_point in [0, 20, end()] {
        for loss in losses(&rig.dir()) {
            if loss.ends_log && loss.has_no_witness(recovery_point) {
                continue;
            }
            loss.happen();
            match rig.open(recovery_point, false) {
                Ok((log, _)) => {
                    assert!(loss.to.end <= recovery_point, "{recovery_point}: {loss:?}");
                    check_that_the_rest_is_given(&given(&log.reader(), &loss), &loss);
                }
                Err(OpenError::Corrupt { .. }) => {}
                Err(other) => panic!("{loss:?}: {other}"),
            }
            restore(&rig.dir(), &good);
        }
    }
}

/// What does not join is corrupt beyond the noted end as well: no power cut leaves it. Only where the
/// checksum is wrong, too, it is a torn tail. The inspection says before what the start does then.
#[test]
fn what_does_not_join_is_no_torn_tail() {
    let killed = Killed::new();
    let flushed = killed.flushed_end;
    let known = killed.known();
    let good = files(&killed.dir());
    let ends = fs::read(killed.logs().join("flushed-ends")).unwrap();
    let (mut refused, mut cut) = (0, 0);
    for loss in losses(&killed.dir()) {
        if loss.has_no_witness(flushed) {
            continue;
        }
        loss.happen();
        let findings = inspect(&killed.dir(), &known);
        let worst = findings.iter().map(|it| it.severity).max();
        match killed.open() {
            Ok((log, report)) => {
                assert_eq!(worst, Some(Severity::TornTail), "{loss:?}: {findings:?}");
                assert!(loss.inside > 8 && loss.from.base >= flushed, "{loss:?}");
                assert_eq!(log.log_end(), Offset(loss.from.base), "{loss:?}");
                assert!(report.cut.is_some(), "{loss:?}");
                let offsets = given(&log.reader(), &loss);
                assert_eq!(offsets.len() as i64, log.log_end().0, "{loss:?}");
                cut += 1;
            }
            Err(OpenError::Corrupt { position, .. }) => {
                assert_eq!(worst, Some(Severity::Damage), "{loss:?}: {findings:?}");
                let is_at_place = position == loss.doubted.position as u64;
                assert!(is_at_place || loss.ends_segment, "{loss:?}: {position}");
                refused += 1;
            }
            Err(other) => panic!("{loss:?}: {other}"),
        }
        restore(&killed.dir(), &good);
        fs::write(killed.logs().join("flushed-ends"), &ends).unwrap();
    }
    assert!(refused > 100 && cut > 10, "{refused} {cut}");
}

#[test]
fn the_scrub_calls_nothing_good_that_a_reader_would_refuse() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &batches());
    let reader = log.reader();
    let finished = reader.finished_segments();
    let mut found = 0;
    for loss in losses(&rig.dir()) {
        let base: i64 = loss
            .path
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        if finished.iter().all(|segment| segment.base.0 != base) {
            continue;
        }
        loss.happen();
        for bytes_max in [1, 200, 1 << 20] {
            let mut place = reader.scrub_place(Offset(base));
            let mut good = 0;
            let error = loop {
                match reader.scrub(place.unwrap(), bytes_max) {
                    Ok(step) => {
                        good += step.bytes;
                        assert!(!step.is_end_of_segment, "{loss:?}");
                        place = step.next;
                    }
                    Err(error) => break error,
                }
            };
            let ReadError::Corrupt { position, .. } = error else {
                panic!("{loss:?}: {error:?}");
            };
            assert_eq!(good, loss.doubted.position as u64, "{loss:?}");
            assert_eq!(position, good, "{loss:?}");
        }
        found += 1;
        loss.undo();
    }
    assert!(found > 100, "{found}");
}

fn inspect(dir: &Path, known: &Checkpointed) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut on_seen = |seen: &Seen<'_>| {
        if let Seen::Finding(finding) = seen {
            findings.push((*finding).clone());
        }
        ControlFlow::Continue(())
    };
    inspect_partition(&real(), dir, known, &mut on_seen).unwrap();
    findings
}

/// At the place of the batch in doubt, or before it.
fn worst_at(findings: &[Finding], loss: &Loss) -> Option<Severity> {
    let is_at = |it: &&Finding| {
        let position = it.position.and_then(|at| usize::try_from(at).ok());
        it.file == loss.path && position.is_some_and(|at| at <= loss.doubted.position)
    };
    findings.iter().filter(is_at).map(|it| it.severity).max()
}

#[test]
fn the_offline_inspection_suspects_the_batch_before_the_place() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &batches());
    log.close().unwrap();
    let known = Checkpointed {
        recovery_point: Some(Offset(end())),
        ..Checkpointed::default()
    };
    assert_eq!(inspect(&rig.dir(), &known), []);
    for loss in losses(&rig.dir()) {
        let end_is_lost = loss.ends_log && loss.inside > 0;
        loss.happen();
        let findings = inspect(&rig.dir(), &known);
        let worst = worst_at(&findings, &loss);
        assert!(
            worst == Some(Severity::Damage) || end_is_lost,
            "{loss:?}: {findings:?}"
        );
        // Where the end of the log is gone, that is what is said.
        let is_said = findings.iter().any(|it| it.severity == Severity::Damage);
        assert!(is_said, "{loss:?}: {findings:?}");
        loss.undo();
    }
}

/// A leader epoch lies outside the checksum, too. The log knows which one it had where.
#[test]
fn no_epoch_is_given_that_the_log_did_not_have_there() {
    let rig = rig();
    let mut log = rig.fresh();
    let all = batches();
    for (number, part) in all.chunks(7).enumerate() {
        let epoch = LeaderEpoch(i32::try_from(number * 2).unwrap());
        log.assign_epoch(epoch, log.log_end()).unwrap();
        for batch in part {
            let values: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
            log.append_as_leader(vec![batch_of(&values)], epoch, NOW)
                .unwrap();
        }
    }
    let epochs = log.epochs().clone();
    let reader = log.reader();
    for (_, path) in rig.segments() {
        let whole = fs::read(&path).unwrap();
        for batch in placed(&whole) {
            let right = epochs.epoch_at(Offset(batch.base)).unwrap().0;
            for epoch in (-1..9).filter(|epoch| *epoch != right) {
                let mut changed = whole.clone();
                let at = batch.position + 12;
                changed[at..at + 4].copy_from_slice(&epoch.to_be_bytes());
                fs::write(&path, changed).unwrap();
                for (from, bytes_max) in [(batch.base, 1), (0, 1 << 20), (batch.base, 1 << 20)] {
                    let Ok(bytes) = reader.read(Offset(from), Offset(i64::MAX), bytes_max) else {
                        continue;
                    };
                    for (offset, found, _) in records_in(bytes) {
                        let right = epochs.epoch_at(Offset(offset)).unwrap();
                        assert_eq!(found, right.0, "epoch {epoch} at {}", batch.base);
                    }
                }
                let refused = reader.read(Offset(batch.base), Offset(i64::MAX), 1);
                let is_named = matches!(
                    &refused,
                    Err(ReadError::Corrupt { position, .. }) if *position == batch.position as u64
                );
                assert!(is_named, "epoch {epoch} at {}: {refused:?}", batch.base);
            }
        }
        fs::write(&path, whole).unwrap();
    }
}
