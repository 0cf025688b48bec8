//! Appends: admitted before the write, counted after it.
//!
//! The minimum ISR is checked twice, as Kafka does: here before anything is written, and again by
//! the high watermark, which stands still below the minimum (KIP-966).

use trimaran_types::{KafkaError, MonotonicTime, Offset};

use super::{Action, Leader, WaiterId};

/// One append that is in the leader's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Who waits.
    pub waiter: WaiterId,
    /// When it gives up; `None` when it only waits for the leader's own write.
    pub deadline: Option<MonotonicTime>,
    /// Offset of its first record.
    pub base_offset: Offset,
    /// First offset after its last record.
    pub end: Offset,
    /// What it added to the log, in bytes.
    pub bytes: u64,
}

impl Leader {
    /// Whether an append may be written now. `wait_for_isr` is `acks=all`.
    ///
    /// # Errors
    /// `NOT_ENOUGH_REPLICAS`: the committed ISR is below the minimum; nothing may be written.
    pub fn admit(&self, wait_for_isr: bool) -> Result<(), KafkaError> {
        if wait_for_isr && self.is_under_min_isr() {
            return Err(KafkaError::NotEnoughReplicas);
        }
        Ok(())
    }

    /// An admitted append is in the log; appends are told in the order of their offsets, but for
    /// repetitions of earlier ones, which the log did not write again.
    ///
    /// Without a deadline it is acknowledged at once (`acks=1`), else when the high watermark has
    /// passed it. A repetition is no exception: that the leader has the records says nothing about
    /// the others (P-ONCE and P-ACKED together).
    pub fn appended(&mut self, now: MonotonicTime, appended: Appended, actions: &mut Vec<Action>) {
        self.note_level_members(now);
        if appended.end > self.positions.log_end {
            self.positions.log_end = appended.end;
            let bytes_max = self.settings.lag_bytes_max;
            self.backlog.grown(appended.end, appended.bytes, bytes_max);
        }
        match appended.deadline {
            Some(deadline) if appended.end > self.high_watermark => {
                self.waiters.push(&appended, deadline);
            }
            _ => actions.push(Action::Acknowledge {
                waiter: appended.waiter,
                base_offset: appended.base_offset,
            }),
        }
        self.advance_high_watermark(now, actions);
        self.check();
    }

    /// Members of the ISR that hold the whole log lack nothing until now, however long ago they
    /// were last heard: a follower of an idle partition repeats a fetch that need not be counted.
    /// From here on they have the lag time to show that they live.
    pub(super) fn note_level_members(&mut self, now: MonotonicTime) {
        let log_end = self.positions.log_end;
        for (id, follower) in &mut self.followers {
            let in_isr = self.committed.isr.contains(id);
            if in_isr && follower.counted(self.settings.durability) == Some(log_end) {
                follower.was_level(now);
            }
        }
    }
}
