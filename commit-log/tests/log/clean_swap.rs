//! A swap of segments that a failing disk has interrupted: what of it the next start believes.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use trimaran_commit_log::{CleanError, OpenError, RealDisk};
use trimaran_types::record_batch::BatchHeader;

use crate::clean_rig::Pass;
use crate::cleaner::{append, last_values, rig};
use crate::rig::{FaultyDisk, Rig, segment_files};

/// What the log was before, and where its files are.
struct Interrupted {
    rig: Rig,
    values: Vec<(String, String)>,
    end: i64,
    indexes: BTreeMap<i64, Vec<u8>>,
}

/// A pass whose first swap meets one rename that fails, after so many good ones. Nothing else fails.
fn interrupted(renames: usize) -> Interrupted {
    let disk = FaultyDisk::default();
    let faults = Arc::clone(&disk.faults);
    let mut rig = rig();
    rig.disk = Arc::new(disk);
    let mut log = rig.fresh();
    append(&mut log, &["a", "b"].repeat(40));
    let (values, end) = (last_values(&log), log.log_end().0);
    let indexes = segment_files(&rig.dir(), "index").into_iter();
    let indexes = indexes.map(|(base, path)| (base, std::fs::read(path).unwrap()));
    let indexes = indexes.collect();
    *faults.renames.lock().unwrap() = Some((ErrorKind::Other, renames));
    let cleaned = Pass::default().run(&mut log).unwrap();
    assert!(
        matches!(cleaned, Err(CleanError::DirFailed(_))),
        "{cleaned:?}"
    );
    rig.disk = Arc::new(RealDisk);
    Interrupted {
        rig,
        values,
        end,
        indexes,
    }
}

impl Interrupted {
    fn path(&self, name: &str) -> PathBuf {
        self.rig.dir().join(format!("{:020}.{name}", 0))
    }

    /// Opens the log and finds it as it was before the pass, its first index included.
    fn is_undone(&self) {
        let (log, _) = self.rig.open(self.end, false).unwrap();
        assert_eq!(
            (last_values(&log), log.log_end().0),
            (self.values.clone(), self.end)
        );
        let index = std::fs::read(self.path("index")).unwrap();
        assert_eq!(index, self.indexes[&0]);
        for name in ["index.swap", "timeindex.swap", "log.cleaned"] {
            assert!(!self.path(name).exists(), "{name}");
        }
    }
}

#[test]
fn what_tells_that_a_swap_was_not_committed_stays_in_a_failed_directory() {
    let after = interrupted(2);
    assert!(after.path("timeindex.swap").exists());
    assert!(after.path("log.cleaned").exists());
    after.is_undone();
}

#[test]
fn indexes_of_another_log_do_not_make_a_swap() {
    let after = interrupted(2);
    std::fs::remove_file(after.path("log.cleaned")).unwrap();
    assert!(after.path("timeindex.swap").exists());
    after.is_undone();
}

#[test]
fn a_new_segment_that_does_not_say_what_it_replaces_replaces_nothing() {
    // The base offset of the last batch, which no checksum covers; its last offset; all bytes.
    for damage in [Some((5, 1)), Some((26, 8)), None] {
        let after = interrupted(3);
        let path = after.path("log.swap");
        let mut bytes = std::fs::read(&path).unwrap();
        let (mut at, mut last) = (0, 0);
        while at < bytes.len() {
            last = at;
            at += BatchHeader::parse(&bytes[at..]).unwrap().total_bytes();
        }
        match damage {
            Some((place, bit)) => bytes[last + place] ^= bit,
            None => bytes.clear(),
        }
        std::fs::write(&path, &bytes).unwrap();
        let segments = after.rig.segments();
        let opened = after.rig.open(after.end, false);
        assert!(
            matches!(opened, Err(OpenError::Corrupt { .. })),
            "{damage:?}"
        );
        assert_eq!(after.rig.segments(), segments);
    }
}
