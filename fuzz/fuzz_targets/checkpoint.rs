//! Any bytes as one of the small files of a directory: the log opens or is refused, and shows
//! nothing that was not written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimaran_fuzz::directory::Directory;
use trimaran_fuzz::memory::within;

const FILES: [&str; 8] = [
    "meta.properties",
    "logs/.kafka_cleanshutdown",
    "logs/flushed-ends",
    "logs/log-start-offset-checkpoint",
    "logs/recovery-point-offset-checkpoint",
    "logs/replication-offset-checkpoint",
    "logs/t-0/leader-epoch-checkpoint",
    "logs/t-0/partition.metadata",
];

/// The walk over a segment reads a mebibyte at a time.
const WALK_BYTES: usize = 3 << 19;

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let mut directory = Directory::stopped(choice & 1 == 1);
    let path = FILES[usize::from(choice >> 1) % FILES.len()];
    if let Some(file) = directory.file(path) {
        *file = data.to_vec();
    }
    within(data.len(), WALK_BYTES, || directory.read_everything(false));
});
