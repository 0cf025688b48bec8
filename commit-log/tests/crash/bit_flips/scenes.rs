//! The scenes: each holds some kinds of files.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use trimaran_commit_log::{
    CleanJob, Cleaner, CleanerSettings, Codec, CompactionSettings, DecompressLimits, Disk, Flusher,
    Log, LogConfig, OpenHow, compress,
};
use trimaran_types::record_batch::{BatchProducer, EndMarker, RecordBatch, TransactionEnd};
use trimaran_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use super::scene::{EPOCH, Maker, Scene, Stop, batch, config, plain_builder, time, value};
use crate::power_cut::{PowerCut, Survives};
use crate::promises::{open_dir, open_journalled};
use crate::sim_disk::{Op, SimDisk};
use crate::upkeep::Owner;

const LOG_START: i64 = 3;

/// Logs of several segments and epochs, of which the first records were deleted.
pub(super) fn plain(stop: Stop) -> Scene {
    let mut maker = Scene::begin("plain", 2, config(6_000));
    for offset in 0..100 {
        for number in 0..2 {
            if offset % 40 == 0 {
                let epoch = LeaderEpoch(i32::try_from(offset / 40).unwrap());
                maker.logs[number]
                    .assign_epoch(epoch, Offset(offset))
                    .unwrap();
            }
            let bytes = usize::try_from(offset % 7).unwrap() * 60 + number;
            let records = [(None, value(offset, bytes))];
            maker.append(number, batch(plain_builder(), offset, &records));
        }
    }
    for log in &mut maker.logs {
        log.raise_log_start(Offset(LOG_START));
    }
    maker.checkpoint();
    maker.stop(stop)
}

/// Sends as three producers, with transactions that lie in each other and end either way.
struct Producers {
    sequences: [i32; 3],
    open: [bool; 3],
}

impl Producers {
    fn next(&mut self, step: usize, base: i64, key: Option<&str>) -> RecordBatch {
        let producer = step * 7 % 3;
        let id = i64::try_from(producer).unwrap();
        if self.open[producer] && step.is_multiple_of(4) {
            self.open[producer] = false;
            let end = match step % 3 {
                0 => TransactionEnd::Commit,
                _ => TransactionEnd::Abort,
            };
            let marker = EndMarker {
                end,
                coordinator_epoch: 0,
                timestamp: time(base),
            };
            return marker.to_batch(ProducerId(id), ProducerEpoch(0));
        }
        self.open[producer] = true;
        let builder = plain_builder()
            .producer(BatchProducer {
                id: ProducerId(id),
                epoch: ProducerEpoch(0),
                base_sequence: self.sequences[producer],
            })
            .transactional();
        let records: Vec<_> = (base..)
            .take(1 + step % 2)
            .map(|offset| (key, value(offset, step % 5 * 9)))
            .collect();
        self.sequences[producer] += i32::try_from(records.len()).unwrap();
        batch(builder, base, &records)
    }
}

const PRODUCERS: Producers = Producers {
    sequences: [0; 3],
    open: [false; 3],
};

/// Producers and their transactions.
pub(super) fn producers(stop: Stop) -> Scene {
    let mut maker = Scene::begin("producers", 1, config(1_300));
    let mut producers = PRODUCERS;
    for step in 0..70 {
        if step == 50 {
            maker.checkpoint();
        }
        let next = producers.next(step, maker.end(), None);
        maker.append(0, next);
    }
    maker.stop(stop)
}

const CODECS: [Option<Codec>; 5] = [
    None,
    Some(Codec::Gzip { level: 1 }),
    Some(Codec::Snappy),
    Some(Codec::Lz4),
    Some(Codec::Zstd { level: 1 }),
];

/// Batches under each codec.
pub(super) fn codecs(stop: Stop) -> Scene {
    let mut maker = Scene::begin("codecs", 1, config(1_500));
    for number in 0..20 {
        let base = maker.end();
        let records: Vec<_> = (base..base + 4)
            .map(|offset| (None, value(offset, 40)))
            .collect();
        let plain = batch(plain_builder(), base, &records);
        let limits = DecompressLimits::default();
        let packed = match CODECS[number % 5] {
            None => plain,
            Some(codec) => compress(&plain, codec, &limits).unwrap(),
        };
        maker.append(0, packed);
        if number == 15 {
            maker.checkpoint();
        }
    }
    maker.stop(stop)
}

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

fn to_be_compacted(name: &str) -> Maker {
    let compacted = LogConfig {
        compacted: true,
        index_interval_bytes: 100,
        ..config(1_300)
    };
    let mut maker = Scene::begin(name, 1, compacted);
    let mut producers = PRODUCERS;
    for step in 0..70 {
        let base = maker.end();
        let key = KEYS[step * 5 % 4];
        let next = match step % 3 {
            0 => {
                let value = (step % 9 > 0).then(|| value(base, 20)).flatten();
                batch(plain_builder(), base, &[(Some(key), value)])
            }
            _ => producers.next(step, base, Some(key)),
        };
        maker.append(0, next);
    }
    maker.checkpoint();
    maker
}

fn compact(maker: &mut Maker) {
    let log = &mut maker.logs[0];
    let settings = CompactionSettings {
        dirty_ratio_min: 0.0,
        ..CompactionSettings::default()
    };
    let reader = log.reader();
    let now = time(10_000);
    let limit = log.flushed_end();
    let plan = reader.plan_cleaning(limit, &settings, now).unwrap();
    let (config, producer_ends) = (log.config().clone(), log.producer_ends());
    let job = CleanJob {
        log: &reader,
        config: &config,
        plan,
        settings: &settings,
        producer_ends: &producer_ends,
        now,
    };
    let memory = CleanerSettings {
        map_bytes_max: 1 << 16,
        io_bytes: 700,
    };
    let mut owner = Owner(log, 0);
    let report = Cleaner::new(memory).clean(&job, &mut owner).unwrap();
    assert!(owner.1 > 0 && report.records_dropped > 5, "{report:?}");
}

/// A log that was compacted, with records behind that.
pub(super) fn compacted(stop: Stop) -> Scene {
    let mut maker = to_be_compacted("compacted");
    compact(&mut maker);
    append_keyed(&mut maker, 10);
    maker.stop(stop)
}

fn append_keyed(maker: &mut Maker, count: usize) {
    for step in 0..count {
        let base = maker.end();
        let records = [(Some(KEYS[step % 4]), value(base, 30))];
        maker.append(0, batch(plain_builder(), base, &records));
    }
}

fn is_leftover(path: &str) -> bool {
    [".cleaned", ".swap", ".deleted"]
        .iter()
        .any(|suffix| path.ends_with(suffix))
}

/// Every step of the swaps of two compactions, of which the second merges what the first has left, at
/// which the process may have died.
pub(super) fn swaps() -> Vec<Scene> {
    let mut maker = to_be_compacted("swap");
    let before = maker.disk.ops_count();
    compact(&mut maker);
    append_keyed(&mut maker, 30);
    maker.checkpoint();
    compact(&mut maker);
    let (base, ops) = maker.disk.recorded();
    let template = maker.stop(Stop::Killed);
    let mut cut = PowerCut::before_anything(&base);
    let mut scenes: Vec<Scene> = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, op) in ops.iter().enumerate() {
        let is_step = at >= before && matches!(op, Op::Rename { .. } | Op::Unlink { .. });
        // One of each: by what kinds are left over, whatever segment they are of.
        if is_step {
            let tree = cut.leaves(Survives::Everything);
            let names = tree.dirs.values().flat_map(|names| names.keys());
            let kinds: BTreeSet<String> = names
                .filter(|name| is_leftover(name))
                .map(|name| match name.ends_with(".deleted") {
                    true => "deleted".to_owned(),
                    false => name.split_once('.').unwrap().1.to_owned(),
                })
                .collect();
            if !kinds.is_empty() && seen.insert(kinds.clone()) {
                scenes.push(Scene {
                    name: format!("swap with {kinds:?}"),
                    tree,
                    is_flipped: is_leftover,
                    ..template.clone()
                });
            }
        }
        cut.after(op);
    }
    assert!(scenes.len() > 5, "{}", scenes.len());
    scenes
}

/// A journal was damaged, so no log is to be trusted.
pub(super) fn distrusted() -> Scene {
    let mut maker = Scene::begin("distrusted", 2, config(6_000));
    let disk = SimDisk::holding({
        maker.flush();
        maker.disk.live()
    });
    let dir = open_journalled(&disk).unwrap();
    let latch = Arc::clone(&dir.context().latch);
    let flusher = Flusher::without_threads(latch, 100);
    let mut logs: Vec<Log> = (0..2).map(|n| maker.scene.open(&dir, n).unwrap()).collect();
    for offset in 0..3 {
        for log in &mut logs {
            log.assign_epoch(EPOCH, Offset::ZERO).unwrap();
            let next = batch(plain_builder(), offset, &[(None, value(offset, 9))]);
            log.append_as_leader(vec![next], EPOCH, time(offset))
                .unwrap();
            let request = log.begin_flush().unwrap();
            let token = request.token();
            flusher.submit(request, Box::new(|done| done.unwrap()));
            flusher.run_waiting();
            log.flushed(&token);
        }
    }
    drop((logs, dir));
    let path = Path::new("/data/logs/flush-journal.0");
    let journal = disk.open(path, OpenHow::Existing).unwrap();
    let mut byte = Vec::new();
    journal.read_at(300, 1, &mut byte).unwrap();
    journal.write_all_at(300, &[byte[0] ^ 4]).unwrap();
    drop(open_dir(&disk).unwrap());
    Scene {
        tree: disk.live(),
        is_flipped: |path| path.ends_with("flush-journal-distrust"),
        ..maker.scene
    }
}
