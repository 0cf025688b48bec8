//! A log's segments with any changes to them: bytes replaced, cut out, put in, at any place.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimaran_fuzz::directory::{DIRECTORY_BYTES, Directory};
use trimaran_fuzz::memory::within;
use trimaran_fuzz::read::Owes;

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let mut directory = Directory::stopped(choice & 1 == 1);
    let files = directory.files_of_log(".log");
    let (changes, rest) = data.as_chunks::<5>();
    for [which, high, low, kind, byte] in changes {
        let path = &files[usize::from(*which) % files.len()];
        let content = directory.file(path).expect("it is there");
        let at = usize::from(u16::from_be_bytes([*high, *low])) % (content.len() + 1);
        match kind % 4 {
            0 if at < content.len() => content[at] = *byte,
            1 => content.truncate(at),
            2 => {
                let end = (at + usize::from(*byte)).min(content.len());
                content.drain(at..end);
            }
            _ => drop(content.splice(at..at, rest.iter().copied())),
        }
    }
    within(directory.bytes(), DIRECTORY_BYTES, || {
        directory.read_everything(Owes::NothingElse)
    });
});
