//! [`Tour`]: once through all finished segments of one log, from a drawn one to the end and on from
//! the log's start.

use trimaran_commit_log::{LogReader, ScrubPlace};
use trimaran_types::{Offset, TopicIdPartition};

/// Where a look through one log stands. Holds no file and no replica, since it may wait for hours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tour {
    id: TopicIdPartition,
    /// Base of the segment that was first.
    began_at: Offset,
    /// It has begun again at the log's start.
    is_second_part: bool,
    place: ScrubPlace,
}

impl Tour {
    /// Begins at the segment that `draw` picks; `None` when none is finished.
    pub(super) fn begin(id: TopicIdPartition, reader: &LogReader, draw: u64) -> Option<Self> {
        let segments = reader.finished_segments();
        let number = draw.checked_rem(segments.len() as u64)?;
        let began_at = segments.get(usize::try_from(number).ok()?)?.base;
        Some(Self {
            id,
            began_at,
            is_second_part: false,
            place: reader.scrub_place(began_at)?,
        })
    }

    pub(super) const fn id(&self) -> TopicIdPartition {
        self.id
    }

    pub(super) const fn place(&self) -> ScrubPlace {
        self.place
    }

    /// The tour after a step that ended at `next`; `None` when it is complete.
    pub(super) fn after(self, next: Option<ScrubPlace>, reader: &LogReader) -> Option<Self> {
        let mut tour = self;
        let next = match next {
            Some(next) => next,
            None if tour.is_second_part => return None,
            None => {
                tour.is_second_part = true;
                reader.scrub_place(reader.log_start())?
            }
        };
        tour.place = next;
        (!tour.is_second_part || next.base() < tour.began_at).then_some(tour)
    }
}
