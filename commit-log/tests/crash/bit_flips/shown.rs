//! [`Shown`]: all that a log shows to whoever opens it, and how it may differ from the truth when a
//! bit was flipped.

use std::collections::BTreeMap;

use trimaran_commit_log::{
    AbortedTransaction, EpochStart, Log, LogDir, OpenError, ProducerEnd, ReadError,
};
use trimaran_types::record_batch::{RecordBatch, split};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use super::scene::{Scene, time};

/// What became of one flipped bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All is as it was, or was made anew.
    Exact,
    /// Something is not given, and an error says why.
    Named,
}

/// What may be wrong all the same, since nothing on the disk contradicts it (`docs/invariants.md`).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unproven {
    /// Leader epochs of batches.
    pub(super) epochs: bool,
    /// Offsets of batches.
    pub(super) offsets: bool,
}

/// An answer, or `None` where an error has named the damage.
type Told<T> = Option<T>;

/// What a log shows.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) start: Offset,
    pub(super) end: Offset,
    /// Leader epochs, and where they begin.
    epochs: Vec<EpochStart>,
    /// Whole batches, by their base offset.
    pub(super) batches: BTreeMap<Offset, RecordBatch>,
    /// Reads that have named damage.
    unread: usize,
    pub(super) producers: Vec<ProducerEnd>,
    unstable: Option<Offset>,
    /// By range of offsets.
    pub(super) aborted: Vec<Told<Vec<AbortedTransaction>>>,
    by_time: Vec<Told<Option<(Timestamp, Offset)>>>,
    /// Below some offsets, and below the end.
    latest: Vec<Told<Option<(Timestamp, Offset)>>>,
    high_watermark: Option<Offset>,
    cleaned_end: Option<Offset>,
}

fn told<T>(result: Result<T, ReadError>, name: &str) -> Told<T> {
    match result {
        Ok(answer) => Some(answer),
        Err(ReadError::Corrupt { .. }) => None,
        Err(other) => panic!("{name}: {other:?}"),
    }
}

/// Opens a log and reads everything; `None` when it is not opened because of its damage.
///
/// Nothing is asked for from `before` on: where offsets are not proven, the log may end far away.
pub(super) fn look(
    scene: &Scene,
    dir: &LogDir,
    (number, before): (usize, Offset),
    name: &str,
) -> Option<Shown> {
    match scene.open(dir, number) {
        Ok(mut log) => {
            let partition = crate::promises::partition(number);
            let mut shown = read(&mut log, before, name);
            shown.high_watermark = dir.high_watermark(&partition);
            shown.cleaned_end = dir.context().cleaner_offsets.get(&partition);
            Some(shown)
        }
        Err(
            OpenError::Corrupt { .. }
            | OpenError::Missing { .. }
            | OpenError::OtherTopic { .. }
            | OpenError::TopicIdMissing { .. },
        ) => None,
        Err(other) => panic!("{name}: {other:?}"),
    }
}

fn read(log: &mut Log, before: Offset, name: &str) -> Shown {
    let reader = log.reader();
    let (start, end) = (reader.log_start(), log.log_end());
    let asked_before = end.min(before);
    let (batches, unread) = read_batches(log, asked_before, name);
    let producers = log.producer_ends();
    log.high_watermark_passed(end);
    let (third, half) = (Offset(end.0 / 3), Offset(end.0 / 2));
    let ranges = [(Offset::ZERO, end), (third, half), (half, end)];
    let aborted = |(from, before)| told(reader.aborted_transactions(from, before), name);
    let latest = |before| told(reader.offset_of_max_timestamp(Offset(before)), name);
    let by_time = |offset| told(reader.offset_for_timestamp(time(offset), end), name);
    Shown {
        start,
        end,
        epochs: log.epochs().entries().to_vec(),
        batches,
        unread,
        producers,
        unstable: log.first_unstable_offset(),
        aborted: ranges.into_iter().map(aborted).collect(),
        by_time: (start.0..asked_before.0).step_by(13).map(by_time).collect(),
        latest: (start.0..asked_before.0)
            .step_by(11)
            .chain([asked_before.0])
            .map(latest)
            .collect(),
        high_watermark: None,
        cleaned_end: None,
    }
}

fn read_batches(log: &Log, before: Offset, name: &str) -> (BTreeMap<Offset, RecordBatch>, usize) {
    let reader = log.reader();
    let (mut batches, mut unread) = (BTreeMap::new(), 0);
    let mut from = reader.log_start();
    while from < before {
        let Some(bytes) = told(reader.read(from, Offset(i64::MAX), 700), name) else {
            unread += 1;
            from = from.next();
            continue;
        };
        assert!(!bytes.is_empty(), "{name}: nothing at {from}");
        for batch in split(bytes) {
            let batch = batch.unwrap();
            from = batch.header().next_offset();
            batches.insert(batch.header().base_offset, batch);
        }
    }
    (batches, unread)
}

/// Bit for bit, but for what is not proven.
fn is_same(a: &RecordBatch, b: &RecordBatch, unproven: Unproven) -> bool {
    let (a, b) = (a.bytes(), b.bytes());
    a.len() == b.len()
        && (unproven.offsets || a[..8] == b[..8])
        && a[8..12] == b[8..12]
        && (unproven.epochs || a[12..16] == b[12..16])
        && a[16..] == b[16..]
}

impl Shown {
    /// Whether two lists of aborted transactions hide the same records. Where compaction has left
    /// nothing of a transaction, its entry hides nothing.
    fn hides(&self, aborted: &[AbortedTransaction]) -> Vec<Offset> {
        let is_hidden = |(base, batch): (&Offset, &RecordBatch)| {
            let header = batch.header();
            let attributes = header.attributes;
            let counts = attributes.is_transactional() && !attributes.is_control();
            let id = header.producer.filter(|_| counts)?.id;
            let mut of_producer = aborted.iter().filter(|it| it.producer == id);
            of_producer
                .any(|it| it.first <= *base && *base <= it.last)
                .then_some(*base)
        };
        self.batches.iter().filter_map(is_hidden).collect()
    }

    /// The leader epoch of an offset.
    fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let begun = self.epochs.iter().take_while(|it| it.start <= offset);
        Some(begun.last()?.epoch)
    }

    /// Compares what is shown with the truth.
    ///
    /// # Panics
    /// Something is shown that is not true.
    pub(super) fn judge(&self, shown: &Self, scene: &Scene, is: Unproven, name: &str) -> Outcome {
        assert!(
            is.offsets || shown.end == self.end,
            "{name}: {:?}",
            shown.end
        );
        let is_file = |file: &str| name.contains(file);
        // A damaged checkpoint of starts may show what was deleted and has its file still; it may
        // hide nothing.
        let shows_more = shown.start == Offset::ZERO && is_file("log-start-offset-checkpoint");
        let is_start = shown.start == self.start;
        assert!(is_start || shows_more, "{name}: {:?}", shown.start);
        for (base, batch) in &shown.batches {
            let mut candidates: Vec<_> = self.batches.get(base).into_iter().collect();
            if is.offsets {
                candidates.extend(self.batches.values());
            }
            let is_true = candidates.iter().any(|it| is_same(it, batch, is));
            assert!(is_true, "{name}: another batch at {base}: {batch:?}");
        }
        if is.offsets {
            return Outcome::Named;
        }
        self.judge_facts(shown, name);
        for offset in (self.start.0..self.end.0).map(Offset) {
            let (truth, shown) = (self.epoch_of(offset), shown.epoch_of(offset));
            assert!(is.epochs || shown == truth, "{name}: {shown:?} at {offset}");
        }
        let mut outcome = Outcome::Exact;
        let missing = self
            .batches
            .iter()
            .filter(|(_, batch)| batch.header().next_offset() > self.start)
            .filter(|(base, _)| !shown.batches.contains_key(base));
        if missing.count() > 0 || shown.unread > 0 {
            assert!(shown.unread > 0, "{name}: batches are gone without a word");
            outcome = Outcome::Named;
        }
        for (truth, shown) in self.aborted.iter().zip(&shown.aborted) {
            match (truth.as_ref().unwrap(), shown) {
                (_, None) => outcome = Outcome::Named,
                (truth, Some(shown)) if scene.has_gaps => {
                    assert_eq!(self.hides(shown), self.hides(truth), "{name}: aborted");
                }
                (truth, Some(shown)) => assert_eq!(shown, truth, "{name}: aborted"),
            }
        }
        if is_start {
            let answers = self.by_time.iter().chain(&self.latest);
            for (truth, shown) in answers.zip(shown.by_time.iter().chain(&shown.latest)) {
                match shown {
                    None => outcome = Outcome::Named,
                    Some(_) => assert_eq!(shown, truth, "{name}: by time"),
                }
            }
        }
        outcome
    }

    fn judge_facts(&self, shown: &Self, name: &str) {
        assert_eq!(shown.producers, self.producers, "{name}: producers");
        assert_eq!(shown.unstable, self.unstable, "{name}: unstable");
        for (truth, shown) in [
            (self.high_watermark, shown.high_watermark),
            (self.cleaned_end, shown.cleaned_end),
        ] {
            assert!(shown.is_none() || shown == truth, "{name}: {shown:?}");
        }
    }
}
