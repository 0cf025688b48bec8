//! Bare files in the same pattern.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::time::Instant;

use crate::fixture::batch_bytes;
use crate::{Load, Measured, THREADS};

/// Begin again after so many bytes, or a run would fill the disk.
const FILE_BYTES_MAX: u64 = 1 << 30;

pub(crate) fn run(load: Load) -> Measured {
    let root = tempfile::tempdir().expect("a directory");
    let bytes = batch_bytes(1).repeat(load.waiting_in_each);
    let files: VecDeque<(File, u64)> = (0..load.logs)
        .map(|number| {
            let file = File::create(root.path().join(number.to_string()));
            (file.expect("opens"), 0)
        })
        .collect();
    let threads = THREADS.min(files.len());
    let files = Mutex::new(files);
    let began = Instant::now();
    let end = began + load.length;
    let syncs: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| serve(&files, &bytes, end)))
            .collect();
        let ended = |thread: std::thread::ScopedJoinHandle<'_, u64>| thread.join().expect("ends");
        threads.into_iter().map(ended).sum()
    });
    let batches = (syncs * load.waiting_in_each as u64) as f64;
    Measured {
        batches_per_second: batches / began.elapsed().as_secs_f64(),
        batches_per_sync: load.waiting_in_each as f64,
    }
}

/// Writes and syncs the file that has waited longest, again and again; tells how often.
fn serve(files: &Mutex<VecDeque<(File, u64)>>, bytes: &[u8], end: Instant) -> u64 {
    let mut syncs = 0;
    while Instant::now() < end {
        let next = files.lock().expect("no thread panicked").pop_front();
        let Some((file, at)) = next else {
            break;
        };
        let at = if at < FILE_BYTES_MAX { at } else { 0 };
        file.write_all_at(bytes, at).expect("has room");
        file.sync_data().expect("syncs");
        syncs += 1;
        let waits = (file, at + bytes.len() as u64);
        files.lock().expect("no thread panicked").push_back(waits);
    }
    syncs
}
