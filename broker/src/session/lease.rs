//! [`Lease`]: until when nobody may show more than this broker's leaders know.
//!
//! A broker that was paused, or cut off, leads on in its own eyes, and its high watermark may lie
//! behind what a later leader has shown. The lease rules that out without a question:
//! - a later leader shows more only when every member of its ISR has it, so while this broker is in
//!   the ISR, it must have fetched from that leader, and so knows of it;
//! - the controllers take a silent broker out of an ISR no sooner than a session after its last
//!   heartbeat, or after the election of a controller that never heard one;
//! - what they did before the heartbeat, this broker's image shows, or the lease does not hold yet;
//! - a leader takes a member out that does not fetch, no sooner than the lag time after it began.
//!
//! Time is counted from before the heartbeat was sent, on a clock that runs on while the process is
//! stopped, so a pause can only use the lease up.

use std::time::Duration;

use tokio::time::Instant;
use trimaran_api::controller::SessionLease;
use trimaran_types::MetadataOffset;

/// Of the time that the controllers give, one part in so many is left to clocks that differ.
const CLOCK_SHARE: u32 = 10;

/// What the last heartbeat gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    end: Instant,
    metadata_end: MetadataOffset,
}

impl Lease {
    /// From a heartbeat that was sent at `sent`; no leader takes a silent member out of an ISR before
    /// `lag_time_max`.
    #[must_use]
    pub fn new(sent: Instant, given: SessionLease, lag_time_max: Duration) -> Self {
        let length = Duration::from_millis(given.session_ms).min(lag_time_max);
        let length = length - length / CLOCK_SHARE;
        let length = length.saturating_sub(Duration::from_millis(given.quorum_age_ms));
        Self {
            end: sent + length,
            metadata_end: given.metadata_end,
        }
    }

    /// Whether it holds at `now` for who has applied all metadata before `applied_end`.
    #[must_use]
    pub fn holds(&self, now: Instant, applied_end: MetadataOffset) -> bool {
        now < self.end && applied_end >= self.metadata_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_counts_from_the_sending_less_what_the_quorum_is_behind() {
        let sent = Instant::now();
        let given = SessionLease {
            session_ms: 1_500,
            quorum_age_ms: 350,
            metadata_end: MetadataOffset(7),
        };
        let lease = Lease::new(sent, given, Duration::from_secs(10));
        let at = |ms| sent + Duration::from_millis(ms);
        assert!(lease.holds(at(999), MetadataOffset(7)));
        assert!(
            !lease.holds(at(1_000), MetadataOffset(7)),
            "its time is over"
        );
        assert!(
            !lease.holds(at(0), MetadataOffset(6)),
            "the image is behind"
        );
        let lagging = Lease::new(sent, given, Duration::from_millis(500));
        assert!(lagging.holds(at(99), MetadataOffset(8)));
        assert!(!lagging.holds(at(100), MetadataOffset(8)));
        let old = SessionLease {
            quorum_age_ms: 9_000,
            ..given
        };
        assert!(!Lease::new(sent, old, Duration::from_secs(10)).holds(sent, MetadataOffset(7)));
    }
}
