//! A compacted log behaves like a list of records of which only superseded ones may be missing, also after cuts
//! below what was cleaned, as an unclean election makes them.
//!
//! Everything else that may be done to it is in [`crate::whole_model`].

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use trimaran_commit_log::{
    CleanError, CleanerSettings, CompactionSettings, Log, LogContext, OpenAs,
};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::clean_crash::StepDisk;
use crate::clean_rig::{Keyed, Pass, keyed_at, packed, records};
use crate::cleaner::rig;
use crate::rig::{NOW, Rig, flush, topic_id};

const RETENTION_MS: i64 = 1000;

#[derive(Debug, Clone)]
enum Step {
    /// Batches of keys; `true` stands for a tombstone.
    Append(Vec<Vec<(u8, bool)>>),
    NewEpoch,
    /// Milliseconds since the last step of this kind, keys that the map holds, answers until it is
    /// stopped.
    Clean(i64, usize, usize),
    Truncate(prop::sample::Index),
    Flush,
    Checkpoint,
    Crash,
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let batch = || prop::collection::vec((0..6_u8, prop::bool::weighted(0.25)), 1..5);
    let step = prop_oneof![
        10 => prop::collection::vec(batch(), 1..12).prop_map(Step::Append),
        1 => Just(Step::NewEpoch),
        6 => (0..1500_i64, 17..60_usize, prop_oneof![4 => Just(usize::MAX), 1 => 1..60_usize])
            .prop_map(|(ms, keys, go_on)| Step::Clean(ms, keys, go_on)),
        1 => any::<prop::sample::Index>().prop_map(Step::Truncate),
        1 => Just(Step::Flush),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Crash),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 1..40)
}

/// When a record was sent: up and down, so that any of a batch may be its latest.
const fn time_of(offset: i64) -> Timestamp {
    Timestamp(NOW.0 - 1000 + offset + offset * 62 % 97)
}

#[derive(Debug, Clone)]
struct Written {
    offset: i64,
    key: String,
    value: Option<String>,
    /// When the first pass met it, if it is a tombstone.
    met: Option<i64>,
}

struct Run {
    rig: Rig,
    context: LogContext,
    log: Option<Log>,
    written: Vec<Written>,
    now: i64,
    /// Everything below was looked at by a pass, finished or not.
    cleaned: i64,
    recovery_point: i64,
}

impl Run {
    fn new() -> Self {
        let mut rig = rig();
        rig.disk = StepDisk::new();
        let context = rig.context();
        let mut run = Self {
            rig,
            context,
            log: None,
            written: Vec::new(),
            now: NOW.0,
            cleaned: 0,
            recovery_point: 0,
        };
        let mut log = run.open(false);
        log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
        run.log = Some(log);
        run
    }

    fn open(&self, clean_shutdown: bool) -> Log {
        let start = OpenAs {
            topic_id: topic_id(),
            recovery_point: Offset(self.recovery_point),
            log_start: None,
            clean_shutdown,
        };
        let config = self.rig.config.clone();
        Log::open(&self.context, &self.rig.dir(), config, start)
            .unwrap()
            .0
    }

    fn step(&mut self, step: &Step) {
        let mut log = self.log.take().unwrap();
        match step {
            Step::Append(batches) => self.append(&mut log, batches),
            Step::NewEpoch => {
                let epoch = LeaderEpoch(log.latest_epoch().map_or(0, |epoch| epoch.0 + 1));
                log.assign_epoch(epoch, log.log_end()).unwrap();
            }
            Step::Clean(ms, keys, go_on) => self.clean(&mut log, *ms, *keys, *go_on),
            Step::Truncate(index) => self.truncate(&mut log, index),
            Step::Flush => flush(&mut log),
            Step::Checkpoint => {
                if let Some(request) = log.begin_checkpoint().unwrap() {
                    request
                        .files
                        .iter()
                        .for_each(|file| file.sync_data().unwrap());
                    log.flushed(&request.token());
                    self.recovery_point = log.flushed_end().0;
                }
            }
            Step::Crash => {
                let (end, epochs) = (log.log_end(), log.epochs().clone());
                drop(log);
                log = self.open(false);
                assert_eq!(log.log_end(), end);
                // An epoch without records is forgotten; the others begin where they began.
                let known = log.epochs().entries();
                assert_eq!(known, &epochs.entries()[..known.len()]);
            }
            Step::Close => {
                let end = log.log_end();
                log.close().unwrap();
                self.recovery_point = end.0;
                log = self.open(true);
                assert_eq!(log.log_end(), end);
            }
        }
        if log.latest_epoch().is_none() {
            log.assign_epoch(LeaderEpoch(0), log.log_end()).unwrap();
        }
        self.check(&log);
        self.log = Some(log);
    }

    fn append(&mut self, log: &mut Log, batches: &[Vec<(u8, bool)>]) {
        let epoch = log.latest_epoch().unwrap();
        for batch in batches {
            let first = log.log_end().0;
            let texts: Vec<(String, Option<String>)> = (first..)
                .zip(batch)
                .map(|(offset, (key, is_tombstone))| {
                    let value = (!is_tombstone).then(|| format!("{offset}{}", "-".repeat(40)));
                    (format!("k{key}"), value)
                })
                .collect();
            let views: Vec<Keyed<'_>> = texts
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_deref()))
                .collect();
            let batch = keyed_at(&views, |number| {
                time_of(first + i64::try_from(number).unwrap())
            });
            log.append_as_leader(vec![packed(&batch, first)], epoch, NOW)
                .unwrap();
            self.written
                .extend((first..).zip(texts).map(|(offset, (key, value))| Written {
                    offset,
                    key,
                    value,
                    met: None,
                }));
        }
    }

    fn clean(&mut self, log: &mut Log, ms: i64, keys: usize, go_on: usize) {
        self.now += ms;
        let pass = Pass {
            settings: CompactionSettings {
                delete_retention_ms: RETENTION_MS.unsigned_abs(),
                ..Pass::default().settings
            },
            cleaner: CleanerSettings {
                map_bytes_max: keys * 24,
                io_bytes: 300,
            },
            now: Timestamp(self.now),
            go_on,
            ..Pass::default()
        };
        let limit = log.flushed_end();
        let Some(plan) = log.reader().plan_cleaning(limit, &pass.settings, pass.now) else {
            return;
        };
        self.cleaned = self.cleaned.max(plan.before.0);
        for written in self.written.iter_mut().filter(|w| w.offset < plan.before.0) {
            written.met = written.met.or(Some(self.now));
        }
        match pass.run(log) {
            Some(Ok(report)) => {
                let mut seen = BTreeSet::new();
                for (offset, key, _) in records(&log.reader()) {
                    if offset < report.clean_end.0 {
                        assert!(seen.insert(key), "{offset} has an older twin");
                    }
                }
            }
            Some(Err(CleanError::Stopped)) => {}
            other => panic!("{other:?}"),
        }
    }

    fn truncate(&mut self, log: &mut Log, index: &prop::sample::Index) {
        let end = log.log_end().0;
        let to = i64::try_from(index.index(usize::try_from(end + 1).unwrap())).unwrap();
        let cut = log.truncate_to(Offset(to)).unwrap().0;
        assert!(cut <= to);
        self.written.retain(|written| written.offset < cut);
        self.recovery_point = self.recovery_point.min(cut);
        if cut < self.cleaned {
            // Below the high watermark this loses data, compacted or not: what superseded is gone.
            let left: BTreeSet<i64> = records(&log.reader()).iter().map(|r| r.0).collect();
            self.written
                .retain(|written| left.contains(&written.offset));
            self.cleaned = cut;
        }
    }

    fn check(&self, log: &Log) {
        let found = records(&log.reader());
        let written: BTreeMap<i64, &Written> = self.written.iter().map(|w| (w.offset, w)).collect();
        let mut found_at = BTreeMap::new();
        for (offset, key, value) in &found {
            let original = written[offset];
            assert_eq!((key, value), (&original.key, &original.value), "{offset}");
            found_at.insert(*offset, key);
        }
        assert!(found.is_sorted_by_key(|record| record.0));
        let last: BTreeMap<&String, &Written> = self.written.iter().map(|w| (&w.key, w)).collect();
        for (key, last) in last {
            if found_at.contains_key(&last.offset) {
                continue;
            }
            assert_eq!(last.value, None, "{key} has lost its last value");
            let met = last.met.expect("no pass has met this tombstone");
            assert!(self.now >= met + RETENTION_MS, "{key}: too early");
            let older = found_at.values().any(|found| *found == key);
            assert!(!older, "{key} was deleted and is back");
        }
        for from in (0..log.log_end().0).step_by(7) {
            let bytes = log.reader().read(Offset(from), log.log_end(), 1).unwrap();
            let batch = trimaran_types::record_batch::split(bytes)
                .next()
                .unwrap()
                .unwrap();
            assert!(batch.header().last_offset().0 >= from);
            let next = found_at.range(from..).next();
            assert!(next.is_none_or(|(next, _)| batch.header().base_offset.0 <= *next));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_but_what_is_superseded_goes(steps in steps()) {
        let mut run = Run::new();
        steps.iter().for_each(|step| run.step(step));
    }
}
