//! Any bytes as the two files of a flush journal, and groups of a writer that kept the rules, or did
//! not, with some bytes changed: a start puts in place what counts and nothing else, and the journal goes
//! on behind it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimaran_fuzz::Draws;
use trimaran_fuzz::directory::{DIRECTORY_BYTES, Directory};
use trimaran_fuzz::journal::{HALVES, Owed, damage, drawn, make_checksums_right, owed};
use trimaran_fuzz::memory::within;

fn halves(choice: u8, draws: &mut Draws<'_>, directory: &Directory) -> [Vec<u8>; 2] {
    let mut halves = if choice & 6 == 6 {
        let any = draws.bytes(usize::MAX);
        let (one, other) = any.split_at(any.len() / 2);
        [one.to_vec(), other.to_vec()]
    } else {
        let lengths = directory.segments();
        let lengths: Vec<(i64, usize)> = lengths
            .iter()
            .filter_map(|(path, content)| {
                let base = path.file_stem()?.to_str()?.parse().ok()?;
                Some((base, content.len()))
            })
            .collect();
        let mut halves = drawn(draws, &lengths);
        if choice & 6 == 4 {
            damage(draws, &mut halves);
        }
        halves
    };
    if choice & 8 == 8 {
        halves
            .iter_mut()
            .for_each(|half| make_checksums_right(half));
    }
    halves
}

fuzz_target!(|data: &[u8]| {
    let mut draws = Draws::new(data);
    let choice = draws.byte();
    let cleanly = choice & 0x11 == 0x11;
    let mut directory = Directory::stopped(cleanly);
    let halves = halves(choice, &mut draws, &directory);
    let gone = match choice >> 4 {
        number @ 0..2 => Some(usize::from(number)),
        _ => None,
    };
    let there = [0, 1].map(|half| (gone != Some(half)).then_some(&halves[half][..]));
    for (name, half) in HALVES.iter().zip(there) {
        if let Some(half) = half {
            directory.put(name, half.to_vec());
        }
    }
    let segments = directory.segments();
    let owed = if cleanly {
        Owed::Files {
            files: segments,
            is_short: false,
        }
    } else {
        owed(there, &segments)
    };
    directory.look(&owed);
    let another = directory.clone();
    let journal_bytes: usize = there.iter().flatten().map(|half| half.len()).sum();
    within(journal_bytes, DIRECTORY_BYTES, || {
        directory.start_over(&owed)
    });
    another.go_on();
});
