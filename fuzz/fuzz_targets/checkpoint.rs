//! Any bytes as one of the small files of a directory: the log opens or is refused, and shows
//! nothing that was not written.
//!
//! A list of partitions is held as a sorted map, twice, so that what changes is seen: some words for
//! each line, however short it is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimaran_fuzz::directory::{DIRECTORY_BYTES, Directory};
use trimaran_fuzz::memory::within;
use trimaran_fuzz::read::Owes;

const FILES: [&str; 13] = [
    "meta.properties",
    "logs/.kafka_cleanshutdown",
    "logs/flushed-ends",
    "logs/log-start-offset-checkpoint",
    "logs/recovery-point-offset-checkpoint",
    "logs/replication-offset-checkpoint",
    "logs/cleaner-offset-checkpoint",
    "logs/flush-journal-distrust",
    "logs/reserved-space",
    "logs/t-0/leader-epoch-checkpoint",
    "logs/t-0/partition.metadata",
    "logs/t-0/gaps-allowed",
    "logs/t-0/00000000000000000000.log.deleted",
];

/// What one line of a list of partitions takes at most.
const LINE_BYTES: usize = 256;

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let mut directory = Directory::stopped(choice & 1 == 1);
    let path = FILES[usize::from(choice >> 1) % FILES.len()];
    directory.put(path, data.to_vec());
    let is_list = path.ends_with("-offset-checkpoint") || path.ends_with("-distrust");
    let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
    let lines_bytes = if is_list { lines * LINE_BYTES } else { 0 };
    within(data.len(), DIRECTORY_BYTES + lines_bytes, || {
        directory.read_everything(Owes::NothingElse)
    });
});
