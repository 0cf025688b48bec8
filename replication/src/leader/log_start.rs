//! Where the logs of the partition begin: retention and the deletion of records (KIP-107).

use trimaran_types::Offset;

use super::Leader;

impl Leader {
    /// The own log begins later now, at most at the high watermark: what is not committed is never
    /// deleted.
    pub fn log_start_raised(&mut self, log_start: Offset) {
        let positions = &mut self.positions;
        positions.log_start = positions.log_start.max(log_start.min(self.high_watermark));
        positions.flushed_end = positions.flushed_end.max(positions.log_start);
        self.check();
    }

    /// The least first offset of all in-sync replicas, one that is about to join included: whoever
    /// leads next keeps nothing below it. `None` while one of them has not told.
    #[must_use]
    pub fn least_log_start(&self) -> Option<Offset> {
        self.followers
            .iter()
            .filter(|(id, _)| self.is_in_maximal_isr(**id))
            .map(|(_, follower)| follower.log_start())
            .try_fold(self.positions.log_start, |least, log_start| {
                Some(least.min(log_start?))
            })
    }
}
