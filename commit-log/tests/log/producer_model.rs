//! Producers against a plain list of batches: any order of appends, repetitions, transactions,
//! truncations, checkpoints, stops and damaged snapshots gives the answers that the list gives.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use trimaran_commit_log::{AppendError, Log, LogConfig};
use trimaran_types::record_batch::{RecordBatch, TransactionEnd};
use trimaran_types::{Offset, ProducerId};

use crate::producers::{EPOCH, append, ended, sent};
use crate::rig::{NOW, Rig, batch_of, flush, segment_files};

const PRODUCERS: i64 = 3;

#[derive(Debug, Clone)]
enum Step {
    Plain(usize),
    Send {
        who: i64,
        count: usize,
        transactional: bool,
    },
    /// Sends everything that is remembered again, in one call.
    Repeat(i64),
    Skip(i64),
    Bump(i64),
    Old(i64),
    End {
        who: i64,
        abort: bool,
    },
    /// To this share of the log.
    Truncate(u8),
    Checkpoint,
    Close,
    Kill,
    /// Damages a snapshot, then stops.
    Damage {
        which: usize,
        clean: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..PRODUCERS;
    let step = prop_oneof![
        2 => (1_usize..4).prop_map(Step::Plain),
        8 => (who.clone(), 1_usize..4, any::<bool>())
            .prop_map(|(who, count, transactional)| Step::Send { who, count, transactional }),
        3 => who.clone().prop_map(Step::Repeat),
        1 => who.clone().prop_map(Step::Skip),
        1 => who.clone().prop_map(Step::Bump),
        1 => who.clone().prop_map(Step::Old),
        4 => (who, any::<bool>()).prop_map(|(who, abort)| Step::End { who, abort }),
        1 => any::<u8>().prop_map(Step::Truncate),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(which, clean)| Step::Damage { which, clean }),
    ];
    prop::collection::vec(step, 1..80)
}

#[derive(Debug, Clone)]
enum What {
    Data { first: i32, transactional: bool },
    End { abort: bool },
}

/// A producer's batch in the log.
#[derive(Debug, Clone)]
struct Placed {
    who: i64,
    epoch: i16,
    base: i64,
    last: i64,
    what: What,
}

/// What the list says about one producer.
#[derive(Debug, Clone, Default)]
struct Known {
    epoch: i16,
    /// First sequence, base, last: of this epoch.
    batches: Vec<(i32, i64, i64)>,
    open: Option<i64>,
}

impl Known {
    fn next(&self) -> i32 {
        let last = self.batches.last();
        last.map_or(0, |(first, base, last)| {
            first + i32::try_from(last - base).unwrap() + 1
        })
    }
}

#[derive(Default)]
struct Model {
    list: Vec<Placed>,
    aborted: Vec<(i64, i64, i64)>,
    known: BTreeMap<i64, Known>,
}

impl Model {
    fn push(&mut self, placed: Placed) {
        let known = self.known.entry(placed.who).or_insert_with(|| Known {
            epoch: placed.epoch,
            ..Known::default()
        });
        if known.epoch != placed.epoch {
            known.epoch = placed.epoch;
            known.batches.clear();
        }
        match placed.what {
            What::Data {
                first,
                transactional,
            } => {
                known.batches.push((first, placed.base, placed.last));
                if transactional {
                    known.open.get_or_insert(placed.base);
                }
            }
            What::End { abort } => {
                if let Some(first) = known.open.take()
                    && abort
                {
                    self.aborted.push((placed.who, first, placed.last));
                }
            }
        }
        self.list.push(placed);
    }

    fn cut(&mut self, to: i64) {
        let list = std::mem::take(&mut self.list);
        *self = Self::default();
        for placed in list.into_iter().filter(|placed| placed.last < to) {
            self.push(placed);
        }
    }
}

struct Run {
    rig: Rig,
    log: Option<Log>,
    model: Model,
    checkpointed: i64,
}

impl Run {
    fn new() -> Self {
        let mut rig = Rig::new();
        rig.config = LogConfig {
            segment_bytes: 1024,
            ..rig.config
        };
        let log = Some(rig.fresh());
        Self {
            rig,
            log,
            model: Model::default(),
            checkpointed: 0,
        }
    }

    fn log(&mut self) -> &mut Log {
        self.log.as_mut().unwrap()
    }

    fn known(&self, who: i64) -> Known {
        self.model.known.get(&who).cloned().unwrap_or_default()
    }

    fn send(&mut self, (who, epoch): (i64, i16), first: i32, count: usize, transactional: bool) {
        let end = self.log().log_end().0;
        let last = end + i64::try_from(count).unwrap() - 1;
        let batch = sent((who, epoch), first, count, transactional);
        let placed = append(self.log(), vec![batch]).unwrap();
        assert_eq!(placed, [(end, last, false)]);
        let what = What::Data {
            first,
            transactional,
        };
        self.model.push(Placed {
            who,
            epoch,
            base: end,
            last,
            what,
        });
    }

    fn refused(&mut self, batch: RecordBatch) {
        let end = self.log().log_end();
        let result = append(self.log(), vec![batch]);
        assert!(
            matches!(result, Err(AppendError::Producer { number: 0, .. })),
            "{result:?}"
        );
        assert_eq!(self.log().log_end(), end);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Plain(count) => {
                let batch = batch_of(&vec![&b"plain"[..]; count]);
                append(self.log(), vec![batch]).unwrap();
            }
            Step::Send {
                who,
                count,
                transactional,
            } => {
                let known = self.known(who);
                let me = (who, known.epoch);
                if known.open.is_some() && !transactional {
                    self.refused(sent(me, known.next(), count, false));
                } else {
                    self.send(me, known.next(), count, transactional);
                }
            }
            Step::Repeat(who) => self.repeat(who),
            Step::Skip(_) | Step::Bump(_) | Step::Old(_) => self.known_producer(step),
            Step::End { who, abort } => self.end(who, abort),
            Step::Truncate(share) => {
                let log_end = self.log().log_end().0;
                let end = self
                    .log()
                    .truncate_to(Offset(log_end * i64::from(share) / 255))
                    .unwrap();
                self.model.cut(end.0);
                self.checkpointed = self.checkpointed.min(end.0);
                self.lead();
            }
            Step::Checkpoint => {
                if let Some(request) = self.log().begin_checkpoint().unwrap() {
                    request
                        .files
                        .iter()
                        .for_each(|file| file.sync_data().unwrap());
                    self.log().flushed(&request.token());
                    self.checkpointed = self.log().log_end().0;
                }
            }
            Step::Close => self.reopen(true),
            Step::Kill => self.reopen(false),
            Step::Damage { which, clean } => {
                let snapshots = segment_files(&self.rig.dir(), "snapshot");
                if let Some(path) = snapshots.values().nth(which % (snapshots.len() + 1)) {
                    let mut bytes = fs::read(path).unwrap();
                    let at = which % bytes.len();
                    bytes[at] ^= 1;
                    fs::write(path, bytes).unwrap();
                }
                self.reopen(clean);
            }
        }
    }

    /// Steps that need a producer of whom something is known.
    fn known_producer(&mut self, step: &Step) {
        let (Step::Skip(who) | Step::Bump(who) | Step::Old(who)) = *step else {
            return;
        };
        let Some(known) = self.model.known.get(&who).cloned() else {
            return;
        };
        let (epoch, next) = (known.epoch, known.next());
        match step {
            Step::Skip(_) => self.refused(sent((who, epoch), next + 3, 1, true)),
            Step::Bump(_) => {
                self.refused(sent((who, epoch + 1), 1, 1, true));
                self.send((who, epoch + 1), 0, 2, known.open.is_some());
            }
            _ if epoch > 0 => self.refused(sent((who, epoch - 1), next, 1, true)),
            _ => {}
        }
    }

    fn repeat(&mut self, who: i64) {
        let known = self.known(who);
        let recent = known.batches.iter().rev().take(5).rev();
        let (batches, expected): (Vec<_>, Vec<_>) = recent
            .map(|&(first, base, last)| {
                let count = usize::try_from(last - base + 1).unwrap();
                (
                    sent((who, known.epoch), first, count, true),
                    (base, last, true),
                )
            })
            .unzip();
        let end = self.log().log_end();
        assert_eq!(append(self.log(), batches).unwrap(), expected);
        assert_eq!(self.log().log_end(), end);
        // The one before the last five is no repetition any more.
        if let Some(&(first, base, last)) = known.batches.iter().rev().nth(5) {
            let count = usize::try_from(last - base + 1).unwrap();
            self.refused(sent((who, known.epoch), first, count, true));
        }
    }

    fn end(&mut self, who: i64, abort: bool) {
        let end = self.log().log_end().0;
        let epoch = self.known(who).epoch;
        let how = if abort {
            TransactionEnd::Abort
        } else {
            TransactionEnd::Commit
        };
        let marker = ended((who, epoch), how);
        self.log()
            .append_as_coordinator(vec![marker], EPOCH, NOW)
            .unwrap();
        let what = What::End { abort };
        self.model.push(Placed {
            who,
            epoch,
            base: end,
            last: end,
            what,
        });
    }

    fn reopen(&mut self, clean: bool) {
        let mut log = self.log.take().unwrap();
        let recovery_point = if clean {
            log.close().unwrap().0
        } else {
            flush(&mut log);
            drop(log);
            self.checkpointed
        };
        let (log, _) = self.rig.open(recovery_point, clean).unwrap();
        self.log = Some(log);
        self.checkpointed = recovery_point;
        self.lead();
    }

    /// An empty log forgets the epoch.
    fn lead(&mut self) {
        let log = self.log();
        let end = log.log_end();
        log.assign_epoch(EPOCH, end).unwrap();
    }

    fn check(&mut self) {
        let log = self.log.as_mut().unwrap();
        let end = log.log_end();
        let ends: Vec<_> = log
            .producer_ends()
            .iter()
            .map(|end| (end.producer.0, end.epoch.0, end.last_offset.map(|at| at.0)))
            .collect();
        let expected: Vec<_> = self
            .model
            .known
            .iter()
            .map(|(who, known)| (*who, known.epoch, known.batches.last().map(|batch| batch.2)))
            .collect();
        assert_eq!(ends, expected);
        log.high_watermark_passed(end);
        let open = self
            .model
            .known
            .values()
            .filter_map(|known| known.open)
            .min();
        assert_eq!(log.first_unstable_offset().map(|at| at.0), open);
        let end = end.0;
        for (from, before) in [
            (0, end),
            (end / 3, end / 2),
            (end / 2, end + 1),
            (0, end / 4),
        ] {
            let found: Vec<_> = log
                .reader()
                .aborted_transactions(Offset(from), Offset(before))
                .unwrap()
                .iter()
                .map(|entry| (entry.producer.0, entry.first.0, entry.last.0))
                .collect();
            let touches = |entry: &&(i64, i64, i64)| entry.2 >= from && entry.1 < before;
            let expected: Vec<_> = self.model.aborted.iter().filter(touches).copied().collect();
            assert_eq!(found, expected, "{from}..{before}");
        }
    }
}

/// Few by default; thousands with `TRIMARAN_LONG=1`.
fn cases() -> u32 {
    if std::env::var_os("TRIMARAN_LONG").is_some() {
        2000
    } else {
        48
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_log_knows_what_the_list_of_its_batches_says(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
            run.check();
        }
        for clean in [false, true] {
            run.reopen(clean);
            run.check();
            for who in 0..PRODUCERS {
                run.repeat(who);
            }
        }
        let ids = run.log().producer_ends();
        prop_assert!(ids.iter().all(|end| end.producer >= ProducerId(0)));
    }
}
