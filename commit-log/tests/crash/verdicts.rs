//! Whoever looks at a disk offline says of it what the next start, its scrub and its readers say: after a
//! power cut, and after one with damage on top.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use trimaran_commit_log::{
    DirNotes, Disk, DiskEntry, Finding, Log, LogDir, OpenError, OpenHow, PartitionSummary, Problem,
    Seen, Severity, inspect_partition, parse_partition_dir,
};
use trimaran_types::Offset;
use trimaran_types::record_batch::split;

use crate::power_cut::{PowerCut, Survives};
use crate::promises::{config, open_dir};
use crate::seeded::Seeded;
use crate::sim_disk::{Op, SimDisk, Tree};
use crate::workload::Workload;

const LOGS_DIR: &str = "/data/logs";
const STEPS: usize = 40;
/// Of the changes of a workload, one in so many is looked at, unless in a long run.
const LOOKED_AT_EVERY: usize = 5;

/// How often damage is done to the last state.
const LAST_TIMES: usize = 10;

/// What was met, or the test proves nothing.
#[derive(Debug, Default)]
struct Met {
    logs: usize,
    torn: usize,
    rooms: usize,
    journalled: usize,
    swaps: usize,
    damaged: usize,
    refused: usize,
}

type Looked = BTreeMap<PathBuf, (PartitionSummary, Vec<Finding>)>;

/// What is said of each log that has a segment.
fn look(disk: &SimDisk) -> Looked {
    let arc: Arc<dyn Disk> = Arc::new(disk.clone());
    let notes = DirNotes::read(Arc::clone(&arc), Path::new(LOGS_DIR)).unwrap();
    let mut looked = Looked::new();
    for dir in folders(disk) {
        let mut findings = Vec::new();
        let mut on_seen = |seen: &Seen<'_>| {
            if let Seen::Finding(finding) = seen {
                findings.push((*finding).clone());
            }
            ControlFlow::Continue(())
        };
        let known = notes.known(&dir);
        let summary = inspect_partition(&notes.disk(), &dir, &known, &mut on_seen).unwrap();
        looked.insert(dir, (summary, findings));
    }
    assert_eq!(disk.ops_count(), 0, "it was only looked at");
    looked
}

fn names(disk: &SimDisk, dir: &Path) -> Vec<String> {
    let entries = disk.list(dir).unwrap().into_iter();
    entries.map(|entry| entry.name).collect()
}

fn folders(disk: &SimDisk) -> Vec<PathBuf> {
    let logs_dir = Path::new(LOGS_DIR);
    let is_log = |entry: &DiskEntry| {
        entry.is_dir
            && parse_partition_dir(&entry.name).is_some()
            && names(disk, &logs_dir.join(&entry.name))
                .iter()
                .any(|file| file.ends_with(".log") || file.ends_with(".log.swap"))
    };
    let entries = disk.list(logs_dir).unwrap().into_iter().filter(is_log);
    entries.map(|entry| logs_dir.join(entry.name)).collect()
}

/// What the next start and all who read after it make of a log.
#[derive(Debug)]
struct Started {
    /// Why it is damaged, if it is.
    damage: Option<String>,
    was_refused: bool,
    is_torn: bool,
    had_room: bool,
    log_start: Offset,
    log_end: Option<Offset>,
}

fn start(dir: &LogDir, at: &Path) -> Started {
    let mut started = Started {
        damage: None,
        was_refused: true,
        is_torn: false,
        had_room: false,
        log_start: Offset::ZERO,
        log_end: None,
    };
    let found = dir.partitions().unwrap();
    let found = found.into_iter().find(|found| found.dir == at).unwrap();
    let Some(topic_id) = found.topic_id else {
        started.damage = Some("no topic id".to_owned());
        return started;
    };
    let open_as = dir.open_as(&found.partition, topic_id);
    started.log_start = open_as.log_start.unwrap_or(Offset::ZERO);
    match Log::open(dir.context(), at, config(), open_as) {
        Ok((log, report)) => {
            started.was_refused = false;
            started.damage = read_everything(&log).err();
            started.is_torn = report.cut.is_some();
            started.had_room = report.room_bytes > 0;
            started.log_end = Some(log.log_end());
        }
        Err(error @ OpenError::Corrupt { .. }) => started.damage = Some(error.to_string()),
        Err(error) => panic!("{}: {error:?}", at.display()),
    }
    started
}

fn read_everything(log: &Log) -> Result<(), String> {
    let reader = log.reader();
    let mut place = reader.scrub_place(log.log_start());
    while let Some(at) = place {
        let scrubbed = reader.scrub(at, 1 << 20);
        place = scrubbed.map_err(|error| format!("scrub: {error}"))?.next;
    }
    let mut from = log.log_start();
    while from < log.log_end() {
        let bytes = reader.read(from, Offset(i64::MAX), 1 << 20);
        let bytes = bytes.map_err(|error| format!("read: {error}"))?;
        for batch in split(bytes) {
            from = batch.unwrap().header().next_offset();
        }
    }
    Ok(())
}

/// What is wrong with what `look` says of the disk, if anything is.
fn compare(tree: &Tree, met: &mut Met) -> Result<(), String> {
    let looked = look(&SimDisk::holding(tree.clone()));
    let disk = SimDisk::holding(tree.clone());
    let is_swap = |dir: &PathBuf| names(&disk, dir).iter().any(|it| it.ends_with(".swap"));
    met.swaps += folders(&disk).iter().filter(|dir| is_swap(dir)).count();
    let dir = open_dir(&disk).map_err(|error| format!("{error:?}"))?;
    for (at, (summary, findings)) in looked {
        let started = start(&dir, &at);
        let has = |wanted: fn(&Finding) -> bool| findings.iter().any(wanted);
        let is_damaged = summary.worst == Some(Severity::Damage);
        // Of the first, nobody reads what lies below the log start, though the segment holds it. Of the
        // second, readers notice a list that lies, but not one that begins too late.
        let nobody_notices = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Damage)
            .all(|finding| {
                finding.offset < Some(started.log_start)
                    || matches!(finding.problem, Problem::EpochsDiffer { .. })
            });
        let has_torn = has(|finding| finding.severity == Severity::TornTail);
        let has_room = has(|finding| matches!(finding.problem, Problem::Room { .. }));
        let agrees = match started.damage {
            Some(_) => is_damaged,
            None if is_damaged => nobody_notices,
            None => {
                (has_torn, has_room) == (started.is_torn, started.had_room)
                    && (started.is_torn || summary.end == started.log_end)
            }
        };
        if !agrees {
            let at = at.display();
            return Err(format!("{at}: {started:?}, but {summary:?} {findings:#?}"));
        }
        met.logs += 1;
        met.torn += usize::from(has_torn);
        met.rooms += usize::from(has_room);
        met.journalled += usize::from(has(|it| matches!(it.problem, Problem::Journalled { .. })));
        met.damaged += usize::from(started.damage.is_some());
        met.refused += usize::from(started.was_refused);
    }
    Ok(())
}

/// Does something to some file of the logs, which no power cut does.
fn damage(tree: &Tree, random: &mut Seeded) -> (String, Tree) {
    let disk = SimDisk::holding(tree.clone());
    let logs_dir = PathBuf::from(LOGS_DIR);
    let mut files: Vec<PathBuf> = Vec::new();
    let dirs = folders(&disk).into_iter().chain([logs_dir]);
    for dir in dirs {
        let entries = disk.list(&dir).unwrap().into_iter();
        let files_in = entries.filter(|entry| !entry.is_dir && entry.bytes > 0);
        files.extend(files_in.map(|entry| dir.join(entry.name)));
    }
    let Some(last) = files.len().checked_sub(1) else {
        return ("nothing".to_owned(), tree.clone());
    };
    let path = &files[random.below(last + 1)];
    let file = disk.open(path, OpenHow::Existing).unwrap();
    let bytes = file.bytes().unwrap();
    let at = random.below(usize::try_from(bytes).unwrap()) as u64;
    match random.below(4) {
        0 => file.truncate(at).unwrap(),
        1 => {
            let zeros = vec![0; random.below(300) + 1];
            file.write_all_at(at, &zeros).unwrap();
        }
        2 if path.extension().is_some_and(|it| it == "log") => {
            file.write_all_at(bytes, &[0; 700]).unwrap();
        }
        _ => {
            let mut byte = Vec::new();
            file.read_at(at, 1, &mut byte).unwrap();
            file.write_all_at(at, &[byte[0] ^ 1 << random.below(8)])
                .unwrap();
        }
    }
    (
        format!("{} at {at} of {bytes}", path.display()),
        disk.live(),
    )
}

fn compare_all(name: &str, (base, ops): &(Tree, Vec<Op>), with_damage: bool) -> Met {
    let began = Instant::now();
    let mut met = Met::default();
    let mut random = Seeded(1);
    let mut cut = PowerCut::before_anything(base);
    for (count, op) in (1..).zip(ops) {
        cut.after(op);
        let is_looked_at = crate::is_long() || count % LOOKED_AT_EVERY == 0 || count == ops.len();
        let is_there = SimDisk::holding(cut.leaves(Survives::Nothing))
            .list(Path::new(LOGS_DIR))
            .is_ok();
        if !is_looked_at || !is_there {
            continue;
        }
        let by_chance = Survives::Some(random.next());
        // The last state is that of a clean stop, or of a kill.
        let times = if count == ops.len() { LAST_TIMES } else { 1 };
        let ways = [Survives::Nothing, Survives::Everything, by_chance];
        for way in ways.into_iter().cycle().take(3 * times) {
            let (what, tree) = match (cut.leaves(way), with_damage) {
                (tree, false) => ("no damage".to_owned(), tree),
                (tree, true) => damage(&tree, &mut random),
            };
            if let Err(error) = compare(&tree, &mut met) {
                panic!("{name}, {count} changes, {way:?}, {what}: {error}\nafter {op:.200?}");
            }
        }
    }
    println!("{name}: {met:?} in {:.1?}", began.elapsed());
    met
}

fn ordinary(seed: u64, has_journal: bool) -> (Tree, Vec<Op>) {
    let disk = SimDisk::empty();
    let mut workload = Workload::begin(disk.clone(), seed, has_journal);
    workload.run(STEPS);
    workload.stop_cleanly();
    drop(workload);
    disk.recorded()
}

#[test]
fn a_power_cut_is_no_damage_to_who_looks_and_none_to_who_starts() {
    let table = [
        ("appends", ordinary(1, false)),
        ("appends with a journal", ordinary(4, true)),
        ("upkeep", crate::upkeep::recorded(1, false)),
        ("upkeep with a journal", crate::upkeep::recorded(1, true)),
    ];
    let mut all = Met::default();
    for (name, recorded) in &table {
        let met = compare_all(name, recorded, false);
        assert!(met.logs > 50, "{name}: {met:?}");
        all.torn += met.torn;
        all.rooms += met.rooms;
        all.swaps += met.swaps;
        all.journalled += met.journalled;
        all.damaged += met.damaged;
    }
    let Met {
        torn,
        rooms,
        swaps,
        journalled,
        damaged,
        ..
    } = all;
    assert!(
        torn > 20 && rooms > 20 && swaps > 20 && journalled > 20,
        "{all:?}"
    );
    assert_eq!(damaged, 0);
}

#[test]
fn what_is_damage_to_who_starts_or_reads_is_damage_to_who_looks() {
    let table = [
        ("appends", ordinary(1, false)),
        ("appends with a journal", ordinary(4, true)),
        ("upkeep", crate::upkeep::recorded(1, false)),
        ("upkeep with a journal", crate::upkeep::recorded(1, true)),
    ];
    for (name, recorded) in &table {
        let met = compare_all(name, recorded, true);
        assert!(met.damaged > 10 && met.refused > 5, "{name}: {met:?}");
    }
}
