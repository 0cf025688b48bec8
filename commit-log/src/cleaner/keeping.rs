//! What of a batch stays: the rules, for one batch after the other.
//!
//! A record stays if the pass has not looked that far, or if it is the last of its key; a tombstone
//! only until the delete horizon of its batch, which the first pass that keeps it sets. Records of
//! aborted transactions go at once; markers go like tombstones once nothing of their transaction is
//! left. Records without a key have no place in a compacted log and go, as in Kafka.

use std::collections::HashSet;

use trimaran_types::record_batch::{BatchHeader, FilteredBatch, RecordBatch, RecordView};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use super::error::RecordsError;
use super::inputs::CleanInputs;
use super::offset_map::OffsetMap;
use super::recode;
use super::transactions::Transactions;

#[cfg(test)]
mod keeping_test;

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It stays as it is.
    Whole,
    /// This stays of it.
    Part(RecordBatch),
    /// Nothing.
    Nothing,
}

/// What was counted on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub records: u64,
    pub dropped: u64,
    pub without_key: u64,
}

/// The rules of one pass, and what they remember from batch to batch.
#[derive(Debug)]
pub(super) struct Keeping<'a> {
    pub map: &'a OffsetMap,
    /// The map knows every key below it.
    pub map_end: Offset,
    pub inputs: &'a CleanInputs,
    pub now: Timestamp,
    pub delete_retention_ms: u64,
    pub transactions: Transactions,
    pub latest_epoch: Option<LeaderEpoch>,
    pub counted: Counted,
    /// Where markers went, in the group that is being copied.
    pub markers_gone: HashSet<Offset>,
}

impl Keeping<'_> {
    /// Judges the next batch of the log. `is_last` says that its segment's copy ends with it.
    pub(super) fn judge(
        &mut self,
        batch: &RecordBatch,
        is_last: bool,
    ) -> Result<Kept, RecordsError> {
        let header = batch.header();
        let begins_epoch = self.latest_epoch != header.leader_epoch;
        self.latest_epoch = header.leader_epoch;
        let is_lone_marker = self.transactions.is_lone_marker(header);
        let keeps_place = is_last || begins_epoch || self.inputs.is_producers_last(header);
        let expired = self.is_past_horizon(header);
        let goes = self.inputs.is_aborted(header) || (is_lone_marker && expired);
        self.counted.records += u64::from(header.record_count);
        if goes {
            if header.attributes.is_control() {
                self.markers_gone.insert(header.base_offset);
            }
            self.counted.dropped += u64::from(header.record_count);
            return Ok(emptied(header, keeps_place));
        }
        if header.record_count == 0 {
            return Ok(if keeps_place {
                Kept::Whole
            } else {
                Kept::Nothing
            });
        }
        let plain = recode::plain(batch)?;
        let mut stay = Vec::new();
        let mut has_tombstone = false;
        for record in plain.views() {
            let record = record?;
            if header.attributes.is_control() || self.stays(&record, expired) {
                // One that the pass has not looked at yet may delete records that its next part
                // must still drop: its time begins with the pass that does. So does that of the
                // others in its batch, which has one horizon for all.
                has_tombstone |= record.value.is_none() && header.next_offset() <= self.map_end;
                stay.push(record);
            }
        }
        self.counted.dropped += u64::from(header.record_count) - stay.len() as u64;
        if stay.is_empty() {
            return Ok(emptied(header, keeps_place));
        }
        let is_stamped = header.attributes.has_delete_horizon();
        let needs_stamp = !is_stamped && (has_tombstone || is_lone_marker);
        if needs_stamp {
            let stamped = FilteredBatch::of(header).delete_horizon(self.horizon());
            match rebuilt(batch, stamped, &stay) {
                // The horizon makes the records' times longer. Without it, tombstones stay.
                Err(RecordsError::TooLarge(_)) => {}
                stamped => return stamped.map(Kept::Part),
            }
        }
        if stay.len() == header.record_count as usize {
            return Ok(Kept::Whole);
        }
        rebuilt(batch, FilteredBatch::of(header), &stay).map(Kept::Part)
    }

    fn stays(&mut self, record: &RecordView<'_>, expired: bool) -> bool {
        if record.offset >= self.map_end {
            return true;
        }
        let Some(key) = record.key else {
            self.counted.without_key += 1;
            return false;
        };
        let is_last = self.map.get(key).is_none_or(|last| record.offset >= last);
        is_last && (record.value.is_some() || !expired)
    }

    fn horizon(&self) -> Timestamp {
        let retention_ms = i64::try_from(self.delete_retention_ms).unwrap_or(i64::MAX);
        Timestamp(self.now.0.saturating_add(retention_ms))
    }

    fn is_past_horizon(&self, header: &BatchHeader) -> bool {
        header.attributes.has_delete_horizon() && header.base_timestamp <= self.now
    }
}

fn rebuilt(
    source: &RecordBatch,
    mut kept: FilteredBatch,
    stay: &[RecordView<'_>],
) -> Result<RecordBatch, RecordsError> {
    stay.iter().for_each(|record| kept.push(record));
    recode::rebuild(source, kept)
}

/// A batch without its records, if its place must be kept.
fn emptied(header: &BatchHeader, keeps_place: bool) -> Kept {
    if !keeps_place {
        return Kept::Nothing;
    }
    if header.record_count == 0 {
        return Kept::Whole;
    }
    // 61 bytes always fit a batch.
    FilteredBatch::of(header)
        .build()
        .map_or(Kept::Whole, Kept::Part)
}
