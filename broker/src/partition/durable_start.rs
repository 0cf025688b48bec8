//! [`DurableStart`]: the log start that a follower tells its leader, which is the one on its disk.
//!
//! A deletion of records is answered when every in-sync replica has told the leader the new start. One
//! that told it before its disk has it could lose power, come back with the old start, and be elected:
//! the records would be there again. So a start that rises is written at once, and the old one is told
//! until that is done. Whether the next fetch waits for it is a matter of time alone: a fetcher that got
//! records goes on, since the leader will answer soon again and hears of the new start then; one that got
//! none waits, since the leader may hold its next fetch for long, and a deletion with it. A write that is
//! refused holds up nobody, and is tried again later.

use tokio::sync::oneshot;
use trimaran_types::{MonotonicTime, Offset};

use super::log_start_writer::LogStartWriter;
use super::owner::Owner;
use super::role::Role;

/// How long after a write that was refused it is not tried again, in milliseconds.
const RETRY_AFTER_MS: u64 = 5_000;

/// What is known of the log start on the disk.
#[derive(Debug)]
pub(super) struct DurableStart {
    writer: LogStartWriter,
    /// The start on the disk is this one or a later one.
    at: Offset,
    writing: Option<Writing>,
    not_before: Option<MonotonicTime>,
}

/// A write in flight.
#[derive(Debug)]
struct Writing {
    up_to: Offset,
    done: oneshot::Receiver<bool>,
}

/// A write that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StartWritten {
    up_to: Offset,
    is_written: bool,
}

impl DurableStart {
    /// Of a log that was opened with the start `at`.
    pub(super) const fn new(writer: LogStartWriter, at: Offset) -> Self {
        Self {
            writer,
            at,
            writing: None,
            not_before: None,
        }
    }

    /// Resolves when the write in flight has ended; never, when there is none.
    pub(super) async fn written(&mut self) -> StartWritten {
        let Some(current) = &mut self.writing else {
            return std::future::pending().await;
        };
        let is_written = (&mut current.done).await.unwrap_or(false);
        let up_to = current.up_to;
        self.writing = None;
        StartWritten { up_to, is_written }
    }

    pub(super) const fn is_being_written(&self) -> bool {
        self.writing.is_some()
    }

    /// What may be told of a log that starts at `log_start`.
    pub(super) fn bound(&self, log_start: Offset) -> Offset {
        self.at.min(log_start)
    }

    /// The log was cut, and starts at `log_start` now; what is being written was said before.
    pub(super) fn cut(&mut self, log_start: Offset) {
        self.writing = None;
        self.at = self.at.min(log_start);
    }

    /// Nothing is known any more.
    pub(super) fn forget(&mut self) {
        self.cut(Offset::ZERO);
    }
}

impl Owner {
    /// Has a follower's start written, if the disk has an earlier one.
    pub(super) fn keep_start_durable(&mut self) {
        let (log_start, now) = (self.log.log_start(), self.clock.now());
        let durable = &mut self.durable_start;
        let is_due = log_start > durable.at
            && durable.writing.is_none()
            && durable
                .not_before
                .is_none_or(|not_before| not_before <= now);
        if is_due && matches!(self.role, Role::Follower(_)) {
            durable.writing = Some(Writing {
                up_to: log_start,
                done: durable.writer.write(),
            });
        }
    }

    pub(super) fn start_written(&mut self, written: StartWritten) {
        let now = self.clock.now();
        let durable = &mut self.durable_start;
        if written.is_written {
            durable.at = durable.at.max(written.up_to);
            durable.not_before = None;
        } else {
            durable.not_before = Some(now.plus_ms(RETRY_AFTER_MS));
        }
        self.keep_start_durable();
        self.reply_to_synced();
    }
}
