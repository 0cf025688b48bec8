//! [`Flusher`]: syncs the files of many logs, several at once, and never the same one twice for
//! requests that a single sync serves.
//!
//! While a file is being synced, requests for it gather and are served by the next sync: that is
//! the group commit. A request joins only a sync that has not begun, since one that has begun may
//! not see its bytes. The first sync that fails closes the directory's latch; after that nothing is
//! synced.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::context::LogContext;
use crate::disk::{DiskDir, DiskFile};
use crate::latch::{DirFailed, DirLatch};
use crate::log::{FlushRequest, is_exhausted};

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

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// The address of an open file, which stays while anyone holds it.
    File(usize),
    Dir(PathBuf),
}

enum Target {
    File(Arc<dyn DiskFile>, PathBuf),
    Dir(LogContext, PathBuf),
}

struct Job {
    target: Target,
    requests: Vec<u64>,
}

struct Waiting {
    jobs_left: usize,
    on_done: OnFlushed,
}

#[derive(Default)]
struct Queue {
    order: VecDeque<Key>,
    jobs: HashMap<Key, Job>,
    running: HashSet<Key>,
    requests: HashMap<u64, Waiting>,
    last_request: u64,
    stopping: bool,
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
        let inner = Arc::new(Inner {
            latch,
            requests_max,
            queue: Mutex::new(Queue::default()),
            changed: Condvar::new(),
        });
        let mut flusher = Self {
            inner,
            threads: Vec::new(),
        };
        for number in 0..threads.max(1) {
            let inner = Arc::clone(&flusher.inner);
            let thread = std::thread::Builder::new().name(format!("flush-{number}"));
            flusher.threads.push(thread.spawn(move || inner.work())?);
        }
        Ok(flusher)
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
        self.inner.lock().requests.len()
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.inner.lock().stopping = true;
        self.inner.changed.notify_all();
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
        if queue.requests.len() >= self.requests_max {
            let requests_max = self.requests_max;
            return Some((on_done, Err(FlushError::QueueFull { requests_max })));
        }
        queue.last_request += 1;
        let id = queue.last_request;
        let FlushRequest {
            files,
            dirs,
            context,
            log_dir,
            ..
        } = request;
        let files = files.into_iter().map(|file| {
            (
                Key::File(Arc::as_ptr(&file).cast::<()>().addr()),
                Target::File(file, log_dir.clone()),
            )
        });
        let dirs = dirs
            .into_iter()
            .map(|dir| (Key::Dir(dir.clone()), Target::Dir(context.clone(), dir)));
        let mut jobs_left = 0;
        for (key, target) in files.chain(dirs) {
            let Queue { jobs, order, .. } = &mut *queue;
            let job = jobs.entry(key.clone()).or_insert_with(|| {
                order.push_back(key);
                Job {
                    target,
                    requests: Vec::new(),
                }
            });
            if job.requests.last() != Some(&id) {
                job.requests.push(id);
                jobs_left += 1;
            }
        }
        if jobs_left == 0 {
            return Some((on_done, Ok(())));
        }
        queue.requests.insert(id, Waiting { jobs_left, on_done });
        drop(queue);
        for _ in 0..jobs_left {
            self.changed.notify_one();
        }
        None
    }

    fn work(&self) {
        let mut queue = self.lock();
        loop {
            if let Some((key, job)) = queue.take_job() {
                drop(queue);
                let result = self.sync(&job.target);
                queue = self.lock();
                queue.running.remove(&key);
                let outcomes = queue.finish(&job.requests, &result);
                let same_file_waits = queue.jobs.contains_key(&key);
                drop(queue);
                if same_file_waits {
                    self.changed.notify_one();
                }
                for (on_done, result) in outcomes {
                    // A callback that panics must not take the thread with it.
                    if catch_unwind(AssertUnwindSafe(|| on_done(result))).is_err() {
                        tracing::error!("what waited for a flush panicked");
                    }
                }
                queue = self.lock();
            } else if queue.stopping && queue.jobs.is_empty() {
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

    fn sync(&self, target: &Target) -> Result<(), FlushError> {
        self.latch.check()?;
        let (synced, path) = match target {
            Target::File(file, log_dir) => (file.sync_data(), log_dir),
            Target::Dir(context, dir) => (self.open_dir(context, dir)?.sync(), dir),
        };
        synced.map_err(|error| self.latch.fail("sync in", path, &error).into())
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

impl Queue {
    /// The oldest job whose file nobody is syncing.
    fn take_job(&mut self) -> Option<(Key, Job)> {
        let at = self
            .order
            .iter()
            .position(|key| !self.running.contains(key))?;
        let key = self.order.remove(at)?;
        let job = self.jobs.remove(&key)?;
        self.running.insert(key.clone());
        Some((key, job))
    }

    /// Takes note of a sync. One that failed ends every request, one that was not begun those that
    /// it was for.
    fn finish(&mut self, ids: &[u64], result: &Result<(), FlushError>) -> Vec<Outcome> {
        if let Err(failed) = result {
            let ended: Vec<Waiting> = if matches!(failed, FlushError::DirFailed(_)) {
                self.order.clear();
                self.jobs.clear();
                std::mem::take(&mut self.requests).into_values().collect()
            } else {
                let own = ids.iter().filter_map(|id| self.requests.remove(id));
                own.collect()
            };
            return ended
                .into_iter()
                .map(|waiting| (waiting.on_done, Err(failed.clone())))
                .collect();
        }
        let mut done = Vec::new();
        for id in ids {
            let Some(waiting) = self.requests.get_mut(id) else {
                continue;
            };
            waiting.jobs_left -= 1;
            if waiting.jobs_left == 0
                && let Some(waiting) = self.requests.remove(id)
            {
                done.push((waiting.on_done, Ok(())));
            }
        }
        done
    }
}
