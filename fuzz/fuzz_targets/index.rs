//! Any bytes as a file that is derived from a good log, an index or a snapshot of its producers: it may
//! be wrong, the records may not.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimaran_fuzz::directory::{DIRECTORY_BYTES, Directory};
use trimaran_fuzz::memory::within;
use trimaran_fuzz::read::Owes;

/// What none of these carries a checksum for is believed after a clean stop, as Kafka believes it.
const SUFFIXES: [(&str, Owes); 4] = [
    (".index", Owes::Transactions),
    (".timeindex", Owes::Transactions),
    (".txnindex", Owes::Records),
    (".snapshot", Owes::Records),
];

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let mut directory = Directory::stopped(choice & 1 == 1);
    let (suffix, owes) = SUFFIXES[usize::from(choice >> 1 & 3)];
    let mut content = data.to_vec();
    if suffix == ".snapshot" && choice & 8 == 8 && content.len() > 6 {
        // Version and checksum are right.
        let crc = crc32c::crc32c(&content[6..]);
        content[..2].copy_from_slice(&[0, 1]);
        content[2..6].copy_from_slice(&crc.to_be_bytes());
    }
    // Next to any segment; the latest snapshot stands where the log ended.
    let segments = directory.files_of_log(".log");
    let mut paths: Vec<String> = segments
        .iter()
        .map(|path| path.replace(".log", suffix))
        .collect();
    paths.extend(directory.files_of_log(suffix));
    let path = &paths[usize::from(choice >> 4) % paths.len()];
    directory.put(path, content);
    within(data.len(), DIRECTORY_BYTES, || {
        directory.read_everything(owes)
    });
});
