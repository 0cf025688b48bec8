//! [`Queue`]: what waits to be synced, for whom, and in which order. Pure.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use super::{FlushError, OnFlushed, Outcome, Target};
use crate::journal::{Journal, Written};

/// Syncs for the journal's sake that run at once, at most. One of them is always let in between.
const CLEANING_AT_ONCE: usize = 4;

/// What a job syncs; one job at a time for each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The address of an open file, which stays while anyone holds it.
    File(usize),
    Dir(PathBuf),
    /// The address of a journal.
    Journal(usize),
}

/// A job that was taken.
pub(super) struct Job {
    pub(super) key: Key,
    pub(super) target: Target,
    pub(super) requests: Vec<u64>,
    /// Nobody waits for it.
    pub(super) is_cleaning: bool,
}

struct Gathering {
    target: Target,
    requests: Vec<u64>,
}

/// Where a request found its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gathered {
    /// In a job that no thread was woken for.
    New,
    /// In a job that a thread is coming for, or in the next one of a target that is being synced: the
    /// thread that ends the one before looks for another job.
    Joined,
    /// It was there already.
    Twice,
}

struct Waiting {
    jobs_left: usize,
    on_done: OnFlushed,
}

/// What waits.
#[derive(Default)]
pub(super) struct Queue {
    order: VecDeque<Key>,
    jobs: HashMap<Key, Gathering>,
    running: HashSet<Key>,
    requests: HashMap<u64, Waiting>,
    last_request: u64,
    /// Files that nobody waits for; as many as a half of the journal has bytes of, at most.
    cleaning: VecDeque<Target>,
    cleaning_now: usize,
    /// The last job that was taken was none that somebody waits for.
    was_cleaning: bool,
    stopping: bool,
}

impl Queue {
    pub(super) fn waiting(&self) -> usize {
        self.requests.len()
    }

    pub(super) const fn stop(&mut self) {
        self.stopping = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.stopping && self.jobs.is_empty()
    }

    /// Queues a request and tells how many jobs there are more for threads; gives it back if there is
    /// nothing to do.
    pub(super) fn submit(
        &mut self,
        targets: Vec<Target>,
        on_done: OnFlushed,
    ) -> Result<usize, OnFlushed> {
        self.last_request += 1;
        let id = self.last_request;
        let (mut jobs_left, mut woken) = (0, 0);
        for target in targets {
            let gathered = self.gather(target, id);
            jobs_left += usize::from(gathered != Gathered::Twice);
            woken += usize::from(gathered == Gathered::New);
        }
        if jobs_left == 0 {
            return Err(on_done);
        }
        self.requests.insert(id, Waiting { jobs_left, on_done });
        Ok(woken)
    }

    /// Adds a request to the job of a target that has not begun.
    fn gather(&mut self, target: Target, id: u64) -> Gathered {
        let target = match target {
            Target::Journal(journal, mut entries) => {
                for entry in &mut entries {
                    entry.ticket = id;
                }
                Target::Journal(journal, entries)
            }
            other => other,
        };
        let key = target.key();
        match self.jobs.get_mut(&key) {
            Some(job) if job.requests.last() == Some(&id) => Gathered::Twice,
            Some(job) => {
                job.requests.push(id);
                if let (Target::Journal(_, gathered), Target::Journal(_, entries)) =
                    (&mut job.target, target)
                {
                    gathered.extend(entries);
                }
                Gathered::Joined
            }
            None => {
                let gathered = if self.running.contains(&key) {
                    Gathered::Joined
                } else {
                    Gathered::New
                };
                self.order.push_back(key.clone());
                let requests = vec![id];
                self.jobs.insert(key, Gathering { target, requests });
                gathered
            }
        }
    }

    /// The next job for a thread.
    pub(super) fn take_job(&mut self) -> Option<Job> {
        let is_turn = self.cleaning_now == 0 && !self.was_cleaning;
        let first = if is_turn { self.take_cleaning() } else { None };
        first
            .or_else(|| self.take_waited_for())
            .or_else(|| self.take_cleaning())
    }

    /// The oldest job that somebody waits for and whose target nobody is syncing.
    pub(super) fn take_waited_for(&mut self) -> Option<Job> {
        let at = self
            .order
            .iter()
            .position(|key| !self.running.contains(key))?;
        let key = self.order.remove(at)?;
        let Gathering { target, requests } = self.jobs.remove(&key)?;
        self.running.insert(key.clone());
        self.was_cleaning = false;
        Some(Job {
            key,
            target,
            requests,
            is_cleaning: false,
        })
    }

    /// The oldest sync that nobody waits for.
    pub(super) fn take_cleaning(&mut self) -> Option<Job> {
        if self.stopping || self.cleaning_now >= CLEANING_AT_ONCE {
            return None;
        }
        let is_free = |target: &Target| !self.running.contains(&target.key());
        let at = self.cleaning.iter().position(is_free)?;
        let target = self.cleaning.remove(at)?;
        let key = target.key();
        self.running.insert(key.clone());
        self.cleaning_now += 1;
        self.was_cleaning = true;
        Some(Job {
            key,
            target,
            requests: Vec::new(),
            is_cleaning: true,
        })
    }

    /// Takes note of a job that has ended: tells who need not wait any more, and how many jobs more
    /// there are for threads. One that failed ends every request, one that was not begun those that it
    /// was for.
    pub(super) fn finish(
        &mut self,
        key: &Key,
        is_cleaning: bool,
        mut ids: Vec<u64>,
        result: Result<Option<(Arc<Journal>, Written)>, FlushError>,
    ) -> (Vec<Outcome>, usize) {
        self.running.remove(key);
        self.cleaning_now -= usize::from(is_cleaning);
        // The thread that asks takes one job itself, such as what has gathered for the same target.
        let mut woken = 0;
        let written = match result {
            Ok(written) => written,
            Err(failed @ FlushError::DirFailed(_)) => return (self.fail_all(&failed), 0),
            Err(refused) => return (self.refuse(&ids, &refused), woken),
        };
        if let Some((journal, written)) = written {
            let refused: HashSet<u64> = written.refused.iter().map(|it| it.ticket).collect();
            ids.retain(|id| !refused.contains(id));
            for entry in written.refused {
                // Its file is synced instead; the request waits on.
                let (file, log_dir) = (entry.file, entry.log_dir);
                let journal = Some(Arc::clone(&journal));
                let target = Target::File {
                    file,
                    log_dir,
                    journal,
                };
                woken += usize::from(self.gather(target, entry.ticket) == Gathered::New);
            }
            woken += written.to_clean.len().min(CLEANING_AT_ONCE);
            if !written.to_clean.is_empty() {
                // The half that older ones were for is clean, or this one had not been left.
                self.cleaning.clear();
            }
            let files = written.to_clean.into_iter();
            self.cleaning.extend(files.map(|dirty| Target::File {
                file: dirty.file,
                log_dir: dirty.log_dir,
                journal: Some(Arc::clone(&journal)),
            }));
        }
        (self.done(&ids), woken)
    }

    fn fail_all(&mut self, failed: &FlushError) -> Vec<Outcome> {
        self.order.clear();
        self.jobs.clear();
        self.cleaning.clear();
        let all = std::mem::take(&mut self.requests);
        all.into_values()
            .map(|waiting| (waiting.on_done, Err(failed.clone())))
            .collect()
    }

    /// Their other jobs go on and find nobody who waits.
    fn refuse(&mut self, ids: &[u64], refused: &FlushError) -> Vec<Outcome> {
        let own = ids.iter().filter_map(|id| self.requests.remove(id));
        own.map(|waiting| (waiting.on_done, Err(refused.clone())))
            .collect()
    }

    fn done(&mut self, ids: &[u64]) -> Vec<Outcome> {
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
