//! The leader's answers, at the follower: append, cut, go on.

use bytes::Bytes;
use trimaran_api::replica::FetchPartitionResult;
use trimaran_commit_log::{AppendError, ReadError, TruncateError, is_exhausted};
use trimaran_replication::follower::{
    Action, FetchPosition, FetchedRecords, Follower, LeaderAnswer, LeaderBounds,
};
use trimaran_types::record_batch::BatchHeader;
use trimaran_types::{KafkaError, LeaderEpoch, Offset};

use super::Clock;
use super::event::{Fetched, FollowerNext};
use super::owner::Owner;
use super::role::Role;

impl Owner {
    /// Takes in an answer, and tells the fetcher how to go on once the records are synced.
    pub(super) fn fetched(&mut self, fetched: Fetched) {
        let Fetched {
            asked,
            result,
            reply,
        } = fetched;
        let actions = match (&mut self.role, leader_answer(&result)) {
            (Role::Follower(follower), Some(answer)) => {
                let log = &self.log;
                follower.fetched(&asked, &answer, |epoch| log.end_offset_for_epoch(epoch))
            }
            (Role::Follower(_), None) => {
                self.tell_standstill("the leader sent bytes that are no batches");
                let _ = reply.send(self.follower_next(true));
                return;
            }
            _ => {
                let _ = reply.send(FollowerNext::NOTHING);
                return;
            }
        };
        let mut pause = false;
        for action in actions {
            match self.follow(action, &result.records) {
                Ok(pauses) => pause |= pauses,
                Err(Halt::Pause(cause)) => {
                    self.tell_standstill(&cause);
                    pause = true;
                    break;
                }
                Err(Halt::Failed(cause)) => {
                    self.fail(&cause);
                    break;
                }
            }
        }
        self.publish();
        self.flush_if_due();
        self.keep_start_durable();
        // With records the next answer comes soon, and what is written meanwhile is told with the fetch
        // behind it. Without, the leader may hold the next fetch for long.
        self.reply_when_synced(reply, pause, result.records.is_empty());
    }

    /// What the fetcher asks next.
    pub(super) fn follower_next(&self, pause: bool) -> FollowerNext {
        match &self.role {
            Role::Follower(follower) => FollowerNext {
                position: follower.next_fetch().map(|next| FetchPosition {
                    log_start: self.durable_start.bound(next.log_start),
                    ..next
                }),
                pause,
            },
            _ => FollowerNext::NOTHING,
        }
    }

    fn follow(&mut self, action: Action, records: &Bytes) -> Result<bool, Halt> {
        match action {
            Action::Append => {
                if !self.may_have_room(records.len() as u64) {
                    return Err(Halt::Pause("the disk is full".to_owned()));
                }
                if self.log.log_start() == self.log.log_end() {
                    // The first batch may hold the start, and then the log is begun anew for it.
                    self.durable_start.forget();
                }
                let appended = self.log.append_as_follower(records.clone(), Clock::wall());
                if let Err(error @ AppendError::NoRoom { .. }) = &appended {
                    self.found_no_room(error);
                }
                appended?;
                self.found_room();
                let (log_end, last) = (self.log.log_end(), self.last_epoch());
                if let Some(follower) = self.follower() {
                    drop(follower.appended(log_end, last));
                }
            }
            Action::TruncateTo {
                to,
                below_high_watermark,
            } => {
                let log_end = self.log.log_end();
                if below_high_watermark {
                    tracing::warn!(partition = %self.name, %to, %log_end, "cutting below the high watermark: an unclean election");
                } else {
                    tracing::info!(partition = %self.name, %to, %log_end, "cutting what the leader does not have");
                }
                self.log.truncate_to(to)?;
                self.was_cut();
            }
            Action::StartAt { at } => {
                let log_end = self.log.log_end();
                tracing::warn!(partition = %self.name, %at, %log_end, "beginning anew at the leader's start");
                self.log.truncate_fully_and_start_at(at)?;
                self.was_cut();
            }
            Action::RaiseLogStart { to } => {
                self.log.raise_log_start(to);
                self.log_start_moved();
            }
            Action::AdvanceHighWatermark { .. } => {}
            Action::Pause { error } => {
                match error {
                    // Nothing that time alone would change.
                    KafkaError::CorruptMessage | KafkaError::OffsetOutOfRange => {
                        self.tell_standstill(error.name());
                    }
                    _ => {
                        tracing::debug!(partition = %self.name, %error, "the leader sends nothing for now");
                    }
                }
                return Ok(true);
            }
            Action::Park { error } => {
                tracing::info!(partition = %self.name, %error, "waiting for a newer leader epoch");
            }
        }
        Ok(false)
    }

    /// Says why the replica cannot follow: once, until it has moved.
    fn tell_standstill(&mut self, cause: &str) {
        let (leader_epoch, log_end) = (self.role.leader_epoch(), self.log.log_end());
        if self.pause_notes.is_news(leader_epoch, log_end, cause) {
            tracing::warn!(
                partition = %self.name, ?leader_epoch, %log_end, cause,
                "cannot take what the leader sends, asking again"
            );
        }
    }

    fn follower(&mut self) -> Option<&mut Follower> {
        match &mut self.role {
            Role::Follower(follower) => Some(follower),
            _ => None,
        }
    }

    fn was_cut(&mut self) {
        self.durable_start.cut(self.log.log_start());
        let (positions, last) = (self.positions(), self.last_epoch());
        if let Some(follower) = self.follower() {
            follower.truncated(positions, last);
        }
    }

    /// The epoch of the log's last batch. The log may know a later epoch that has no record.
    pub(super) fn last_epoch(&self) -> Option<LeaderEpoch> {
        let log_end = self.log.log_end();
        if self.log.log_start() == log_end {
            return None;
        }
        let entries = self.log.epochs().entries();
        entries
            .iter()
            .rfind(|entry| entry.start < log_end)
            .map(|entry| entry.epoch)
    }
}

/// Why the rest of an answer is not acted on.
enum Halt {
    /// Ask again, later.
    Pause(String),
    /// The replica is out of service.
    Failed(String),
}

impl From<AppendError> for Halt {
    fn from(error: AppendError) -> Self {
        if let AppendError::DirFailed(failed) = &error {
            return Self::Failed(failed.to_string());
        }
        Self::Pause(error.to_string())
    }
}

impl From<TruncateError> for Halt {
    fn from(error: TruncateError) -> Self {
        match &error {
            // The place of the cut cannot be looked at for now.
            TruncateError::Read(ReadError::Io { source, .. }) if is_exhausted(source) => {
                Self::Pause(error.to_string())
            }
            TruncateError::DirFailed(_) | TruncateError::Read(_) => Self::Failed(error.to_string()),
            TruncateError::Io { .. } => Self::Pause(error.to_string()),
        }
    }
}

/// The answer without its bytes; `None` when these are no batches.
fn leader_answer(result: &FetchPartitionResult) -> Option<LeaderAnswer> {
    let bounds = LeaderBounds {
        log_start: result.log_start,
        high_watermark: result.high_watermark,
    };
    if let Some(error) = result.error {
        return Some(LeaderAnswer::Refused { error, bounds });
    }
    if let Some(diverging) = result.diverging {
        return Some(LeaderAnswer::Diverging {
            epoch: diverging.epoch,
            end: diverging.end_offset,
        });
    }
    let records = match result.records.is_empty() {
        true => None,
        false => Some(fetched_records(&result.records)?),
    };
    Some(LeaderAnswer::Records { bounds, records })
}

/// Walks the headers; the log checks the rest.
fn fetched_records(bytes: &Bytes) -> Option<FetchedRecords> {
    let mut first: Option<Offset> = None;
    let mut last_epoch: Option<LeaderEpoch> = None;
    let mut rest: &[u8] = bytes;
    while !rest.is_empty() {
        let header = BatchHeader::parse(rest).ok()?;
        first = first.or(Some(header.base_offset));
        last_epoch = last_epoch.max(Some(header.leader_epoch?));
        rest = rest.get(header.total_bytes()..)?;
    }
    Some(FetchedRecords {
        base_offset: first?,
        last_epoch: last_epoch?,
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_cut_that_cannot_be_placed_for_now_condemns_nobody() {
        const EMFILE: i32 = 24;
        const EIO: i32 = 5;
        let halt = |errno| {
            let (path, source) = ("t-0/0.log".into(), io::Error::from_raw_os_error(errno));
            Halt::from(TruncateError::Read(ReadError::Io { path, source }))
        };
        assert!(matches!(halt(EMFILE), Halt::Pause(_)));
        assert!(matches!(halt(EIO), Halt::Failed(_)));
    }
}
