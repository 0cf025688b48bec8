//! Flushes: asked for here, done by the directory's flusher, answered as an event.
//!
//! One is in flight at most; what is written meanwhile goes into the next one, so a busy partition
//! syncs many appends at once.

use tokio::sync::oneshot;
use trimaran_commit_log::{FlushError, FlushRequest, FlushToken};
use trimaran_types::MonotonicTime;

use super::event::FollowerNext;
use super::owner::{Owner, SyncedReply};
use super::role::Role;
use trimaran_replication::Durability;

/// How soon a flush is asked again that found no descriptor.
const FLUSH_AGAIN_MS: u64 = 100;

/// A flush in flight.
#[derive(Debug)]
pub(super) struct Flushing {
    token: FlushToken,
    done: oneshot::Receiver<Result<(), Unflushed>>,
    /// Dropped when it has ended, for whoever asked for a checkpoint.
    _checkpoint: Option<oneshot::Sender<()>>,
}

/// Why a flush has come to nothing.
#[derive(Debug)]
pub(super) enum Unflushed {
    /// Nothing was synced for want of descriptors: asked again soon, and nobody is told until then
    /// that anything is durable.
    NotNow(String),
    /// The replica is out of service.
    Failed(String),
}

impl From<FlushError> for Unflushed {
    fn from(error: FlushError) -> Self {
        match error {
            FlushError::NoDescriptor { .. } => Self::NotNow(error.to_string()),
            FlushError::DirFailed(_) | FlushError::Gone { .. } | FlushError::QueueFull { .. } => {
                Self::Failed(error.to_string())
            }
        }
    }
}

impl Flushing {
    /// Resolves when the flush in flight has ended; never, when there is none.
    pub(super) async fn done(flushing: &mut Option<Self>) -> Result<FlushToken, Unflushed> {
        let Some(current) = flushing else {
            return std::future::pending().await;
        };
        let result = (&mut current.done).await;
        let ended = flushing.take().map(|flushing| flushing.token);
        match (result, ended) {
            (Ok(Ok(())), Some(token)) => Ok(token),
            (Ok(Err(cause)), _) => Err(cause),
            _ => Err(Unflushed::Failed("the flusher has ended".to_owned())),
        }
    }
}

impl Owner {
    /// Begins a flush if the topic's settings ask for one and none is in flight.
    pub(super) fn flush_if_due(&mut self) {
        if self.log.unflushed_records() == 0 {
            (self.unflushed_since, self.flush_again_at) = (None, None);
            return;
        }
        let now = self.now();
        let since = *self.unflushed_since.get_or_insert(now);
        let waited_ms = now.ms_since(since);
        let is_old = self
            .settings
            .log
            .flush_ms
            .is_some_and(|flush_ms| waited_ms >= flush_ms);
        if self.flush_again_at.is_some_and(|at| now < at) {
            return;
        }
        self.flush_again_at = None;
        if self.flushing.is_some() || !(self.log.is_flush_due() || is_old) {
            return;
        }
        if let Some(request) = self.log.begin_flush() {
            self.unflushed_since = None;
            self.submit(request, None);
        }
    }

    /// When `flush.ms` asks for the next flush, or one that came to nothing is to be asked again.
    pub(super) fn flush_deadline(&self) -> Option<MonotonicTime> {
        if self.flushing.is_some() {
            return None;
        }
        self.flush_again_at
            .or_else(|| Some(self.unflushed_since?.plus_ms(self.settings.log.flush_ms?)))
    }

    /// Prepares a recovery point, so that a restart need not look at what lies below.
    pub(super) fn checkpoint(&mut self, done: oneshot::Sender<()>) {
        if matches!(self.role, Role::Failed) {
            return;
        }
        // A busy partition is nearly always flushing: its turn comes after the flush in flight.
        if self.flushing.is_some() {
            self.checkpoint_due = Some(done);
            return;
        }
        match self.log.begin_checkpoint() {
            Ok(Some(request)) => self.submit(request, Some(done)),
            // Nothing was written since the last one.
            Ok(None) => self.log.close_idle_file(),
            Err(error) => {
                tracing::error!(partition = %self.name, %error, "cannot checkpoint the log");
            }
        }
    }

    fn submit(&mut self, request: FlushRequest, checkpoint: Option<oneshot::Sender<()>>) {
        let (tell, done) = oneshot::channel();
        let token = request.token();
        self.flushing = Some(Flushing {
            token,
            done,
            _checkpoint: checkpoint,
        });
        let on_done = move |result: Result<(), FlushError>| {
            let _ = tell.send(result.map_err(Unflushed::from));
        };
        self.flusher.submit(request, Box::new(on_done));
    }

    pub(super) fn flush_done(&mut self, done: Result<FlushToken, Unflushed>) {
        match done {
            Ok(token) => {
                self.log.flushed(&token);
                self.after_flush();
            }
            Err(Unflushed::NotNow(cause)) => {
                tracing::warn!(partition = %self.name, cause, "nothing flushed, trying again");
                let now = self.now();
                self.unflushed_since.get_or_insert(now);
                self.flush_again_at = Some(now.plus_ms(FLUSH_AGAIN_MS));
                self.checkpoint_due = None;
            }
            Err(Unflushed::Failed(cause)) => self.fail(&cause),
        }
    }

    fn after_flush(&mut self) {
        let (now, flushed_end) = (self.now(), self.log.flushed_end());
        let mut actions = Vec::new();
        match &mut self.role {
            Role::Leader(leader) => leader.flushed(now, flushed_end, &mut actions),
            Role::Follower(follower) => follower.flushed(flushed_end),
            Role::Idle(_) | Role::Failed => {}
        }
        self.carry_out(actions);
        self.publish();
        self.reply_to_synced();
        if let Some(done) = self.checkpoint_due.take() {
            self.checkpoint(done);
        }
        self.flush_if_due();
    }

    /// Tells the fetcher to go on: at once, or when what the log has now is synced and, if it is to wait
    /// for that, its start on the disk, so that the next fetch reports both.
    pub(super) fn reply_when_synced(
        &mut self,
        reply: oneshot::Sender<FollowerNext>,
        pause: bool,
        waits_for_start: bool,
    ) {
        self.synced_replies.push(SyncedReply {
            end: self.log.log_end(),
            waits_for_start,
            reply,
            pause,
        });
        self.reply_to_synced();
    }

    pub(super) fn reply_to_synced(&mut self) {
        let flushed_end = self.log.flushed_end();
        let follows = matches!(self.role, Role::Follower(_));
        let waits = follows && self.settings.durability() == Durability::Synced;
        let is_writing_start = follows && self.durable_start.is_being_written();
        let is_early = |waiting: &SyncedReply| {
            (waiting.waits_for_start && is_writing_start) || (waits && waiting.end > flushed_end)
        };
        let (later, now): (Vec<_>, Vec<_>) = std::mem::take(&mut self.synced_replies)
            .into_iter()
            .partition(is_early);
        self.synced_replies = later;
        for SyncedReply { reply, pause, .. } in now {
            let _ = reply.send(self.follower_next(pause));
        }
    }
}
