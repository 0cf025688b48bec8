//! A power cut after every change that a workload makes, in every way that the disk allows
//! (reference: Pillai et al., OSDI 2014).
//!
//! And again while the next start recovers, and after it has written more.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use trimaran_commit_log::Flusher;
use trimaran_types::{LeaderEpoch, Timestamp};

use crate::power_cut::{Limits, PowerCut, Subsets, Tried as Subset};
use crate::promises::{Branch, Promise, Promises, check, open_dir, open_journalled, open_log};
use crate::sim_disk::{Op, SimDisk, Tree};
use crate::workload::Workload;

/// Every so many states, the recovery itself is cut short at every change.
const NESTED_EVERY: usize = 2999;

const STEPS: usize = 60;
/// But in a long run: of a workload without a journal, and with one.
const STEPS_FEW: [usize; 2] = [45, 35];

const LIMITS: Limits = Limits {
    trees_whole_max: 1 << 12,
    pairs_max: 20,
    chances: 4,
};
const LIMITS_NESTED: Limits = Limits {
    trees_whole_max: 1 << 6,
    pairs_max: 0,
    chances: 1,
};

#[derive(Debug, Default)]
struct Tried {
    first: Subset,
    nested: Subset,
    recovered: usize,
    cuts: usize,
    cuts_before_good_batches: usize,
    rooms: usize,
    replays: usize,
}

struct Trial<'a> {
    seed: u64,
    base: &'a Tree,
    ops: &'a [Op],
    promises: &'a Promises,
    tried: &'a mut Tried,
}

impl Trial<'_> {
    /// Tells which subsets were tried.
    fn at_every_change(&mut self, mut subsets: Subsets, nested: bool) -> Subset {
        let mut cut = PowerCut::before_anything(self.base);
        for count in 0..=self.ops.len() {
            if let Some(last) = count.checked_sub(1) {
                cut.after(&self.ops[last]);
            }
            let promises = self.promises.after(count);
            let number = self.promises.number_after(count);
            subsets.each(&cut, number, |way, tree| {
                self.one(tree, count, way, &promises, nested);
            });
        }
        subsets.tried
    }

    fn one(
        &mut self,
        tree: Tree,
        count: usize,
        way: &dyn Debug,
        promises: &[Promise],
        nested: bool,
    ) {
        let disk = SimDisk::holding(tree.clone());
        let recovered = check(&disk, promises, true).unwrap_or_else(|error| {
            let last = count.checked_sub(1).map(|last| &self.ops[last]);
            panic!(
                "seed {}, {count} changes, {way:.4000?}: {error}\nafter {last:.200?}\n{promises:.2000?}",
                self.seed
            )
        });
        self.tried.recovered += 1;
        self.tried.cuts += recovered.cuts;
        self.tried.cuts_before_good_batches += recovered.cuts_before_good_batches;
        self.tried.rooms += recovered.rooms;
        self.tried.replays += recovered.replays;
        if nested && self.tried.recovered.is_multiple_of(NESTED_EVERY) {
            self.go_on_from(&tree, count, promises);
        }
    }

    /// Recovers, appends and flushes; with a power cut after every change of that.
    fn go_on_from(&mut self, tree: &Tree, count: usize, promises: &[Promise]) {
        let disk = SimDisk::holding(tree.clone());
        let mut later = Promises::default();
        let mut now = promises.to_vec();
        later.set(0, &now);
        {
            let dir = if count.is_multiple_of(2) {
                open_journalled(&disk).unwrap()
            } else {
                open_dir(&disk).unwrap()
            };
            let flusher = Flusher::without_threads(Arc::clone(&dir.context().latch), 10);
            for (number, promise) in now.clone().iter().enumerate() {
                let Ok((mut log, _)) = open_log(&dir, number, promise.generation) else {
                    continue;
                };
                let (start, end) = (log.log_start().0, log.log_end());
                let latest = log.latest_epoch().map_or(0, |epoch| epoch.0);
                let epoch = LeaderEpoch(latest + 1);
                log.assign_epoch(epoch, end).unwrap();
                let mut records = crate::promises::read_all(&log).unwrap();
                let value: std::sync::Arc<[u8]> = vec![7; 3000].into();
                records.push((end.0, epoch.0, std::sync::Arc::clone(&value)));
                let branch = Branch {
                    start,
                    records: std::sync::Arc::new(records),
                };
                now[number].allowed.push(branch.clone());
                later.set(disk.ops_count(), &now);
                let batch = crate::workload::batch(&[value]);
                log.append_as_leader(vec![batch], epoch, Timestamp(1))
                    .unwrap();
                while let Some(request) = log.begin_flush() {
                    let token = request.token();
                    flusher.submit(request, Box::new(|done| done.unwrap()));
                    flusher.run_waiting();
                    log.flushed(&token);
                }
                now[number] = Promise {
                    flushed_end: Some(branch.end()),
                    allowed: vec![branch],
                    may_be_empty: false,
                    is_going: false,
                    generation: promise.generation,
                };
                later.set(disk.ops_count(), &now);
            }
        }
        let (base, ops) = disk.recorded();
        let mut trial = Trial {
            seed: self.seed,
            base: &base,
            ops: &ops,
            promises: &later,
            tried: &mut Tried::default(),
        };
        let subsets = Subsets::new(LIMITS_NESTED, count as u64);
        let tried = trial.at_every_change(subsets, false);
        self.tried.nested.add(&tried);
    }
}

fn crash_everywhere(seed: u64, has_journal: bool, steps: usize, tried: &mut Tried) {
    let disk = SimDisk::empty();
    let mut workload = Workload::begin(disk.clone(), seed, has_journal);
    workload.run(steps);
    workload.check_readers().unwrap();
    workload.stop_cleanly();
    assert_eq!(workload.refused, Vec::<String>::new(), "seed {seed}");
    let promises = workload.promises.clone();
    drop(workload);
    let (base, ops) = disk.recorded();
    let mut trial = Trial {
        seed,
        base: &base,
        ops: &ops,
        promises: &promises,
        tried,
    };
    let subsets = trial.at_every_change(Subsets::new(LIMITS, !seed), true);
    tried.first.add(&subsets);
}

#[test]
fn a_power_cut_after_any_change_loses_nothing_synced_and_invents_nothing() {
    let tried = crash_all(&crate::seeds(2, 24).collect::<Vec<_>>(), false);
    // The hole that is closed must have been met, or the workload proves nothing about it.
    assert!(tried.cuts_before_good_batches > 0, "{tried:?}");
    assert!(tried.rooms > 1000, "{tried:?}");
}

#[test]
fn nor_does_it_with_a_journal_in_front_of_the_logs() {
    let tried = crash_all(&crate::seeds(1, 24).collect::<Vec<_>>(), true);
    assert!(tried.replays > 1000, "{tried:?}");
}

fn crash_all(seeds: &[u64], has_journal: bool) -> Tried {
    let began = Instant::now();
    let steps = if crate::is_long() {
        STEPS
    } else {
        STEPS_FEW[usize::from(has_journal)]
    };
    let mut tried = Tried::default();
    std::thread::scope(|scope| {
        let part = |seeds: Vec<u64>| {
            move || {
                let mut tried = Tried::default();
                for seed in seeds {
                    crash_everywhere(seed, has_journal, steps, &mut tried);
                }
                tried
            }
        };
        let (even, odd) = seeds.iter().copied().partition(|seed| seed % 2 == 0);
        for thread in [scope.spawn(part(even)), scope.spawn(part(odd))] {
            let part = thread.join().unwrap();
            tried.first.add(&part.first);
            tried.nested.add(&part.nested);
            tried.recovered += part.recovered;
            tried.cuts += part.cuts;
            tried.cuts_before_good_batches += part.cuts_before_good_batches;
            tried.rooms += part.rooms;
            tried.replays += part.replays;
        }
    });
    println!(
        "journal: {has_journal}: {tried:#?} in {:.1?}",
        began.elapsed()
    );
    tried
}
