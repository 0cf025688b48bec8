//! Every call of a log's upkeep to the disk fails once: retention, deletion of records and of
//! segments, compaction, the scrub, checkpoints, closing and opening again, between appends and
//! flushes.
//!
//! Then the directory is out of service and nothing more is written there, or what was asked for was
//! refused, the log is as it was, and the same succeeds when it is asked for again. A call that
//! failed is never taken for damage. What was synced is there after a restart on a healthy disk, and
//! after a power cut.

mod upkeeper;

use crate::power_cut::{PowerCut, Survives};
use crate::seeded::Seeded;
use crate::sim_disk::{Fault, Op, SimDisk};
use crate::upkeep::{check, recover, shown};
use upkeeper::{ACTS, Act, Refusal, Upkeeper, read};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[derive(Debug, Default)]
struct Seen {
    faults: usize,
    /// Of these, calls that another sweep fails in the same way.
    plain: usize,
    latched: usize,
    refused: usize,
    unnoticed: usize,
    /// Writes of starts that put in place what a journal had.
    replays: usize,
}

/// After the directory has failed: readers read on, everything else is refused, nothing is written.
fn go_on_after_failure(upkeeper: &mut Upkeeper, at: usize, name: &str) {
    // What follows the end of a process is another process.
    let rest = match ACTS[at] {
        Act::Close => &[],
        _ => &ACTS[at + 1..],
    };
    let of_the_call = |op: &Op| matches!(op, Op::SyncFailed { .. } | Op::Write { .. });
    let since = upkeeper.disk.ops_since_fault();
    let others = match since.first() {
        Some(op) if of_the_call(op) => &since[1..],
        _ => &since[..],
    };
    assert!(
        others.is_empty(),
        "{name}: written after the failure: {others:.1000?}"
    );
    for act in rest {
        match upkeeper.perform(*act) {
            Ok(()) | Err(Refusal::Latched) => {}
            Err(Refusal::Refused { .. }) if *act == Act::Remove => {}
            Err(refusal) => panic!("{name}, {act:?} later: {refusal:?}"),
        }
        if matches!(act, Act::Close | Act::Kill) {
            break;
        }
        if let Some(log) = &upkeeper.log {
            read(log).unwrap();
        }
    }
    let after = upkeeper.disk.ops_since_fault().len();
    assert_eq!(after, since.len(), "{name}: written long after the failure");
}

fn fail_call(call: usize, (fault, has_journal): (Fault, bool), seen: &mut Seen) -> bool {
    let disk = SimDisk::empty();
    disk.fail_at(call, fault);
    let mut upkeeper = Upkeeper::new(disk.clone(), has_journal);
    for (at, act) in ACTS.iter().enumerate() {
        let facts = upkeeper.facts();
        let was_hit = disk.failed_call().is_some();
        let done = upkeeper.perform(*act);
        let failed = disk.failed_call();
        let name = format!("call {call}, {fault:?} ({failed:?}), journal: {has_journal}, {act:?}");
        let is_hit = !was_hit && disk.failed_call().is_some();
        seen.faults += usize::from(is_hit);
        if failed.is_some_and(|failed| fault.is_plain_for(failed)) && !crate::is_long() {
            seen.plain += 1;
            return true;
        }
        match done {
            Ok(()) => {
                let is_sync = matches!(disk.failed_call(), Some("sync_data" | "sync_dir"));
                let forgets = is_hit && is_sync && fault == Fault::Errno(EIO);
                assert!(
                    !forgets || upkeeper.has_failed(),
                    "{name}: a failed sync is forgotten"
                );
                if is_hit && upkeeper.has_failed() {
                    seen.latched += 1;
                    go_on_after_failure(&mut upkeeper, at, &name);
                    break;
                }
                seen.unnoticed += usize::from(is_hit);
            }
            Err(Refusal::Latched) => {
                assert!(is_hit, "{name}: failed on a healthy disk");
                seen.latched += 1;
                go_on_after_failure(&mut upkeeper, at, &name);
                break;
            }
            Err(Refusal::Refused { error, as_it_was }) => {
                assert!(is_hit && !upkeeper.has_failed(), "{name}: {error}");
                seen.refused += 1;
                if as_it_was && upkeeper.log.is_some() {
                    assert_eq!(upkeeper.facts(), facts, "{name}: {error}");
                }
                let again = upkeeper.perform(*act);
                assert!(again.is_ok(), "{name}: {error}, then {again:?}");
            }
        }
        if is_hit && let Some(log) = &upkeeper.log {
            check(log, &upkeeper.written, &upkeeper.now)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    let Some(failed) = disk.failed_call() else {
        return false;
    };
    let name = format!("call {call}, {fault:?} ({failed}), journal: {has_journal}");
    if let Some(log) = &upkeeper.log {
        check(log, &upkeeper.written, &upkeeper.now)
            .unwrap_or_else(|error| panic!("{name}, at the end: {error}"));
        shown(log).unwrap();
    }
    seen.replays += recover_everywhere(&disk, upkeeper, call, &name);
    true
}

/// Recovers what the process left, and what a power cut then leaves of it.
fn recover_everywhere(disk: &SimDisk, upkeeper: Upkeeper, call: usize, name: &str) -> usize {
    let Upkeeper { written, now, .. } = upkeeper;
    let (base, ops) = disk.recorded();
    let mut replays = 0;
    let mut cut = PowerCut::before_anything(&base);
    ops.iter().for_each(|op| cut.after(op));
    let chance = Survives::Some(Seeded(call as u64).next());
    let ways = [Survives::Nothing, Survives::Everything, chance];
    let trees = ways.map(|way| (Some(way), cut.leaves(way)));
    for (way, tree) in [(None, disk.live())].into_iter().chain(trees) {
        replays += recover(&SimDisk::holding(tree), &written, &now, false)
            .unwrap_or_else(|error| panic!("{name}, {way:?}: {error}\n{now:?}"));
    }
    replays
}

fn fail_every_call(fault: Fault) {
    for has_journal in [false, true] {
        let mut seen = Seen::default();
        let what = (fault, has_journal);
        // Most calls are the same in both forms.
        let every = if has_journal && !crate::is_long() {
            3
        } else {
            1
        };
        let calls = (1..).step_by(every);
        let calls = calls.take_while(|call| fail_call(*call, what, &mut seen));
        let calls = calls.count() * every;
        println!("{fault:?}, journal: {has_journal}: {seen:?}");
        let failed = seen.latched + seen.refused + seen.plain;
        assert!(calls > 500 && failed > 100, "{seen:?}");
        let least = if seen.plain > 0 { 0 } else { 200 };
        assert_eq!(seen.replays > least, has_journal, "{seen:?}");
    }
}

#[test]
fn an_io_error_in_upkeep_ends_the_directory_or_changes_nothing() {
    fail_every_call(Fault::Errno(EIO));
    fail_every_call(Fault::Short(EIO));
}

#[test]
fn a_full_disk_in_upkeep_is_refused_and_changes_nothing() {
    fail_every_call(Fault::Errno(ENOSPC));
    fail_every_call(Fault::Short(ENOSPC));
}
