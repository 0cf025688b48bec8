//! [`Flusher`]: syncs the files of many logs, several at once, and never the same one twice for
//! requests that a single sync serves.
//!
//! While a file is being synced, requests for it gather and are served by the next sync: that is
//! the group commit. A request joins only a sync that has not begun, since one that has begun may
//! not see its bytes. The first sync that fails closes the directory's latch; after that nothing is
//! synced.
//!
//! Requests that a journal can serve gather for its next group in the same way. What the journal has
//! no place for goes to the files. Files that it wants synced to be free again are synced beside, a
//! few at once, and nobody waits for them.

mod queue;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::context::LogContext;
use crate::disk::{DiskDir, DiskFile};
use crate::journal::{Entry, Journal, Written, address};
use crate::latch::{DirFailed, DirLatch};
use crate::log::{FlushRequest, is_exhausted};
use queue::{Job, Key, Queue};

/// Syncs that run at once by default. Threads that wait for a device cost no core.
pub const FLUSH_THREADS_DEFAULT: usize = 16;

/// Requests that may wait by default: one for each log that a broker may have, and more.
pub const FLUSH_REQUESTS_MAX_DEFAULT: usize = 1 << 18;

/// What is called when a request is done. It runs on a thread of the flusher: it must be short.
pub type OnFlushed = Box<dyn FnOnce(Result<(), FlushError>) + Send>;

/// Why what was to be flushed may not be durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlushError {
    /// The directory is out of service.
    #[error(transparent)]
    DirFailed(#[from] DirFailed),
    /// The process has no descriptor left to open the directory with. Nothing was promised; what was
    /// asked may be asked again.
    #[error("cannot open {} to sync it: {cause}", dir.display())]
    NoDescriptor {
        /// The log's directory.
        dir: PathBuf,
        /// The system's answer.
        cause: Arc<str>,
    },
    /// The log's directory is gone: it was set aside, or somebody has removed it.
    #[error("{} is gone", dir.display())]
    Gone {
        /// The log's directory.
        dir: PathBuf,
    },
    /// Too many requests wait; this one was not tried.
    #[error("{requests_max} flushes are waiting already")]
    QueueFull {
        /// How many may wait.
        requests_max: usize,
    },
}

/// What a job does.
pub(super) enum Target {
    File {
        file: Arc<dyn DiskFile>,
        log_dir: PathBuf,
        /// Told when the file is synced.
        journal: Option<Arc<Journal>>,
    },
    Dir(LogContext, PathBuf),
    Journal(Arc<Journal>, Vec<Entry>),
}

impl Target {
    fn key(&self) -> Key {
        match self {
            Self::File { file, .. } => Key::File(address(file)),
            Self::Dir(_, dir) => Key::Dir(dir.clone()),
            Self::Journal(journal, _) => Key::Journal(Arc::as_ptr(journal).addr()),
        }
    }
}

struct Inner {
    latch: Arc<DirLatch>,
    requests_max: usize,
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// The flusher of one log directory. Dropping it finishes what waits.
pub struct Flusher {
    inner: Arc<Inner>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Flusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flusher")
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

impl Flusher {
    /// Starts `threads` threads for the directory of `latch`; at most `requests_max` requests wait.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(latch: Arc<DirLatch>, threads: usize, requests_max: usize) -> io::Result<Self> {
        let mut flusher = Self::without_threads(latch, requests_max);
        for number in 0..threads.max(1) {
            let inner = Arc::clone(&flusher.inner);
            let thread = std::thread::Builder::new().name(format!("flush-{number}"));
            flusher.threads.push(thread.spawn(move || inner.work())?);
        }
        Ok(flusher)
    }

    /// One that does nothing by itself: its owner calls [`Self::run_waiting`] and
    /// [`Self::run_cleaning`]. For those who must know what happens when.
    #[must_use]
    pub fn without_threads(latch: Arc<DirLatch>, requests_max: usize) -> Self {
        let inner = Arc::new(Inner {
            latch,
            requests_max,
            queue: Mutex::new(Queue::default()),
            changed: Condvar::new(),
        });
        Self {
            inner,
            threads: Vec::new(),
        }
    }

    /// Has everything in `request` synced, then calls `on_done`, once. Returns at once; when the
    /// request is refused, `on_done` has been called on this thread.
    pub fn submit(&self, request: FlushRequest, on_done: OnFlushed) {
        if let Some((on_done, result)) = self.inner.submit(request, on_done) {
            on_done(result);
        }
    }

    /// How many requests wait or are being served.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner.lock().waiting()
    }

    /// Does on this thread all that requests wait for and nobody else does.
    pub fn run_waiting(&self) {
        self.run(Queue::take_waited_for);
    }

    /// Does on this thread the oldest sync that nobody waits for, and tells whether there was one.
    pub fn run_cleaning(&self) -> bool {
        let mut queue = self.inner.lock();
        let Some(job) = queue.take_cleaning() else {
            return false;
        };
        drop(self.inner.carry_out(queue, job));
        true
    }

    fn run(&self, take: fn(&mut Queue) -> Option<Job>) {
        let mut queue = self.inner.lock();
        while let Some(job) = take(&mut queue) {
            queue = self.inner.carry_out(queue, job);
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.inner.lock().stop();
        self.inner.changed.notify_all();
        if self.threads.is_empty() {
            self.run_waiting();
        }
        let this = std::thread::current().id();
        for thread in self
            .threads
            .drain(..)
            .filter(|thread| thread.thread().id() != this)
        {
            if thread.join().is_err() {
                tracing::error!("a flush thread panicked");
            }
        }
    }
}

type Outcome = (OnFlushed, Result<(), FlushError>);

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a request, or gives it back with its outcome.
    fn submit(&self, request: FlushRequest, on_done: OnFlushed) -> Option<Outcome> {
        let mut queue = self.lock();
        // Under the lock: a failure empties the queue under it, so nothing is left behind.
        if let Err(failed) = self.latch.check() {
            return Some((on_done, Err(failed.into())));
        }
        if queue.waiting() >= self.requests_max {
            let requests_max = self.requests_max;
            return Some((on_done, Err(FlushError::QueueFull { requests_max })));
        }
        let jobs = match queue.submit(targets(request), on_done) {
            Ok(jobs) => jobs,
            Err(on_done) => return Some((on_done, Ok(()))),
        };
        drop(queue);
        self.wake(jobs);
        None
    }

    fn wake(&self, jobs: usize) {
        for _ in 0..jobs {
            self.changed.notify_one();
        }
    }

    fn work(&self) {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.take_job() {
                queue = self.carry_out(queue, job);
            } else if queue.has_ended() {
                self.changed.notify_all();
                return;
            } else {
                queue = self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Does a job without the lock, tells those who waited for it, and takes the lock again.
    fn carry_out<'a>(&'a self, queue: MutexGuard<'a, Queue>, job: Job) -> MutexGuard<'a, Queue> {
        drop(queue);
        let (key, requests) = (job.key, job.requests);
        let is_cleaning = job.is_cleaning;
        let result = self.sync(job.target);
        let mut queue = self.lock();
        let (outcomes, woken) = queue.finish(&key, is_cleaning, requests, result);
        drop(queue);
        self.wake(woken);
        for (on_done, result) in outcomes {
            // A callback that panics must not take the thread with it.
            if catch_unwind(AssertUnwindSafe(|| on_done(result))).is_err() {
                tracing::error!("what waited for a flush panicked");
            }
        }
        self.lock()
    }

    fn sync(&self, target: Target) -> Result<Option<(Arc<Journal>, Written)>, FlushError> {
        self.latch.check()?;
        match target {
            Target::File {
                file,
                log_dir,
                journal,
            } => {
                let noted = journal.as_ref().map(|journal| journal.noted());
                let synced = file.sync_data();
                synced.map_err(|error| self.latch.fail("sync a file in", &log_dir, &error))?;
                if let (Some(journal), Some(noted)) = (journal, noted) {
                    journal.synced(address(&file), noted);
                }
                Ok(None)
            }
            Target::Dir(context, dir) => {
                let synced = self.open_dir(&context, &dir)?.sync();
                synced.map_err(|error| self.latch.fail("sync", &dir, &error))?;
                Ok(None)
            }
            Target::Journal(journal, entries) => {
                let written = journal.write(entries)?;
                Ok(Some((journal, written)))
            }
        }
    }

    /// An open that fails has synced nothing: want of descriptors passes, and a log whose folder got
    /// another name is nobody's any more. Neither is a reason to doubt the directory.
    fn open_dir(&self, context: &LogContext, dir: &Path) -> Result<Box<dyn DiskDir>, FlushError> {
        context.open_dir(dir).map_err(|error| {
            let dir = dir.to_owned();
            if is_exhausted(&error) {
                let cause = Arc::from(error.to_string());
                FlushError::NoDescriptor { dir, cause }
            } else if error.kind() == io::ErrorKind::NotFound {
                FlushError::Gone { dir }
            } else {
                self.latch.fail("open", &dir, &error).into()
            }
        })
    }
}

/// What has to be done for a request: a note in the journal, or all the syncs.
fn targets(request: FlushRequest) -> Vec<Target> {
    let FlushRequest {
        files,
        dirs,
        context,
        log_dir,
        entry,
        journal,
        ..
    } = request;
    if let (Some(entry), Some(journal)) = (entry, &journal) {
        return vec![Target::Journal(Arc::clone(journal), vec![entry])];
    }
    let files = files.into_iter().map(|file| Target::File {
        file,
        log_dir: log_dir.clone(),
        journal: journal.clone(),
    });
    let dirs = dirs
        .into_iter()
        .map(|dir| Target::Dir(context.clone(), dir));
    files.chain(dirs).collect()
}
