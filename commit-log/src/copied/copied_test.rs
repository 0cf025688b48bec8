//! A copy behaves like the disk that it stands for, and leaves that as it was.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::disk::RealDisk;

/// Larger than two pages, so that changes meet within pages and across them.
const FILE_BYTES_MAX: usize = 10_000;

#[derive(Debug, Clone)]
enum Change {
    Write {
        file: usize,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: usize,
        bytes: usize,
    },
    Rename {
        from: usize,
        to: usize,
    },
    Remove {
        file: usize,
    },
    Empty {
        file: usize,
    },
}

fn change() -> impl Strategy<Value = Change> {
    let file = 0..3_usize;
    prop_oneof![
        4 => (file.clone(), 0..FILE_BYTES_MAX, proptest::collection::vec(any::<u8>(), 0..6000))
            .prop_map(|(file, at, bytes)| Change::Write { file, at, bytes }),
        3 => (file.clone(), 0..FILE_BYTES_MAX)
            .prop_map(|(file, bytes)| Change::Truncate { file, bytes }),
        1 => (file.clone(), file.clone()).prop_map(|(from, to)| Change::Rename { from, to }),
        1 => file.clone().prop_map(|file| Change::Remove { file }),
        1 => file.prop_map(|file| Change::Empty { file }),
    ]
}

fn path(dir: &Path, file: usize) -> PathBuf {
    dir.join(format!("{file}"))
}

fn apply(disk: &dyn Disk, dir: &Path, change: &Change) -> Result<(), io::ErrorKind> {
    let done = match change {
        Change::Write { file, at, bytes } => disk
            .open(&path(dir, *file), OpenHow::OrCreate)
            .and_then(|open| open.write_all_at(*at as u64, bytes)),
        Change::Truncate { file, bytes } => disk
            .open(&path(dir, *file), OpenHow::Existing)
            .and_then(|open| open.truncate(*bytes as u64)),
        Change::Rename { from, to } if from == to => Ok(()),
        Change::Rename { from, to } => disk.rename(&path(dir, *from), &path(dir, *to)),
        Change::Remove { file } => disk.remove_file(&path(dir, *file)),
        Change::Empty { file } => disk.open(&path(dir, *file), OpenHow::Empty).map(drop),
    };
    done.map_err(|error| error.kind())
}

fn contents(disk: &dyn Disk, dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |entry: DiskEntry| {
        let file = disk
            .open(&dir.join(&entry.name), OpenHow::Existing)
            .unwrap();
        let mut bytes = Vec::new();
        // In two reads that meet within a page.
        let first = file.read_at(0, 777, &mut bytes).unwrap();
        file.read_at(first as u64, 20_000, &mut bytes).unwrap();
        assert_eq!(file.bytes().unwrap(), bytes.len() as u64);
        assert_eq!(entry.bytes, bytes.len() as u64);
        (entry.name, bytes)
    };
    disk.list(dir).unwrap().into_iter().map(read).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_copy_does_what_the_disk_does(
        before in proptest::collection::vec(change(), 0..4),
        after in proptest::collection::vec(change(), 0..8),
    ) {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for change in &before {
            for dir in [one.path(), other.path()] {
                let _ = apply(&RealDisk, dir, change);
            }
        }
        let was = contents(&RealDisk, one.path());
        let copy = Copied::over(Arc::new(RealDisk), u64::MAX);
        for change in &after {
            let done = apply(&copy, one.path(), change);
            prop_assert_eq!(done, apply(&RealDisk, other.path(), change), "{:?}", change);
            prop_assert_eq!(contents(&copy, one.path()), contents(&RealDisk, other.path()));
        }
        prop_assert_eq!(contents(&RealDisk, one.path()), was);
    }
}

#[test]
fn a_copy_has_a_bound_and_gets_room_back() {
    let dir = tempfile::tempdir().unwrap();
    let copy = Copied::over(Arc::new(RealDisk), 2 * 4096);
    let file = copy.open(&path(dir.path(), 0), OpenHow::OrCreate).unwrap();
    file.write_all_at(0, &[1; 8192]).unwrap();
    let full = file.write_all_at(8192, &[1]).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.bytes().unwrap(), 8192);
    file.truncate(4096).unwrap();
    file.write_all_at(8192, &[1]).unwrap();
    assert_eq!(file.bytes().unwrap(), 8193);
}
