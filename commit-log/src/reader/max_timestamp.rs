//! The record with the largest timestamp (`ListOffsets` by `MAX_TIMESTAMP`, KIP-734).
//!
//! What the time indexes say decides which segments are looked into, and where. What they do not speak
//! of is read: batches behind the last entry, a segment whose index is missing or lies, and one whose
//! largest timestamp belongs to a record that is below the log's start or was compacted away.

use std::ops::ControlFlow;

use trimaran_types::record_batch::{BatchHeader, RecordBatch, split};
use trimaran_types::{Offset, Timestamp};

use super::index_claim::{Claim, Waiting};
use super::{LogReader, ReadError, batches};

/// A record, by its timestamp and its offset.
type Found = (Timestamp, Offset);

/// What a search sees of one segment.
struct Part {
    start: Offset,
    end: Offset,
    claim: Option<Claim>,
}

impl Part {
    /// Whether a record in it could be later than `best`, as far as the index tells.
    fn can_beat(&self, best: Option<Found>) -> bool {
        match &self.claim {
            Some(claim) if claim.end >= self.end => beats((claim.timestamp, self.start), best),
            _ => true,
        }
    }
}

impl LogReader {
    /// The first of the records below `before` that have the largest timestamp, with that timestamp.
    /// `before` is where committed records end, or stable ones. `None` when there is no record that has
    /// a timestamp. End-of-transaction markers count, as they do in Kafka.
    ///
    /// Looks at the last entry of each segment's time index and at the header that it names, reads the
    /// one batch with the largest, and of the segment that `before` lies in what stands behind its last
    /// entry. A segment is read whole where its index is missing or lies, or where the record that it
    /// names is gone while the segment could still hold the largest. An index is believed when its last
    /// entry fits its batch. Memory: some words for each segment, one read (256 KiB or one batch), two
    /// batches, and the records of one.
    ///
    /// # Errors
    /// See [`ReadError`]; [`ReadError::Records`] when the batch with the largest timestamp cannot be
    /// opened.
    pub fn offset_of_max_timestamp(
        &self,
        before: Offset,
    ) -> Result<Option<(Timestamp, Offset)>, ReadError> {
        loop {
            let log_start = self.log_start();
            match self.look_for_max(before) {
                // What was looked at was deleted meanwhile.
                Err(ReadError::OutOfRange { .. }) if self.log_start() > log_start => {}
                found => return Ok(found?.filter(|(timestamp, _)| timestamp.0 >= 0)),
            }
        }
    }

    fn look_for_max(&self, before: Offset) -> Result<Option<Found>, ReadError> {
        let (log_start, mut parts) = self.parts(before);
        // The latest first, so that the others need not be read; what is unknown may be the latest.
        parts.sort_by_key(|part| match &part.claim {
            Some(claim) if claim.end >= part.end => (-1, claim.timestamp.0.saturating_neg()),
            _ => (-2, 0),
        });
        let mut best = None;
        for part in &parts {
            if part.can_beat(best) {
                best = self.max_of_part(part, log_start, best)?;
            }
        }
        Ok(best)
    }

    /// The segments with records from the log's start on and below `before`, oldest first.
    fn parts(&self, before: Offset) -> (Offset, Vec<Part>) {
        let (log_start, end, segments, waiting) = {
            let state = self.shared.read();
            let end = before.min(state.log_end);
            let segments = state.segments.clone();
            (state.log_start, end, segments, Waiting::before(&state, end))
        };
        let mut parts = Vec::new();
        for (at, segment) in segments.iter().enumerate() {
            let next = segments.get(at + 1).map(|next| next.base);
            let part_end = next.map_or(end, |next| next.min(end));
            let start = segment.base.max(log_start);
            if start >= part_end {
                continue;
            }
            let claim = match next {
                Some(next) if next <= end => Claim::of_whole(&self.shared, segment, next),
                Some(_) => Claim::of_front(&self.shared, segment, &Waiting::NONE, end),
                None => Claim::of_front(&self.shared, segment, &waiting, end),
            };
            parts.push(Part {
                start,
                end: part_end,
                claim,
            });
        }
        (log_start, parts)
    }

    /// The later of `best` and the first latest record of a part.
    fn max_of_part(
        &self,
        part: &Part,
        log_start: Offset,
        best: Option<Found>,
    ) -> Result<Option<Found>, ReadError> {
        let (mut best, mut from) = (best, part.start);
        if let Some(claim) = &part.claim
            && claim.end > part.start
        {
            if !beats((claim.timestamp, part.start), best) {
                from = claim.end;
            } else if claim.batch_last >= part.start {
                let named = self.max_at(claim.batch_last, part.end, log_start)?;
                // Else the record that the index means is gone, and another one is the latest.
                if named.is_some_and(|(timestamp, _)| timestamp == claim.timestamp) {
                    best = later(best, named);
                    from = claim.end;
                }
            }
        }
        self.max_of_walk((from, part.end), log_start, best)
    }

    /// The first latest record of the batch that holds `offset`.
    fn max_at(
        &self,
        offset: Offset,
        end: Offset,
        log_start: Offset,
    ) -> Result<Option<Found>, ReadError> {
        // Read back verified, so it parses.
        match split(self.read(offset, end, 1)?).next() {
            Some(Ok(batch)) => max_of_batch(&batch, log_start),
            _ => Ok(None),
        }
    }

    /// The same over all batches of a range, of which only the latest is opened, and one that the log
    /// starts in.
    fn max_of_walk(
        &self,
        (from, end): (Offset, Offset),
        log_start: Offset,
        best: Option<Found>,
    ) -> Result<Option<Found>, ReadError> {
        let mut best = best;
        let mut latest: Option<RecordBatch> = None;
        self.walk(from, end, |batch| {
            let header = *batch.header();
            if promised(&header).is_some_and(|promised| beats(promised, best)) {
                if header.base_offset < log_start {
                    best = later(best, max_of_batch(&batch, log_start)?);
                } else if latest
                    .as_ref()
                    .is_none_or(|it| header.max_timestamp > it.header().max_timestamp)
                {
                    latest = Some(batch);
                }
            }
            Ok(ControlFlow::<()>::Continue(()))
        })?;
        let Some(latest) = latest else {
            return Ok(best);
        };
        let found = max_of_batch(&latest, log_start)?;
        if found.is_some_and(|(timestamp, _)| timestamp == latest.header().max_timestamp) {
            return Ok(later(best, found));
        }
        // Its header promises more than it holds: no header here can be relied on.
        self.walk(from, end, |batch| {
            if promised(batch.header()).is_some_and(|promised| beats(promised, best)) {
                best = later(best, max_of_batch(&batch, log_start)?);
            }
            Ok(ControlFlow::<()>::Continue(()))
        })?;
        Ok(best)
    }
}

/// What a batch may hold at best; `None` of one that compaction has emptied, whose header keeps the
/// timestamp of what is gone.
fn promised(header: &BatchHeader) -> Option<Found> {
    (header.record_count > 0).then_some((header.max_timestamp, header.base_offset))
}

/// Whether one record comes before `best` in the answer: it is later, or as late and further ahead.
fn beats((timestamp, offset): Found, best: Option<Found>) -> bool {
    best.is_none_or(|best| (timestamp, best.1) > (best.0, offset))
}

fn later(best: Option<Found>, other: Option<Found>) -> Option<Found> {
    match other {
        Some(other) if beats(other, best) => Some(other),
        _ => best,
    }
}

fn max_of_batch(batch: &RecordBatch, log_start: Offset) -> Result<Option<Found>, ReadError> {
    let mut best = None;
    for record in batches::open(batch)?.views() {
        let record = record.map_err(|error| batches::unreadable(batch, error))?;
        if record.offset >= log_start {
            best = later(best, Some((record.timestamp, record.offset)));
        }
    }
    Ok(best)
}
