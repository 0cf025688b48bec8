//! The scrub against an owner who truncates, deletes, trims and compacts: no false alarm, whatever
//! happens between two steps or in the middle of one, and no blindness afterwards.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use trimaran_commit_log::{
    Disk, DiskDir, DiskEntry, DiskFile, Log, LogConfig, LogReader, OpenHow, ReadError, RealDisk,
    ScrubPlace,
};
use trimaran_types::{LeaderEpoch, Offset};

use crate::clean_rig::{Pass, keyed};
use crate::rig::{NOW, Rig, flush};
use crate::scrub::pass;

type Hook = Box<dyn FnOnce() + Send>;

/// What happens within a read, and how many come before it.
#[derive(Default)]
pub(crate) struct Hooked {
    change: Option<Hook>,
    reads_before: usize,
}

/// The real file system; what hangs on the hook happens within the next read of a `.log` file, before
/// any byte is taken, or when such a file is opened.
#[derive(Default)]
struct HookDisk(Arc<Mutex<Hooked>>);

struct HookFile {
    file: Arc<dyn DiskFile>,
    hook: Option<Arc<Mutex<Hooked>>>,
}

#[derive(Debug)]
struct NeverSynced;

fn fire(hook: &Mutex<Hooked>) {
    let mut hooked = hook.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = match hooked.reads_before {
        0 => hooked.change.take(),
        _ if hooked.change.is_none() => None,
        _ => {
            hooked.reads_before -= 1;
            None
        }
    };
    drop(hooked);
    if let Some(change) = taken {
        change();
    }
}

impl std::fmt::Debug for HookDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HookDisk")
    }
}

impl std::fmt::Debug for HookFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HookFile")
    }
}

impl Disk for HookDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        if is_log && how == OpenHow::Existing {
            fire(&self.0);
        }
        Ok(Arc::new(HookFile {
            file: RealDisk.open(path, how)?,
            hook: is_log.then(|| Arc::clone(&self.0)),
        }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        RealDisk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir(path)
    }

    fn open_dir(&self, _dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        Ok(Box::new(NeverSynced))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        RealDisk.lock(path)
    }
}

impl DiskDir for NeverSynced {
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for HookFile {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        if let Some(hook) = &self.hook {
            fire(hook);
        }
        self.file.read_at(position, bytes_max, into)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(position, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn forget_cached(&self) {
        self.file.forget_cached();
    }
}

/// A log that is compacted or not, and its owner's means to change it from within a read.
pub(crate) struct Race {
    pub(crate) rig: Rig,
    hook: Arc<Mutex<Hooked>>,
    pub(crate) log: Arc<Mutex<Log>>,
    pub(crate) reader: LogReader,
}

impl Race {
    pub(crate) fn new(compacted: bool) -> Self {
        let disk = HookDisk::default();
        let hook = Arc::clone(&disk.0);
        let mut rig = Rig::on(Arc::new(disk));
        rig.config = LogConfig {
            compacted,
            segment_bytes: 1024,
            ..rig.config
        };
        let mut log = rig.fresh();
        fill(&mut log, 120);
        Self {
            reader: log.reader(),
            log: Arc::new(Mutex::new(log)),
            rig,
            hook,
        }
    }

    pub(crate) fn within_the_next_read(&self, change: Change) {
        let log = Arc::clone(&self.log);
        let hook: Hook = Box::new(move || change.make(&mut log.lock().unwrap()));
        self.hook.lock().unwrap().change = Some(hook);
    }

    /// What hangs on the hook will not happen.
    pub(crate) fn unhook(&self) -> bool {
        self.hook.lock().unwrap().change.take().is_some()
    }

    /// What hangs on the hook next lets so many reads pass.
    pub(crate) fn skip_reads(&self, reads: usize) {
        self.hook.lock().unwrap().reads_before = reads;
    }

    pub(crate) fn now(&self, change: Change) {
        // The owner reads, too, and cannot come in between itself.
        self.unhook();
        change.make(&mut self.log.lock().unwrap());
    }

    fn step(&self, place: ScrubPlace) -> Option<ScrubPlace> {
        // Small, so that a place is mostly within a segment.
        let step: Result<_, ReadError> = self.reader.scrub(place, 100);
        let step = step.unwrap_or_else(|error| panic!("false alarm: {error} ({error:?})"));
        step.next
    }
}

/// Batches of one to three records of few keys, sizes that differ, in the latest epoch.
fn fill(log: &mut Log, count: usize) {
    let epoch = log.latest_epoch().unwrap();
    for number in 0..count {
        let end = log.log_end().0;
        let value = "v".repeat(usize::try_from(end % 7).unwrap() * 17);
        let keys = ["a", "b", "c", "d", "e", "f"];
        let records: Vec<_> = (0..=number % 3)
            .map(|place| {
                let key = keys[(number * 5 + place + usize::try_from(end).unwrap()) % 6];
                (key, Some(value.as_str()))
            })
            .collect();
        log.append_as_leader(vec![keyed(&records)], epoch, NOW)
            .unwrap();
    }
    flush(log);
}

/// What an owner does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Append,
    /// Cuts off so many offsets and goes on in another epoch, with other records.
    Truncate(i64),
    /// Lets all go and begins elsewhere.
    StartOver,
    /// Deletes the records before so many offsets behind the start.
    Trim(i64),
    /// Retention lets the oldest segments go.
    Retain,
    Compact,
}

impl Change {
    fn make(self, log: &mut Log) {
        match self {
            Self::Append => fill(log, 5),
            Self::Truncate(offsets) => {
                let end = Offset((log.log_end().0 - offsets).max(0));
                log.truncate_to(end).unwrap();
                // A lower epoch than that of what went is what a diverged follower gets.
                let latest = log.latest_epoch().map_or(0, |epoch| epoch.0);
                let start = log.log_end();
                log.assign_epoch(LeaderEpoch(latest + 1), start).unwrap();
                fill(log, 30);
            }
            Self::StartOver => {
                let end = log.log_end();
                log.truncate_fully_and_start_at(Offset(end.0 + 100))
                    .unwrap();
                let start = log.log_end();
                log.assign_epoch(LeaderEpoch(0), start).unwrap();
                fill(log, 30);
            }
            Self::Trim(offsets) => log.raise_log_start(Offset(log.log_start().0 + offsets)),
            Self::Retain => {
                let config = LogConfig {
                    retention_bytes: Some(log.bytes() * 2 / 3),
                    ..log.config().clone()
                };
                log.set_config(config).unwrap();
                let end = log.flushed_end();
                if let Some(retained) = log.retain(end, NOW).unwrap()
                    && let Some(deleted) = log.delete_segments(retained.log_start).unwrap()
                {
                    deleted.remove().unwrap();
                }
            }
            Self::Compact => {
                if let Some(cleaned) = Pass::default().run(log) {
                    cleaned.unwrap();
                }
            }
        }
    }
}

pub(crate) const CHANGES: [Change; 7] = [
    Change::Append,
    Change::Truncate(10),
    Change::Truncate(70),
    Change::StartOver,
    Change::Trim(9),
    Change::Retain,
    Change::Compact,
];

#[test]
fn nothing_that_an_owner_does_within_a_read_is_damage() {
    for compacted in [false, true] {
        for change in CHANGES {
            // Within each of the reads of a whole pass, one after the other.
            for reads in (0..40).step_by(5) {
                let race = Race::new(compacted);
                let mut place = race.reader.scrub_place(Offset::ZERO);
                for read in 0.. {
                    let Some(at) = place else { break };
                    if read == reads {
                        race.within_the_next_read(change);
                    }
                    place = race.step(at);
                }
                assert!(pass(&race.reader, 300).unwrap().0 > 0);
            }
        }
    }
}

#[test]
fn a_place_of_before_is_none_after_a_change() {
    for compacted in [false, true] {
        for change in CHANGES {
            for steps in (1..30).step_by(7) {
                let race = Race::new(compacted);
                let mut place = race.reader.scrub_place(Offset::ZERO);
                for step in 0.. {
                    let Some(at) = place else { break };
                    if step == steps {
                        race.now(change);
                    }
                    place = race.step(at);
                }
            }
        }
    }
}

/// Any changes in any order, between the steps and within their reads; and then, in a log that has
/// seen all that, a flipped bit in each segment is found.
#[test]
fn any_history_gives_no_false_alarm_and_hides_no_damage() {
    for seed in 0..4_u64 {
        let race = Race::new(seed % 2 == 0);
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % below as u64).unwrap()
        };
        let mut place = None;
        for _ in 0..150 {
            match draw(8) {
                0 => race.now(CHANGES[draw(CHANGES.len())]),
                1 => race.within_the_next_read(CHANGES[draw(CHANGES.len())]),
                _ => {}
            }
            place = match place {
                Some(at) => race.step(at),
                None => race.reader.scrub_place(race.reader.log_start()),
            };
        }
        race.unhook();
        race.now(Change::Append);
        race.now(Change::Truncate(1));
        pass(&race.reader, 300).unwrap();
        let finished = race.reader.finished_segments();
        assert!(finished.len() > 1, "seed {seed}");
        for segment in finished[1..].iter().rev().take(4) {
            let path = &race.rig.segments()[&segment.base.0];
            let whole = std::fs::read(path).unwrap();
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(&[whole[30] ^ 1], 30).unwrap();
            let found = pass(&race.reader, 300);
            assert!(
                matches!(&found, Err(ReadError::Corrupt { file, .. }) if file == path),
                "seed {seed}: {found:?}"
            );
            file.write_all_at(&whole[30..31], 30).unwrap();
        }
    }
}
