//! Any bytes as an index of a good log: they may be wrong, the answers may not.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimaran_fuzz::directory::Directory;
use trimaran_fuzz::memory::within;

/// The walk over a segment reads a mebibyte at a time.
const WALK_BYTES: usize = 3 << 19;

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let mut directory = Directory::stopped(choice & 1 == 1);
    let suffix = if choice & 2 == 2 {
        ".index"
    } else {
        ".timeindex"
    };
    let files = directory.files_of_log(suffix);
    let path = &files[usize::from(choice >> 2) % files.len()];
    *directory.file(path).expect("it is there") = data.to_vec();
    within(data.len(), WALK_BYTES, || directory.read_everything(true));
});
