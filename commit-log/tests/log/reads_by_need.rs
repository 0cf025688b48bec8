//! A start reserves memory for what the files have, not for what they might.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use trimaran_commit_log::{Disk, DiskDir, DiskEntry, DiskFile, JournalLimits, OpenHow, RealDisk};

use crate::rig::{Rig, read_all};

/// A walk over headers reads such blocks.
const BLOCK_BYTES: usize = 4096;

/// The file system, and by how many bytes the greediest read has asked for more than there were.
#[derive(Debug, Default)]
struct Measured(Arc<AtomicUsize>);

#[derive(Debug)]
struct MeasuredFile {
    file: Arc<dyn DiskFile>,
    too_many: Arc<AtomicUsize>,
}

impl Disk for Measured {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(MeasuredFile {
            file: RealDisk.open(path, how)?,
            too_many: Arc::clone(&self.0),
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

    fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        RealDisk.open_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        RealDisk.lock(path)
    }
}

impl DiskFile for MeasuredFile {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        let left = self.file.bytes()?.saturating_sub(position);
        let left = usize::try_from(left).unwrap();
        let too_many = bytes_max.saturating_sub(left);
        self.too_many.fetch_max(too_many, Ordering::SeqCst);
        self.file.read_at(position, bytes_max, into)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(position, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
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

#[test]
fn nothing_is_reserved_beyond_the_end_of_a_file() {
    let disk = Measured::default();
    let too_many = Arc::clone(&disk.0);
    let rig = Rig {
        journal: Some(JournalLimits {
            half_bytes: 64 * 1024,
            flush_bytes_end: 16 * 1024,
            chunk_bytes: 64 * 1024,
            kept_bytes_max: 1 << 20,
        }),
        ..Rig::on(Arc::new(disk))
    };
    let mut log = rig.fresh();
    rig.fill(&mut log, 60, 200);
    log.close().unwrap();
    // A group that says that it has 16 MiB, in a file that has 20 KiB.
    let mut claims = b"TRIMJNL1....\0\0\x10\0".to_vec();
    claims.resize(5 * 4096, 0);
    std::fs::write(rig.root.path().join("flush-journal.0"), claims).unwrap();
    for cleanly in [true, false, true] {
        let (log, _) = rig.open(0, cleanly).unwrap();
        assert_eq!(read_all(&log.reader(), 1000).len(), 60);
    }
    // A torn tail, behind which good batches are looked for.
    let last = rig.segments().into_values().next_back().unwrap();
    let bytes = std::fs::metadata(&last).unwrap().len();
    RealDisk
        .open(&last, OpenHow::Existing)
        .unwrap()
        .truncate(bytes - 20)
        .unwrap();
    assert!(rig.open(0, false).unwrap().1.cut.is_some());
    let too_many = too_many.load(Ordering::SeqCst);
    assert!(too_many <= BLOCK_BYTES, "{too_many} bytes too many");
}
