//! [`Log::retain`]: the log start rises as the settings ask.
//!
//! Touches no file of a segment but to look at it; see [`Log::delete_segments`] for what follows.

use std::io;

use trimaran_types::{Offset, Timestamp};

use super::{DeleteError, Log};
use crate::disk::OpenHow;
use crate::header_hop::HeaderHop;
use crate::index::{TimeEntry, last_in_file};
use crate::names::SegmentFile;
use crate::open_files::SegmentId;
use crate::reader::is_true;
use crate::retention::{RetentionLimits, SegmentFacts, plan};
use crate::shared::SegmentView;

/// What a segment's files say about its age, remembered for the one that is next to go.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownAge {
    id: SegmentId,
    /// It may still be written: what is known holds while it has this size.
    bytes: u64,
    largest_timestamp: Option<Timestamp>,
    written_at: Option<Timestamp>,
}

/// What retention has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained {
    /// Where the log starts now; it must be durable before the segments below are deleted.
    pub log_start: Offset,
    /// Only the segment that is written stays, and its name is not known to be durable; it must be
    /// before, too.
    pub rolled: bool,
}

impl Log {
    /// Raises the log start past the segments that the settings let go, and begins an empty one
    /// where none is left. `None` when no segment may be deleted now.
    ///
    /// `high_watermark` is where committed records end, `now` the wall clock.
    ///
    /// # Errors
    /// The directory has failed, or an empty segment cannot be made now.
    pub fn retain(
        &mut self,
        high_watermark: Offset,
        now: Timestamp,
    ) -> Result<Option<Retained>, DeleteError> {
        self.context().latch.check()?;
        let limits = RetentionLimits {
            log_start: self.log_start,
            high_watermark,
            age_ms_max: self.config.retention_ms.filter(|_| self.config.deletes),
            bytes: self.bytes(),
            bytes_max: self.config.retention_bytes.filter(|_| self.config.deletes),
        };
        let segments = self.shared.read().segments.clone();
        let mut oldest = self.oldest_age;
        let facts = segments.iter().enumerate().map(|(at, segment)| {
            let end = segments.get(at + 1).map_or(self.log_end, |next| next.base);
            self.facts(segment, end, &limits, &mut oldest)
        });
        let planned = plan(facts, &limits, now);
        self.oldest_age = oldest;
        let Some(end) = planned else {
            return Ok(None);
        };
        if end > self.active.base {
            self.roll_empty()
                .map_err(|error| self.delete_error("begin a segment in", &error))?;
        }
        self.raise_log_start(end);
        Ok(Some(Retained {
            log_start: self.log_start,
            // Also where an earlier call has begun it and the caller could not sync it.
            rolled: end >= self.active.base && self.flush.owes_names(),
        }))
    }

    /// Bytes of all segments, without indexes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let state = self.shared.read();
        state.segments.iter().map(|segment| segment.bytes).sum()
    }

    fn facts(
        &self,
        segment: &SegmentView,
        end: Offset,
        limits: &RetentionLimits,
        known: &mut Option<KnownAge>,
    ) -> SegmentFacts {
        let facts = SegmentFacts {
            end,
            bytes: segment.bytes,
            largest_timestamp: None,
            written_at: None,
        };
        let goes_anyway = end <= limits.log_start;
        if goes_anyway || limits.age_ms_max.is_none() || segment.bytes == 0 {
            return facts;
        }
        let age = match *known {
            Some(age) if age.id == segment.id && age.bytes == segment.bytes => age,
            _ => self.age_of(segment),
        };
        *known = Some(age);
        SegmentFacts {
            largest_timestamp: age.largest_timestamp,
            written_at: age.written_at,
            ..facts
        }
    }

    /// Looks into the segment's files. One that cannot be looked into now is kept for now.
    fn age_of(&self, segment: &SegmentView) -> KnownAge {
        let unknown = KnownAge {
            id: segment.id,
            bytes: segment.bytes,
            largest_timestamp: None,
            written_at: None,
        };
        let found = self.largest_timestamp(segment).and_then(|largest| {
            Ok(KnownAge {
                largest_timestamp: largest,
                written_at: self.written_at(segment)?,
                ..unknown
            })
        });
        found.unwrap_or_else(|error| {
            tracing::warn!(dir = %self.dir().display(), base = segment.base.0, %error, "the age of a segment is not known");
            unknown
        })
    }

    fn written_at(&self, segment: &SegmentView) -> io::Result<Option<Timestamp>> {
        let own = (segment.id == self.active.id).then_some(self.active.last_append);
        if let Some(written) = own.flatten() {
            return Ok(Some(written));
        }
        self.shared
            .file(segment, SegmentFile::Log, OpenHow::Existing)?
            .written_at()
    }

    fn largest_timestamp(&self, segment: &SegmentView) -> io::Result<Option<Timestamp>> {
        if segment.id == self.active.id {
            return Ok(self.active.indexer.largest_timestamp());
        }
        let index = self
            .shared
            .file(segment, SegmentFile::TimeIndex, OpenHow::Existing)
            .and_then(|file| last_in_file::<TimeEntry>(file.as_ref()));
        if let Ok(Some(last)) = index
            && is_true(&self.shared, segment, last)
        {
            return Ok(Some(last.timestamp));
        }
        // Without its index, or with one that lies, the segment is walked.
        let file = self
            .shared
            .file(segment, SegmentFile::Log, OpenHow::Existing)?;
        let headers = HeaderHop::new(file.as_ref(), 0, segment.bytes).map_while(Result::ok);
        Ok(headers.map(|placed| placed.header.max_timestamp).max())
    }
}
