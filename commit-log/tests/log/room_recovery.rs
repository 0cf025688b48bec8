//! Room that an unclean stop has left: what the next start and `inspect` make of zeros.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use trimaran_commit_log::{
    Checkpointed, Damage, Finding, OpenError, Problem, RealDisk, Seen, Severity, inspect_partition,
};
use trimaran_types::Offset;

use crate::rig::{read_all, real};
use crate::room::{fill_and_flush, idle_minute, log_with_room, rig_on, room_bytes};

fn findings(dir: &Path, recovery_point: Option<Offset>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut on_seen = |seen: &Seen<'_>| {
        if let Seen::Finding(finding) = seen {
            findings.push((*finding).clone());
        }
        ControlFlow::Continue(())
    };
    let known = Checkpointed {
        recovery_point,
        ..Checkpointed::default()
    };
    inspect_partition(&real(), dir, &known, &mut on_seen).unwrap();
    findings
}

#[test]
fn a_crash_leaves_room_that_the_next_start_cuts() {
    let rig = rig_on(Arc::new(RealDisk));
    let mut log = log_with_room(&rig);
    rig.fill(&mut log, 2, 300);
    let room = room_bytes(&rig, &log);
    drop(log);
    let (log, report) = rig.open(0, false).unwrap();
    assert_eq!((log.log_end(), report.cut), (Offset(5), None));
    assert_eq!(report.room_bytes, room);
    assert_eq!(room_bytes(&rig, &log), 0);
    assert_eq!(read_all(&log.reader(), 1000).len(), 5);
}

#[test]
fn a_torn_batch_before_room_is_cut_with_it() {
    let rig = rig_on(Arc::new(RealDisk));
    let log = log_with_room(&rig);
    let (path, data) = (rig.segments()[&0].clone(), log.bytes());
    drop(log);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0, 0, 7], data).unwrap();
    let (log, report) = rig.open(0, false).unwrap();
    assert_eq!(log.log_end(), Offset(3));
    assert_eq!(report.cut.unwrap().position, data);
    assert_eq!(room_bytes(&rig, &log), 0);
}

#[test]
fn zeros_below_the_synced_end_are_damage() {
    let rig = rig_on(Arc::new(RealDisk));
    let log = log_with_room(&rig);
    let (path, data) = (rig.segments()[&0].clone(), log.bytes());
    drop(log);
    let whole = fs::read(&path).unwrap();
    let one = usize::try_from(data / 3).unwrap();
    // The last batch, and all that lies behind; the second of three.
    let bytes = usize::try_from(data).unwrap();
    for hole in [2 * one..whole.len(), one..2 * one] {
        let mut holed = whole.clone();
        holed[hole.clone()].fill(0);
        fs::write(&path, &holed).unwrap();
        let opened = rig.open(3, false);
        assert!(
            matches!(
                opened,
                Err(OpenError::Corrupt { position, cause: Damage::Batch(_), .. })
                    if position == hole.start as u64
            ),
            "{opened:?}"
        );
        let found = findings(&rig.dir(), Some(Offset(3)));
        assert_eq!(found[0].severity, Severity::Damage, "{found:?}");
        assert_eq!(fs::read(&path).unwrap(), holed, "nothing was cut");
    }
    // Beyond it they are room.
    let mut holed = whole;
    holed[2 * one..bytes].fill(0);
    fs::write(&path, &holed).unwrap();
    let (log, _) = rig.open(2, false).unwrap();
    assert_eq!(log.log_end(), Offset(2));
}

#[test]
fn after_a_clean_stop_zeros_are_damage() {
    let rig = rig_on(Arc::new(RealDisk));
    log_with_room(&rig).close().unwrap();
    let path = rig.segments()[&0].clone();
    let bytes = fs::metadata(&path).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(bytes + 5000).unwrap();
    let opened = rig.open(3, true);
    assert!(
        matches!(opened, Err(OpenError::Corrupt { .. })),
        "{opened:?}"
    );
}

/// Power cut after a roll: the next segment's name came through, the cut of the room did not.
#[test]
fn room_in_a_finished_segment_hides_nothing_and_is_cut() {
    for recovery_point_is_the_next_base in [false, true] {
        let rig = rig_on(Arc::new(RealDisk));
        let mut log = rig.fresh();
        while rig.segments().len() < 3 {
            fill_and_flush(&rig, &mut log, 1);
        }
        idle_minute(&mut log);
        let end = log.log_end();
        drop(log);
        let (base, _) = rig.segments().pop_last().unwrap();
        let (_, second) = rig.segments().into_iter().nth(1).unwrap();
        let exact = fs::metadata(&second).unwrap().len();
        let file = fs::OpenOptions::new().write(true).open(&second).unwrap();
        file.set_len(exact + 777).unwrap();
        let found = findings(&rig.dir(), None);
        assert_eq!(found[0].problem, Problem::Room { bytes: 777 });
        assert!(found.iter().all(|found| found.severity == Severity::Note));
        let recovery_point = if recovery_point_is_the_next_base {
            base
        } else {
            1
        };
        let (log, report) = rig.open(recovery_point, false).unwrap();
        assert_eq!((log.log_end(), report.cut), (end, None));
        assert!(report.room_bytes >= 777);
        assert_eq!(fs::metadata(&second).unwrap().len(), exact);
        assert_eq!(read_all(&log.reader(), 1000).len() as i64, end.0);
    }
}

/// As before, and the log start has passed the finished segment, so that nobody walks it.
#[test]
fn room_in_a_segment_below_the_log_start_is_cut() {
    let mut rig = rig_on(Arc::new(RealDisk));
    let mut log = rig.fresh();
    while rig.segments().len() < 2 {
        fill_and_flush(&rig, &mut log, 1);
    }
    drop(log);
    let (base, _) = rig.segments().pop_last().unwrap();
    let first = rig.segments()[&0].clone();
    let exact = fs::metadata(&first).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&first).unwrap();
    file.set_len(exact + 777).unwrap();
    rig.log_start = Some(Offset(base));
    let (log, _) = rig.open(0, false).unwrap();
    assert_eq!(log.log_start(), Offset(base));
    assert_eq!(fs::metadata(&first).unwrap().len(), exact);
}

#[test]
fn a_directory_that_is_written_has_room_and_no_damage() {
    let rig = rig_on(Arc::new(RealDisk));
    let log = log_with_room(&rig);
    let found = findings(&rig.dir(), Some(log.flushed_end()));
    let room = room_bytes(&rig, &log);
    assert!(
        matches!(
            found[..],
            [Finding {
                severity: Severity::Note,
                problem: Problem::Room { bytes },
                ..
            }] if bytes == room
        ),
        "{found:?}"
    );
    log.close().unwrap();
    assert_eq!(findings(&rig.dir(), Some(Offset(3))), []);
}
