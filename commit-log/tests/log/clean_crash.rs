//! A swap of segments that is interrupted: by an error at each of its steps, and by a power cut
//! after which any of the names that were not synced yet may be missing.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use trimaran_commit_log::{Disk, DiskDir, DiskEntry, DiskFile, Log, OpenHow, RealDisk};

use crate::clean_rig::{Pass, records};
use crate::cleaner::{append, last_values, rig};
use crate::rig::Rig;

#[derive(Debug, Clone)]
enum NameOp {
    Make(String),
    Rename(String, String),
    Remove(String),
}

type Files = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Default)]
struct Recorded {
    /// The directory at the last sync; `None` while nothing is recorded.
    synced: Option<Files>,
    since: Vec<NameOp>,
    /// Every directory that a power cut may have left.
    possible: Vec<Files>,
}

/// The real file system without its syncs. It fails from a given change on, and remembers changes
/// of names.
#[derive(Debug, Clone)]
pub(crate) struct StepDisk {
    changes_left: Arc<AtomicUsize>,
    recorded: Arc<Mutex<Recorded>>,
}

#[derive(Debug)]
struct StepDir(StepDisk, PathBuf);

#[derive(Debug)]
struct StepFile {
    file: Arc<dyn DiskFile>,
    changes_left: Arc<AtomicUsize>,
}

fn step(changes_left: &AtomicUsize) -> io::Result<()> {
    let left = changes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    left.map(drop).map_err(|_| io::Error::from_raw_os_error(5))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn files_in(dir: &Path) -> Files {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (name_of(&path), std::fs::read(&path).unwrap())
        })
        .collect()
}

impl StepDisk {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            changes_left: Arc::new(AtomicUsize::new(usize::MAX)),
            recorded: Arc::default(),
        })
    }

    /// Takes note of a change of names in the partition's directory.
    fn record(&self, path: &Path, op: NameOp) {
        if !path.parent().is_some_and(|dir| dir.ends_with("t-0")) {
            return;
        }
        let mut recorded = self.recorded.lock().unwrap();
        if recorded.synced.is_some() {
            recorded.since.push(op);
        }
    }

    /// Remembers from now on what a power cut may leave of the partition's directory.
    pub(crate) fn watch(&self, dir: &Path) {
        self.recorded.lock().unwrap().synced = Some(files_in(dir));
    }

    /// The names of every directory that a power cut may have left since.
    pub(crate) fn possible_names(&self, dir: &Path) -> Vec<Vec<String>> {
        self.note_possible(dir);
        let possible = std::mem::take(&mut self.recorded.lock().unwrap().possible);
        let names = possible.into_iter();
        names.map(|files| files.into_keys().collect()).collect()
    }

    /// Adds what every subset of the changes since the last sync would leave.
    fn note_possible(&self, dir: &Path) {
        let mut recorded = self.recorded.lock().unwrap();
        let Some(synced) = recorded.synced.clone() else {
            return;
        };
        let ops = std::mem::take(&mut recorded.since);
        // All subsets of a few; of many, those in which a few are there or a few are missing.
        let count = u32::try_from(ops.len()).unwrap();
        let is_tried = |subset: &u32| {
            let present = subset.count_ones();
            count <= 8 || present <= 2 || present + 2 >= count
        };
        for subset in (0_u32..1 << count).filter(is_tried) {
            let mut files = synced.clone();
            for (at, op) in ops.iter().enumerate() {
                if subset >> at & 1 == 0 {
                    continue;
                }
                match op {
                    NameOp::Make(name) => {
                        // Bytes of a file that has been renamed since are in `synced` by then.
                        if let Ok(bytes) = std::fs::read(dir.join(name)) {
                            files.insert(name.clone(), bytes);
                        }
                    }
                    NameOp::Rename(from, to) => {
                        if let Some(bytes) = files.remove(from) {
                            files.insert(to.clone(), bytes);
                        }
                    }
                    NameOp::Remove(name) => {
                        files.remove(name);
                    }
                }
            }
            recorded.possible.push(files);
        }
        recorded.synced = Some(files_in(dir));
    }
}

impl Disk for StepDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        if how != OpenHow::Existing && !path.exists() {
            step(&self.changes_left)?;
            self.record(path, NameOp::Make(name_of(path)));
        }
        Ok(Arc::new(StepFile {
            file: RealDisk.open(path, how)?,
            changes_left: Arc::clone(&self.changes_left),
        }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        RealDisk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        step(&self.changes_left)?;
        RealDisk.rename(from, to)?;
        self.record(from, NameOp::Rename(name_of(from), name_of(to)));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        step(&self.changes_left)?;
        RealDisk.remove_file(path)?;
        self.record(path, NameOp::Remove(name_of(path)));
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir(path)
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        Ok(Box::new(StepDir(self.clone(), dir.to_owned())))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        RealDisk.lock(path)
    }
}

impl DiskDir for StepDir {
    fn sync(&self) -> io::Result<()> {
        step(&self.0.changes_left)?;
        if self.1.ends_with("t-0") {
            self.0.note_possible(&self.1);
        }
        Ok(())
    }
}

impl DiskFile for StepFile {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        self.file.read_at(position, bytes_max, into)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        step(&self.changes_left)?;
        self.file.write_all_at(position, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        step(&self.changes_left)
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

/// A log of which the next pass makes one segment out of three, and shortens another.
fn prepared(rig: &Rig) -> Log {
    let mut log = rig.fresh();
    append(&mut log, &["a", "b"].repeat(7));
    append(&mut log, &["c", "d"].repeat(7));
    append(&mut log, &["c"; 28]);
    Pass::default().run(&mut log).unwrap().unwrap();
    append(&mut log, &["a", "d"].repeat(14));
    log
}

/// Opens the log anew and finds every last value, no rest of the swap, and a log that can be
/// cleaned.
fn check(
    rig: &Rig,
    before: &[(String, String)],
    end: i64,
    cleans: bool,
    what: &dyn std::fmt::Debug,
) {
    let opened = rig.open(end, false);
    let (mut log, report) = opened.unwrap_or_else(|error| panic!("{what:?}: {error:?}"));
    assert_eq!(report.cut, None, "{what:?}");
    let rests: Vec<String> = files_in(&rig.dir())
        .into_keys()
        .filter(|name| {
            [".swap", ".cleaned", ".deleted"]
                .iter()
                .any(|suffix| name.ends_with(suffix))
        })
        .collect();
    assert!(rests.is_empty(), "{what:?}: {rests:?}");
    for _ in 0..=usize::from(cleans) {
        assert_eq!(log.log_end().0, end, "{what:?}");
        assert_eq!(last_values(&log), before, "{what:?}");
        for (offset, _, value) in records(&log.reader()) {
            assert_eq!(value, Some(format!("v{offset}")), "{what:?}");
        }
        if cleans && let Some(cleaned) = Pass::default().run(&mut log) {
            cleaned.unwrap();
        }
    }
}

#[test]
fn an_error_at_any_step_ends_the_directory_and_loses_nothing() {
    for changes in 0.. {
        let disk = StepDisk::new();
        let mut rig = rig();
        rig.disk = Arc::clone(&disk) as Arc<dyn Disk>;
        let mut log = prepared(&rig);
        let (before, end) = (last_values(&log), log.log_end().0);
        disk.changes_left.store(changes, Ordering::SeqCst);
        let result = Pass::default().run(&mut log).unwrap();
        let done = result.is_ok() && disk.changes_left.load(Ordering::SeqCst) > 0;
        drop(log);
        rig.disk = StepDisk::new();
        check(&rig, &before, end, true, &changes);
        if done {
            assert!(changes > 20, "{changes}");
            return;
        }
    }
}

#[test]
fn whatever_names_a_power_cut_leaves_nothing_is_lost() {
    let disk = StepDisk::new();
    let mut rig = rig();
    rig.disk = Arc::clone(&disk) as Arc<dyn Disk>;
    let mut log = prepared(&rig);
    let (before, end) = (last_values(&log), log.log_end().0);
    disk.recorded.lock().unwrap().synced = Some(files_in(&rig.dir()));
    let segments = rig.segments().len();
    Pass::default().run(&mut log).unwrap().unwrap();
    let after = rig.segments().len();
    assert!(after + 2 <= segments, "{segments} segments, then {after}");
    disk.note_possible(&rig.dir());
    let mut possible = std::mem::take(&mut disk.recorded.lock().unwrap().possible);
    possible.sort();
    possible.dedup();
    assert!(possible.len() > 100, "{}", possible.len());
    for (number, files) in possible.into_iter().enumerate() {
        let mut other = crate::cleaner::rig();
        other.disk = StepDisk::new();
        std::fs::create_dir(other.dir()).unwrap();
        for (name, bytes) in &files {
            let path: PathBuf = other.dir().join(name);
            std::fs::write(path, bytes).unwrap();
        }
        let names: Vec<&String> = files.keys().collect();
        check(&other, &before, end, number % 8 == 0, &(number, names));
    }
}
