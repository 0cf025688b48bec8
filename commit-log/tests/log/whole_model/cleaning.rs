//! [`Cleaning`]: what a pass of the cleaner may take, and what it must. A second reading of the rules.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use super::model::{Batch, Record};
use super::operation::DELETE_RETENTION_MS;

/// A pass, finished or stopped.
#[derive(Debug)]
pub(super) struct Cleaning {
    /// What lies below, in the batch that holds it, is not looked at.
    pub(super) log_start: i64,
    /// It has looked at nothing from here on.
    pub(super) before: i64,
    /// A finished one has left no key twice below.
    pub(super) clean_end: Option<i64>,
    pub(super) now: i64,
}

/// The last offset of each key that the pass may have seen.
type Last<'a> = HashMap<&'a Bytes, i64>;

fn records(batches: &[Batch]) -> impl Iterator<Item = &Record> {
    batches.iter().flat_map(|batch| &batch.records)
}

/// What a consumer that reads all of it has of each key.
fn values(batches: &[Batch]) -> BTreeMap<&Bytes, (i64, &Bytes)> {
    let mut values = BTreeMap::new();
    for record in records(batches) {
        match &record.value {
            Some(value) => values.insert(&record.key, (record.offset, value)),
            None => values.remove(&record.key),
        };
    }
    values
}

impl Cleaning {
    /// Checks what it has left of what was there.
    pub(super) fn check(&self, was: &[Batch], left: &[Batch]) {
        let seen = records(was).filter(|record| record.offset < self.before);
        let last: Last<'_> = seen.map(|record| (&record.key, record.offset)).collect();
        let mut by_base: BTreeMap<i64, &Batch> = left.iter().map(|it| (it.base, it)).collect();
        for batch in was {
            self.check_batch(batch, by_base.remove(&batch.base), &last);
        }
        let new: Vec<&i64> = by_base.keys().collect();
        assert!(new.is_empty(), "batches that nobody wrote: {new:?}");
        assert_eq!(values(was), values(left), "the last value of each key");
        self.check_places(was, left);
        if let Some(end) = self.clean_end {
            self.check_finished(left, end);
        }
    }

    fn may_go(&self, record: &Record, batch: &Batch, last: &Last<'_>) -> bool {
        let is_superseded = last
            .get(&record.key)
            .is_some_and(|last| *last > record.offset);
        let is_past_horizon = batch.horizon.is_some_and(|horizon| horizon <= self.now);
        record.offset < self.before
            && (is_superseded || (record.value.is_none() && is_past_horizon))
    }

    fn check_batch(&self, was: &Batch, left: Option<&Batch>, last: &Last<'_>) {
        let stays: BTreeSet<i64> = left
            .iter()
            .flat_map(|batch| &batch.records)
            .map(|record| record.offset)
            .collect();
        let (kept, gone): (Vec<&Record>, Vec<&Record>) = was
            .records
            .iter()
            .partition(|record| stays.contains(&record.offset));
        for record in gone {
            let may_go = self.may_go(record, was, last);
            assert!(may_go, "{} is gone without a reason", record.offset);
        }
        let Some(left) = left else { return };
        let found: Vec<&Record> = left.records.iter().collect();
        assert_eq!(found, kept, "records of the batch at {}", was.base);
        assert_eq!(
            (left.last, left.epoch, left.producer),
            (was.last, was.epoch, was.producer),
            "the place of the batch at {}",
            was.base
        );
        if left.records.is_empty() {
            return;
        }
        assert_eq!(left.codec, was.codec);
        if left.has_tombstone() && left.horizon != was.horizon {
            assert_eq!(was.horizon, None, "a horizon is set once");
            let horizon = Some(self.now + DELETE_RETENTION_MS);
            assert_eq!(left.horizon, horizon);
            assert!(was.last < self.before);
        } else if left.records == was.records {
            assert_eq!(left.bytes, was.bytes, "the batch at {}", was.base);
        }
    }

    /// The batches that stay for their place: the last one, the first of each epoch, and the last of
    /// each producer, of all and of what the pass has looked at.
    fn check_places(&self, was: &[Batch], left: &[Batch]) {
        let mut places = BTreeSet::new();
        places.extend(was.last().map(|batch| batch.base));
        for pair in was.windows(2).filter(|pair| pair[0].epoch != pair[1].epoch) {
            places.insert(pair[1].base);
        }
        let mut ends = HashMap::new();
        for batch in was {
            if let Some((producer, _)) = batch.producer {
                ends.insert((producer, batch.last < self.before), batch.base);
                // What lies below the end counts for both.
                ends.entry((producer, false))
                    .and_modify(|base| *base = batch.base)
                    .or_insert(batch.base);
            }
        }
        places.extend(ends.into_values());
        for base in places {
            let stays = left.iter().any(|batch| batch.base == base);
            assert!(stays, "the batch at {base} has lost its place");
        }
    }

    fn check_finished(&self, left: &[Batch], end: i64) {
        let mut seen = BTreeSet::new();
        let looked_at = self.log_start..end;
        for record in records(left).filter(|record| looked_at.contains(&record.offset)) {
            let is_only = seen.insert(&record.key);
            assert!(is_only, "{} has an older twin", record.offset);
        }
        for batch in left.iter().filter(|batch| batch.last < end) {
            let is_stamped = batch.horizon.is_some() || !batch.has_tombstone();
            assert!(is_stamped, "tombstones at {} stay for ever", batch.base);
            let horizon = batch.horizon.filter(|_| batch.has_tombstone());
            let is_due = horizon.is_some_and(|horizon| horizon <= self.now);
            assert!(!is_due, "tombstones at {} are past their time", batch.base);
        }
    }
}
