//! [`DataDirs`]: the broker's log directories, each with its own lock, latch, flusher and
//! checkpoints, so that the failure of one takes only its replicas out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use trimaran_commit_log::{FLUSH_REQUESTS_MAX_DEFAULT, FLUSH_THREADS_DEFAULT, Flusher, LogDir};
use trimaran_types::{DirectoryId, Offset, TopicPartition};

use crate::partition::{LogStartWriter, RoomGate};

/// One log directory, and what belongs to it alone.
#[derive(Debug)]
pub struct DataDir {
    pub(super) dir: LogDir,
    pub(super) flusher: Arc<Flusher>,
    pub(super) log_starts: LogStartWriter,
    pub(super) room_gate: RoomGate,
    /// What the high watermark checkpoint holds.
    pub(super) checkpointed: Mutex<BTreeMap<TopicPartition, Offset>>,
}

impl DataDir {
    /// The directory itself.
    #[must_use]
    pub const fn dir(&self) -> &LogDir {
        &self.dir
    }

    /// Its identity.
    #[must_use]
    pub const fn id(&self) -> DirectoryId {
        self.dir.directory_id()
    }

    /// Whether it has failed, for good.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.dir.context().latch.failure().is_some()
    }
}

/// What people may see of a log directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataDirStatus {
    /// Where it is.
    pub path: PathBuf,
    /// Its identity; `None` when it could not be taken at the start.
    pub id: Option<DirectoryId>,
    /// Why it is out of service; `None` while it works.
    pub failure: Option<String>,
    /// Replicas in it that are open.
    pub replicas: usize,
    /// Of these, replicas whose last append found no room on the disk.
    pub lacking_room: usize,
    /// Replicas that belong in it and could not be opened or made; they are tried again.
    pub not_made: usize,
    /// Of these, replicas that could not for want of room or of descriptors.
    pub not_made_for_room: usize,
}

impl DataDirStatus {
    /// One word, for people and programs: `ok`, `lacks-room` or `failed`.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        if self.failure.is_some() {
            "failed"
        } else if self.lacks_room() {
            "lacks-room"
        } else {
            "ok"
        }
    }

    /// Whether appends or new logs were refused in it for want of room.
    #[must_use]
    pub const fn lacks_room(&self) -> bool {
        self.lacking_room > 0 || self.not_made_for_room > 0
    }

    /// What a person has to look at while the directory works; `None` when all is well.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        if self.failure.is_some() || (!self.lacks_room() && self.not_made == 0) {
            return None;
        }
        let refused = format!(
            "{} of {} replicas take no appends, {} could not be made",
            self.lacking_room, self.replicas, self.not_made
        );
        let path = self.path.display();
        Some(if self.lacks_room() {
            format!("{path} has no room, or the process no descriptor: {refused}; make room")
        } else {
            format!("{path}: {refused}")
        })
    }
}

/// The log directories that the broker has taken, in the order of its configuration; at least one.
#[derive(Debug)]
pub struct DataDirs {
    all: Vec<DataDir>,
    /// Directories that could not be taken at the start, and why.
    unusable: Vec<(PathBuf, String)>,
}

impl DataDirs {
    /// Over locked directories; they share the bounds on open files and hot tails.
    ///
    /// # Errors
    /// The flushers' threads cannot be started.
    pub fn new(mut dirs: Vec<LogDir>, unusable: Vec<(PathBuf, String)>) -> std::io::Result<Self> {
        if let Some(first) = dirs.first().map(|first| first.context().clone()) {
            dirs.iter_mut().for_each(|dir| dir.share_bounds_of(&first));
        }
        let with_flusher = |dir: LogDir| {
            let latch = Arc::clone(&dir.context().latch);
            let flusher = Flusher::start(latch, FLUSH_THREADS_DEFAULT, FLUSH_REQUESTS_MAX_DEFAULT)?;
            Ok(DataDir {
                log_starts: LogStartWriter::new(dir.context().clone()),
                room_gate: RoomGate::default(),
                dir,
                flusher: Arc::new(flusher),
                checkpointed: Mutex::new(BTreeMap::new()),
            })
        };
        let all = dirs
            .into_iter()
            .map(with_flusher)
            .collect::<std::io::Result<_>>()?;
        Ok(Self { all, unusable })
    }

    /// All of them, the failed included.
    pub fn iter(&self) -> std::slice::Iter<'_, DataDir> {
        self.all.iter()
    }

    /// The directory with this identity.
    #[must_use]
    pub fn get(&self, id: DirectoryId) -> Option<&DataDir> {
        self.all.iter().find(|dir| dir.id() == id)
    }

    /// Whether no directory is left.
    #[must_use]
    pub fn have_all_failed(&self) -> bool {
        self.all.iter().all(DataDir::has_failed)
    }

    pub(super) fn ids(&self) -> Vec<DirectoryId> {
        self.all.iter().map(DataDir::id).collect()
    }

    pub(super) fn unusable(&self) -> &[(PathBuf, String)] {
        &self.unusable
    }
}
