//! A start reserves memory for what the files have, not for what they might.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use trimaran_commit_log::{Disk, DiskFile, OpenHow, RealDisk};

use crate::journal::LIMITS;
use crate::opens_by::OpensBy;
use crate::rig::{Rig, read_all};

/// A walk over headers reads such blocks.
const BLOCK_BYTES: usize = 4096;

/// A file, and by how many bytes the greediest read has asked for more than there were.
#[derive(Debug)]
struct MeasuredFile {
    file: Arc<dyn DiskFile>,
    too_many: Arc<AtomicUsize>,
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
    let too_many = Arc::new(AtomicUsize::new(0));
    let greediest = Arc::clone(&too_many);
    let disk = OpensBy(move |path: &Path, how| {
        let too_many = Arc::clone(&greediest);
        let file = RealDisk.open(path, how)?;
        Ok(Arc::new(MeasuredFile { file, too_many }) as Arc<dyn DiskFile>)
    });
    let rig = Rig {
        journal: Some(LIMITS),
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
