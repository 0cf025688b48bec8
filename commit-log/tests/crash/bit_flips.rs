//! Flipped bits in every kind of file: whoever opens and reads everything gets exactly what was
//! written, or an error that names the damage. What is derived is made anew, and nobody notices.
//!
//! Of a small file every byte is flipped, of one up to 4 KiB every seventh, of larger ones every 97th.

mod scene;
mod scenes;
mod shown;

use std::sync::Arc;

use trimaran_commit_log::LogDir;
use trimaran_types::Offset;
use trimaran_types::record_batch::BatchHeader;

use crate::producers::oracle::Known;
use crate::promises::open_dir;
use crate::sim_disk::{Node, SimDisk, Tree};
use scene::{Scene, Stop};
use shown::{Outcome, Shown, Unproven, look};

const SMALL_BYTES_END: usize = 97;
const STEP_BYTES: usize = 7;
const LARGE_BYTES_MIN: usize = 4097;
const LARGE_STEP_BYTES: usize = 97;

/// What a flipped bit in a kind of file may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The truth stands there alone: it is given whole, or an error says that it is not.
    Told,
    /// It follows from other files, is a bound that may be lower, or says nothing.
    Unnoticed,
}

use Fate::{Told, Unnoticed};

/// Every file that a directory of logs may have is of one of these, by the end of its name.
const KINDS: [(&str, Fate); 27] = [
    (".log", Told),
    (".index", Unnoticed),
    (".timeindex", Unnoticed),
    (".txnindex", Unnoticed),
    (".snapshot", Unnoticed),
    ("leader-epoch-checkpoint", Told),
    ("partition.metadata", Told),
    ("txnindex-checksums", Unnoticed),
    ("gaps-allowed", Unnoticed),
    (".log.swap", Told),
    (".index.swap", Unnoticed),
    (".timeindex.swap", Unnoticed),
    (".txnindex.swap", Unnoticed),
    (".log.cleaned", Unnoticed),
    (".index.cleaned", Unnoticed),
    (".timeindex.cleaned", Unnoticed),
    (".txnindex.cleaned", Unnoticed),
    (".deleted", Unnoticed),
    ("meta.properties", Told),
    (".kafka_cleanshutdown", Unnoticed),
    ("recovery-point-offset-checkpoint", Unnoticed),
    ("flushed-ends", Unnoticed),
    ("replication-offset-checkpoint", Unnoticed),
    ("log-start-offset-checkpoint", Unnoticed),
    ("cleaner-offset-checkpoint", Unnoticed),
    ("reserved-space", Unnoticed),
    ("flush-journal-distrust", Told),
];

fn fate_of(path: &str) -> Fate {
    let kind = KINDS.iter().find(|(kind, _)| path.ends_with(kind));
    kind.unwrap_or_else(|| panic!("{path} is of no kind")).1
}

/// Every file with its path.
fn files(tree: &Tree) -> Vec<(String, Node)> {
    let mut found = Vec::new();
    let mut dirs = vec![(String::new(), 0)];
    while let Some((path, dir)) = dirs.pop() {
        for (name, node) in &tree.dirs[&dir] {
            let path = format!("{path}/{name}");
            if tree.dirs.contains_key(node) {
                dirs.push((path, *node));
            } else {
                found.push((path, *node));
            }
        }
    }
    found.sort();
    found
}

fn flipped_files(scene: &Scene) -> Vec<(String, Node)> {
    let mut files = files(&scene.tree);
    files.retain(|(path, _)| (scene.is_flipped)(path));
    files
}

/// The number of the log that the file belongs to.
fn log_of(path: &str) -> Option<usize> {
    let (_, rest) = path.split_once("/logs/t-")?;
    rest.split_once('/')?.0.parse().ok()
}

/// The base offset in the name of a segment, also of one that waits to be swapped in.
fn base_of(path: &str) -> Option<i64> {
    let name = path.rsplit_once('/')?.1;
    let name = name.strip_suffix(".swap").unwrap_or(name);
    name.strip_suffix(".log")?.parse().ok()
}

/// What of a flipped bit nothing contradicts. The epoch of a batch lies outside its checksum: in what a
/// start walks, one that fits between its neighbours is believed; elsewhere the log knows better. So
/// does its offset, and where there may be gaps only the neighbours bound it.
fn unproven(scene: &Scene, path: &str, content: &[u8], at: usize) -> Unproven {
    let Some(base) = base_of(path) else {
        return Unproven::default();
    };
    let mut place = 0;
    while let Ok(header) = BatchHeader::parse(&content[place..])
        && place + header.total_bytes() <= at
    {
        place += header.total_bytes();
    }
    let in_batch = at - place;
    let folder = path.rsplit_once('/').map(|(folder, _)| folder);
    let is_walked = !files(&scene.tree).iter().any(|(other, _)| {
        let is_beside = other.rsplit_once('/').map(|(folder, _)| folder) == folder;
        let next = base_of(other).filter(|other| is_beside && *other > base);
        next.is_some_and(|next| next <= scene.walked_from)
    });
    Unproven {
        epochs: is_walked && (12..16).contains(&in_batch),
        offsets: scene.has_gaps && in_batch < 8,
    }
}

/// What each log shows while no bit is flipped; `None` when it is not to be opened.
fn truths(scene: &Scene) -> Vec<Option<Shown>> {
    let look_at = |tree: Tree| -> Vec<Option<Shown>> {
        let dir = open_dir(&SimDisk::holding(tree)).unwrap();
        let look = |number| look(scene, &dir, (number, Offset(i64::MAX)), &scene.name);
        (0..scene.logs).map(look).collect()
    };
    // What lies before the log's start is known, too.
    let mut from_zero = scene.tree.clone();
    for names in from_zero.dirs.values_mut() {
        names.remove("log-start-offset-checkpoint");
    }
    let mut truths = look_at(scene.tree.clone());
    for (truth, all) in truths.iter_mut().zip(look_at(from_zero)) {
        if let (Some(truth), Some(all)) = (truth, all) {
            truth.batches = all.batches;
        }
    }
    truths
}

/// Looks at what a flipped bit in the file may concern.
fn judge(scene: &Scene, truths: &[Option<Shown>], dir: &LogDir, flip: (&str, Unproven)) -> Outcome {
    let (name, unproven) = flip;
    let numbers = match log_of(name) {
        Some(number) => number..number + 1,
        None => 0..truths.len(),
    };
    let mut outcome = Outcome::Exact;
    for number in numbers {
        let truth = &truths[number];
        let end = truth.as_ref().map_or(Offset::ZERO, |truth| truth.end);
        let found = match (truth, look(scene, dir, (number, end), name)) {
            (_, None) => Outcome::Named,
            (None, Some(_)) => panic!("{name}: log {number} is not to be trusted"),
            (Some(truth), Some(shown)) => truth.judge(&shown, scene, unproven, name),
        };
        if found == Outcome::Named {
            outcome = Outcome::Named;
        }
    }
    outcome
}

fn flip_everywhere(scene: &Scene) {
    let truths = truths(scene);
    let identity = {
        let dir = open_dir(&SimDisk::holding(scene.tree.clone())).unwrap();
        dir.directory_id()
    };
    let (mut exact, mut named) = (0, 0);
    for (path, node) in flipped_files(scene) {
        let fate = fate_of(&path);
        let whole = Arc::clone(&scene.tree.files[&node]);
        let step = match whole.len() {
            0..SMALL_BYTES_END => 1,
            SMALL_BYTES_END..LARGE_BYTES_MIN => STEP_BYTES,
            _ => LARGE_STEP_BYTES,
        };
        for at in (0..whole.len()).step_by(step) {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 1 << (at % 8);
            let mut damaged = scene.tree.clone();
            damaged.files.insert(node, Arc::new(flipped));
            let name = format!("{}: {path} at {at}", scene.name);
            let outcome = match open_dir(&SimDisk::holding(damaged)) {
                // Its logs are then those of another directory, which nobody counts on (ADR 0006).
                Ok(dir) if dir.directory_id() != identity => Outcome::Named,
                Ok(dir) => {
                    let unproven = unproven(scene, &path, &whole, at);
                    judge(scene, &truths, &dir, (&name, unproven))
                }
                Err(_) => Outcome::Named,
            };
            assert!(fate == Told || outcome == Outcome::Exact, "{name}");
            match outcome {
                Outcome::Exact => exact += 1,
                Outcome::Named => named += 1,
            }
        }
    }
    println!("{}: {exact} flips unnoticed, {named} named", scene.name);
    assert!(exact + named > 0);
}

/// The truth of a scene whose offsets have no gaps is what its batches say.
fn check_truth(scene: &Scene) {
    let dir = open_dir(&SimDisk::holding(scene.tree.clone())).unwrap();
    for number in 0..scene.logs {
        let mut log = scene.open(&dir, number).unwrap();
        let shown = look_whole(&log);
        Known::of(&shown).check(&mut log).unwrap();
        let next: Vec<_> = shown.iter().map(|it| it.header().next_offset()).collect();
        let base: Vec<_> = shown.iter().map(|it| it.header().base_offset).collect();
        assert_eq!(base[1..], next[..next.len() - 1]);
        assert_eq!(next.last(), Some(&log.log_end()));
    }
}

fn look_whole(log: &trimaran_commit_log::Log) -> Vec<trimaran_types::record_batch::RecordBatch> {
    let mut all = Vec::new();
    let mut from = log.log_start();
    while from < log.log_end() {
        let bytes = log.reader().read(from, Offset(i64::MAX), 1).unwrap();
        let batch = trimaran_types::record_batch::RecordBatch::parse(bytes).unwrap();
        from = batch.header().next_offset();
        all.push(batch);
    }
    all
}

const STOPS: [Stop; 2] = [Stop::Clean, Stop::Killed];

fn flip_after_each_stop(make: fn(Stop) -> Scene) {
    for scene in STOPS.map(make) {
        if !scene.has_gaps {
            check_truth(&scene);
        }
        flip_everywhere(&scene);
    }
}

#[test]
fn in_segments_indexes_epochs_and_checkpoints() {
    flip_after_each_stop(scenes::plain);
}

#[test]
fn in_what_is_known_of_producers() {
    flip_after_each_stop(scenes::producers);
}

#[test]
fn in_compressed_batches() {
    flip_after_each_stop(scenes::codecs);
}

#[test]
fn in_compacted_logs() {
    flip_after_each_stop(scenes::compacted);
}

#[test]
fn in_what_a_swap_leaves_when_it_is_interrupted() {
    scenes::swaps().iter().for_each(flip_everywhere);
}

#[test]
fn in_the_names_of_logs_that_are_not_to_be_trusted() {
    let scene = scenes::distrusted();
    assert!(truths(&scene).iter().all(Option::is_none));
    flip_everywhere(&scene);
}

/// There is a scene for every kind of file, and a kind for every file.
#[test]
fn every_kind_of_file_is_flipped() {
    let made = [
        scenes::plain as fn(Stop) -> Scene,
        scenes::producers,
        scenes::codecs,
        scenes::compacted,
    ];
    let stopped = made.into_iter().flat_map(|make| STOPS.map(make));
    let scenes = stopped.chain(scenes::swaps()).chain([scenes::distrusted()]);
    let paths: Vec<String> = scenes
        .flat_map(|scene| {
            let flipped = flipped_files(&scene).into_iter();
            let has_bytes = |(path, node): (String, Node)| {
                (!scene.tree.files[&node].is_empty()).then_some(path)
            };
            flipped.filter_map(has_bytes).collect::<Vec<_>>()
        })
        .collect();
    for (kind, _) in KINDS {
        assert!(paths.iter().any(|path| path.ends_with(kind)), "{kind}");
    }
}

#[test]
fn no_bit_of_the_checkpoint_of_starts_hides_a_record() {
    let scene = scenes::plain(Stop::Clean);
    let is_starts = |path: &str| path.ends_with("log-start-offset-checkpoint");
    let (path, node) = files(&scene.tree)
        .into_iter()
        .find(|(path, _)| is_starts(path))
        .unwrap();
    let whole = Arc::clone(&scene.tree.files[&node]);
    let truths = truths(&scene);
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 1 << bit;
            let mut damaged = scene.tree.clone();
            damaged.files.insert(node, Arc::new(flipped));
            let dir = open_dir(&SimDisk::holding(damaged)).unwrap();
            for (number, truth) in truths.iter().enumerate() {
                let start = scene.open(&dir, number).unwrap().log_start();
                let right = truth.as_ref().unwrap().start;
                let is_right = start == right || start == Offset::ZERO;
                assert!(is_right, "{path}, byte {at}, bit {bit}: {start}");
            }
        }
    }
}
