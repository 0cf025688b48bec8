//! [`Behind`]: what lies behind a batch, the witness of the batch's offset.
//!
//! No checksum covers a batch's base offset. A file that loses the bytes from inside one batch's
//! first bytes to the same place in a later batch is left with the later one's records under the
//! earlier one's offset, good by its checksum, and joined to what lies before it. It is never joined
//! to what lies behind: that begins at or beyond the end of the later batch, and the earlier offset
//! plus as many offsets ends below. So in a dense log a batch is believed once it joins what lies
//! behind it, however many bytes were lost at however many places.
//!
//! Where offsets may have gaps, only order and the segment's end can be judged.

use trimaran_types::Offset;
use trimaran_types::record_batch::BatchHeader;

use crate::damage::Damage;

/// What lies behind a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// The next batch of the segment begins with this offset, or ought to; `None` where the bytes end
    /// before they tell.
    Batch(Option<Offset>),
    /// The segment ends, and with this offset: the next one's base, or the log's end.
    End(Offset),
}

impl Behind {
    /// The next batch, by the bytes behind this one.
    pub(crate) fn in_bytes(bytes: &[u8]) -> Self {
        Self::Batch(BatchHeader::base_offset_at_front(bytes))
    }

    /// Checks that a batch that ends before `end` may have this behind it.
    pub(crate) fn joins(self, end: Offset, gaps_allowed: bool) -> Result<(), Damage> {
        let (found, is_joined) = match self {
            Self::Batch(None) => (None, false),
            Self::Batch(Some(next)) => (Some(next), next == end || (gaps_allowed && next > end)),
            // The last batch of every segment reaches the next one, compacted or not.
            Self::End(found) => (Some(found), found == end),
        };
        if is_joined {
            Ok(())
        } else {
            Err(Damage::NotJoined { end, found })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_joins_the_next_offset_and_in_a_log_with_gaps_any_later_one() {
        let next = |offset| Behind::Batch(Some(Offset(offset)));
        let end = |offset| Behind::End(Offset(offset));
        let table = [
            (next(9), [false, false]),
            (next(10), [true, true]),
            (next(11), [false, true]),
            (next(-1), [false, false]),
            (Behind::Batch(None), [false, false]),
            (end(9), [false, false]),
            (end(10), [true, true]),
            (end(11), [false, false]),
        ];
        for (behind, joins) in table {
            for (gaps_allowed, joins) in [false, true].into_iter().zip(joins) {
                let found = behind.joins(Offset(10), gaps_allowed);
                assert_eq!(found.is_ok(), joins, "{behind:?}, gaps: {gaps_allowed}");
            }
        }
    }

    #[test]
    fn the_next_offset_is_read_from_eight_bytes() {
        let bytes = [0, 0, 0, 0, 0, 0, 1, 2, 0xff];
        assert_eq!(Behind::in_bytes(&bytes), Behind::Batch(Some(Offset(258))));
        assert_eq!(
            Behind::in_bytes(&bytes[..8]),
            Behind::Batch(Some(Offset(258)))
        );
        assert_eq!(Behind::in_bytes(&bytes[..7]), Behind::Batch(None));
    }
}
