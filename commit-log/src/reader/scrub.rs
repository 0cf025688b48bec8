//! Looking for bit rot: finished segments are read again from the device and verified.
//!
//! Damage is found anyway when somebody reads it; this finds it while the other replicas are still
//! well (Bairavasundaram et al., FAST 2008: most latent errors are in data that nobody reads).
//!
//! A scrub goes from batch to batch by position, believes no index, and judges what lies outside a
//! batch's checksum, offset and epoch, by the batches beside it. It calls nothing good that a reader
//! would refuse: a batch counts once it is joined to what lies behind it.
//!
//! No false alarm: a finished segment is never changed in place. What changes the log (a truncation,
//! a swap, a deletion) raises the generation before it touches a file, and a step looks at the
//! generation before it reads and after. A place in a segment is believed only while the segment is
//! the same, by its number, and nothing was truncated since.

use bytes::Bytes;
use trimaran_types::limits::REPLICA_FETCH_BYTES_MAX;
use trimaran_types::record_batch::{
    BASE_OFFSET_BYTES, BATCH_HEADER_BYTES, BatchHeader, RecordBatch,
};
use trimaran_types::{LeaderEpoch, Offset};

use super::{LogReader, ReadError, find_batch};
use crate::behind::Behind;
use crate::damage::Damage;
use crate::disk::{DiskFile, OpenHow};
use crate::epochs::EpochCache;
use crate::names::SegmentFile;
use crate::open_files::SegmentId;
use crate::segment_scan::{check_epoch, check_order};
use crate::shared::{ReadState, SegmentView};

/// A segment that is not written any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinishedSegment {
    /// Its first offset.
    pub base: Offset,
    /// Its bytes, without indexes.
    pub bytes: u64,
}

/// Where a scrub goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubPlace {
    segment: SegmentId,
    base: Offset,
    truncations: u64,
    /// `None` at the segment's beginning.
    within: Option<Within>,
    /// Of the batches before it.
    latest_epoch: Option<LeaderEpoch>,
}

/// A place between two batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Within {
    position: u64,
    expected: Offset,
}

impl ScrubPlace {
    /// The base of the segment that it lies in.
    #[must_use]
    pub const fn base(&self) -> Offset {
        self.base
    }
}

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scrubbed {
    /// Where the next step starts; `None` behind the last finished segment.
    pub next: Option<ScrubPlace>,
    /// Bytes that were read and are good.
    pub bytes: u64,
    /// The step has verified the last byte of its segment.
    pub is_end_of_segment: bool,
}

/// What a step goes by, as the state under the lock says.
struct Plan {
    generation: u64,
    log_start: Offset,
    view: SegmentView,
    /// Where the next segment begins.
    end: Offset,
    epochs: EpochCache,
    place: ScrubPlace,
}

impl Plan {
    /// `None` when the place is one of a log that has changed.
    fn new(state: &ReadState, place: ScrubPlace) -> Option<Self> {
        let at = state
            .segments
            .iter()
            .position(|view| view.id == place.segment)?;
        let next = state.segments.get(at + 1)?;
        (state.truncations == place.truncations && next.base > state.log_start).then_some(Self {
            generation: state.generation,
            log_start: state.log_start,
            view: state.segments[at],
            end: next.base,
            epochs: state.epochs.clone(),
            place,
        })
    }
}

impl LogReader {
    /// The segments that are not written any more and that hold something at or after the log's
    /// start, in order.
    #[must_use]
    pub fn finished_segments(&self) -> Vec<FinishedSegment> {
        let state = self.shared.read();
        finished(&state)
            .map(|view| FinishedSegment {
                base: view.base,
                bytes: view.bytes,
            })
            .collect()
    }

    /// The bytes of these segments.
    #[must_use]
    pub fn finished_bytes(&self) -> u64 {
        let state = self.shared.read();
        finished(&state).map(|view| view.bytes).sum()
    }

    /// The beginning of the finished segment that holds `from`, or of the first one behind it;
    /// `None` when there is none.
    #[must_use]
    pub fn scrub_place(&self, from: Offset) -> Option<ScrubPlace> {
        let state = self.shared.read();
        let last = finished(&state)
            .take_while(|view| view.base <= from)
            .last()
            .copied();
        // A segment ends where the next begins, or, the last finished one, where the active one does.
        let active = state.segments.last()?.base;
        let view = last.or_else(|| finished(&state).next().copied())?;
        (from < active).then_some(ScrubPlace {
            segment: view.id,
            base: view.base,
            truncations: state.truncations,
            within: None,
            latest_epoch: None,
        })
    }

    /// Verifies the batches of one finished segment from `place` on, about `bytes_max` bytes of them
    /// and at least one batch. A step does not pass the end of a segment. What lies below the log's
    /// start is not looked at.
    ///
    /// The system is asked to forget a segment before its first step and after its last, so that the
    /// device answers and not memory, and memory is left to others. That is a wish: dirty and mapped
    /// pages stay.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] where a batch is damaged, [`ReadError::Io`] where the system cannot read.
    /// A log that is truncated, compacted or shortened meanwhile is none: the step then read nothing,
    /// and the next one starts where the log says. All that holds while the log's owner lives; when it
    /// has ended, another log may have its place, and the caller has to know.
    pub fn scrub(&self, place: ScrubPlace, bytes_max: usize) -> Result<Scrubbed, ReadError> {
        let nothing = |next| Scrubbed {
            next,
            bytes: 0,
            is_end_of_segment: false,
        };
        let Some(plan) = Plan::new(&self.shared.read(), place) else {
            return Ok(nothing(self.scrub_place(place.base)));
        };
        let step = self.verify(&plan, bytes_max.clamp(1, REPLICA_FETCH_BYTES_MAX));
        if self.shared.read().generation != plan.generation {
            return Ok(nothing(Some(place)));
        }
        let (within, latest_epoch, bytes) = step?;
        let is_end_of_segment = within.position >= plan.view.bytes;
        let next = if is_end_of_segment {
            self.scrub_place(plan.end).map(|next| ScrubPlace {
                latest_epoch: latest_epoch.filter(|_| next.truncations == place.truncations),
                ..next
            })
        } else {
            Some(ScrubPlace {
                within: Some(within),
                latest_epoch,
                ..place
            })
        };
        Ok(Scrubbed {
            next,
            bytes,
            is_end_of_segment,
        })
    }

    /// The place behind what is good, the latest epoch there, and how many bytes were verified.
    fn verify(
        &self,
        plan: &Plan,
        bytes_max: usize,
    ) -> Result<(Within, Option<LeaderEpoch>, u64), ReadError> {
        let how = OpenHow::Existing;
        let file = self.shared.file(&plan.view, SegmentFile::Log, how);
        let file = file.map_err(|source| self.io_error(plan, source))?;
        let mut at = match plan.place.within {
            Some(within) => within,
            None => {
                file.forget_cached();
                self.first_in(plan)?
            }
        };
        let mut latest_epoch = plan.place.latest_epoch;
        let bytes = self.batches_at(plan, file.as_ref(), at, bytes_max)?;
        let (began, mut good) = (at.position, 0);
        while at.position < plan.view.bytes && (good < bytes.len() || good == 0) {
            match self.judge(plan, &bytes[good..], at, latest_epoch) {
                Ok((header, epoch)) => {
                    good += header.total_bytes();
                    at.position += header.total_bytes() as u64;
                    at.expected = header.next_offset();
                    latest_epoch = Some(epoch);
                }
                // Cut off by the read, or damaged; the next step will start right there and tell.
                Err(_) if good > 0 => break,
                Err(cause) => return Err(self.corrupt(plan, at, cause)),
            }
        }
        if at.position >= plan.view.bytes {
            if at.expected != plan.end {
                let (expected, found) = (at.expected, plan.end);
                let cause = Damage::SegmentOutOfPlace { expected, found };
                return Err(self.corrupt(plan, at, cause));
            }
            file.forget_cached();
        }
        Ok((at, latest_epoch, at.position - began))
    }

    /// The batch at `at`, with which `bytes` begin, by its checksum and by what lies around it.
    fn judge(
        &self,
        plan: &Plan,
        bytes: &[u8],
        at: Within,
        latest_epoch: Option<LeaderEpoch>,
    ) -> Result<(BatchHeader, LeaderEpoch), Damage> {
        let gaps_allowed = self.shared.gaps_allowed();
        let header = RecordBatch::verify_front(bytes)?;
        let good = check_order(header, at.expected, latest_epoch, gaps_allowed)?;
        check_epoch(&header, &plan.epochs)?;
        let (end, total) = (header.next_offset(), header.total_bytes());
        if end > plan.end {
            let (expected, found) = (end, plan.end);
            return Err(Damage::SegmentOutOfPlace { expected, found });
        }
        let behind = if at.position + total as u64 >= plan.view.bytes {
            Behind::End(plan.end)
        } else {
            Behind::in_bytes(bytes.get(total..).unwrap_or_default())
        };
        behind.joins(end, gaps_allowed)?;
        Ok(good)
    }

    /// The first batch of the segment that is not below the log's start.
    fn first_in(&self, plan: &Plan) -> Result<Within, ReadError> {
        let (mut position, mut expected) = (0, plan.view.base);
        if plan.log_start > plan.view.base
            && let Some(found) = find_batch(&self.shared, plan.log_start)?
            && found.segment.id == plan.view.id
        {
            (position, expected) = (found.placed.position, found.placed.header.base_offset);
        }
        Ok(Within { position, expected })
    }

    /// The segment's bytes from a place on: at least one batch if it is whole, and the first bytes of
    /// what lies behind it.
    fn batches_at(
        &self,
        plan: &Plan,
        file: &dyn DiskFile,
        at: Within,
        bytes_max: usize,
    ) -> Result<Bytes, ReadError> {
        let left = usize::try_from(plan.view.bytes - at.position).unwrap_or(usize::MAX);
        let with_next = |bytes: usize| bytes.saturating_add(BASE_OFFSET_BYTES).min(left);
        let mut bytes = Vec::new();
        let mut read = |want: usize| {
            bytes.clear();
            let read = file.read_at(at.position, want, &mut bytes);
            read.map_err(|source| self.io_error(plan, source))?;
            // The header's claim is bounded by the largest batch that there may be.
            let first = BatchHeader::parse(&bytes).ok().map(|it| it.total_bytes());
            Ok(first.filter(|first| with_next(*first) > bytes.len() && *first <= left))
        };
        if let Some(first) = read(with_next(bytes_max.max(BATCH_HEADER_BYTES)))? {
            read(with_next(first))?;
        }
        Ok(Bytes::from(bytes))
    }

    fn io_error(&self, plan: &Plan, source: std::io::Error) -> ReadError {
        ReadError::Io {
            path: self.shared.path(SegmentFile::Log, plan.view.base),
            source,
        }
    }

    fn corrupt(&self, plan: &Plan, at: Within, cause: Damage) -> ReadError {
        ReadError::Corrupt {
            file: self.shared.path(SegmentFile::Log, plan.view.base),
            position: at.position,
            offset: at.expected,
            cause,
        }
    }
}

fn finished(state: &ReadState) -> impl Iterator<Item = &SegmentView> {
    let log_start = state.log_start;
    state
        .segments
        .windows(2)
        .filter(move |pair| pair[1].base > log_start)
        .map(|pair| &pair[0])
}
