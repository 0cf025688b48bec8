//! [`PauseNotes`]: what was said of a follower that stands still.
//!
//! A follower asks again for as long as it takes, so a cause that lasts would fill the log of the
//! process, and one that is said only in passing would never be found there.

use trimaran_types::{LeaderEpoch, Offset};

/// The last cause that was told, and where the replica stood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PauseNotes {
    told: Option<(Option<LeaderEpoch>, Offset, String)>,
}

impl PauseNotes {
    /// Whether nobody was told yet that a replica with this end stands still for this cause.
    pub(super) fn is_news(
        &mut self,
        leader_epoch: Option<LeaderEpoch>,
        log_end: Offset,
        cause: &str,
    ) -> bool {
        let is_known = self.told.as_ref().is_some_and(|(epoch, end, told)| {
            (*epoch, *end, told.as_str()) == (leader_epoch, log_end, cause)
        });
        if !is_known {
            self.told = Some((leader_epoch, log_end, cause.to_owned()));
        }
        !is_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once_until_something_moves() {
        let mut notes = PauseNotes::default();
        let (one, two) = (Some(LeaderEpoch(1)), Some(LeaderEpoch(2)));
        let table = [
            (one, 5, "a", true),
            (one, 5, "a", false),
            (one, 5, "b", true),
            (one, 6, "b", true),
            (two, 6, "b", true),
            (two, 6, "b", false),
            (None, 6, "b", true),
        ];
        for (number, (epoch, end, cause, is_news)) in table.into_iter().enumerate() {
            assert_eq!(
                notes.is_news(epoch, Offset(end), cause),
                is_news,
                "{number}"
            );
        }
    }
}
