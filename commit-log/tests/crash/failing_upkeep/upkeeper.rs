//! [`Upkeeper`]: an owner of one log that does all of [`ACTS`], tells what was refused, and writes down
//! what the log owes.

use std::sync::{Arc, mpsc};

use trimaran_commit_log::{
    AppendError, CleanError, CleanJob, Cleaner, CleanerSettings, CloseError, CompactionSettings,
    DeleteError, DeletedSegments, FlushError, FlushRequest, Flusher, Log, LogConfig, LogDir,
    LogDirError, OpenError, ReadError,
};
use trimaran_types::Offset;
use trimaran_types::record_batch::RecordBatch;

use crate::promises::{open_dir, open_journalled, partition, topic_id};
use crate::seeded::Seeded;
use crate::sim_disk::SimDisk;
use crate::upkeep::{EPOCH, NOW, Owed, Owner, Written, batch, config};

/// What an owner does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Open,
    Append,
    /// Appends so little that its flush can go through a journal.
    Add,
    Flush,
    Checkpoint,
    /// Of the flushed ends.
    Note,
    /// A client deletes records.
    Trim,
    Retain,
    Delete,
    /// Removes the files of deleted segments.
    Remove,
    Clean,
    Scrub,
    Read,
    /// Stops cleanly.
    Close,
    Kill,
}

#[rustfmt::skip]
pub(super) const ACTS: [Act; 76] = {
    use Act::{
        Add, Append, Checkpoint, Clean, Close, Delete, Flush, Kill, Note, Open, Read, Remove, Retain, Scrub, Trim,
    };
    [
        Open, Append, Append, Append, Flush, Append, Append, Append, Note, Append, Checkpoint, Flush,
        Add, Flush, Add, Flush, Clean, Read, Append, Append, Flush, Scrub, Trim, Retain, Delete, Append, Remove, Flush,
        Add, Flush, Add, Flush, Kill, Open, Read, Append, Append, Append, Flush, Add, Flush, Clean, Scrub, Trim,
        Append, Append, Append, Checkpoint, Add, Flush, Retain, Delete, Add, Flush, Close,
        Open, Append, Append, Flush, Append, Flush, Clean, Retain, Delete, Remove, Note, Scrub, Add, Flush, Add, Flush,
        Close, Open, Add, Flush, Read,
    ]
};

/// Why an act was not done.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The directory is out of service.
    Latched,
    Refused {
        error: String,
        /// Nothing of it was done.
        as_it_was: bool,
    },
}

/// What an owner sees of its log without asking the disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts(Offset, Offset, Offset, u64, u64);

pub(super) struct Upkeeper {
    pub(super) disk: SimDisk,
    dir: Option<LogDir>,
    pub(super) log: Option<Log>,
    random: Seeded,
    pub(super) written: Vec<Written>,
    /// Made for an append that was not taken yet.
    pending: Vec<RecordBatch>,
    deleted: Vec<DeletedSegments>,
    pub(super) now: Owed,
    has_journal: bool,
}

fn refused(error: &dyn std::error::Error, as_it_was: bool) -> Refusal {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let error = format!("{error}: {cause}");
    Refusal::Refused { error, as_it_was }
}

fn of_close(error: &CloseError) -> Refusal {
    match error {
        CloseError::DirFailed(_) => Refusal::Latched,
        CloseError::Io { .. } => refused(error, true),
    }
}

fn of_dir(error: &LogDirError) -> Refusal {
    match error {
        LogDirError::DirFailed(_) => Refusal::Latched,
        LogDirError::Io { .. } => refused(error, false),
        other => panic!("{other:?}"),
    }
}

fn of_delete(error: &DeleteError) -> Refusal {
    match error {
        DeleteError::DirFailed(_) => Refusal::Latched,
        DeleteError::Io { .. } => refused(error, true),
    }
}

fn of_read(error: &ReadError) -> Refusal {
    match error {
        ReadError::Io { .. } => refused(error, true),
        other => panic!("taken for something else: {other:?}"),
    }
}

impl Upkeeper {
    pub(super) fn new(disk: SimDisk, has_journal: bool) -> Self {
        Self {
            disk,
            dir: None,
            log: None,
            random: Seeded(77),
            written: Vec::new(),
            pending: Vec::new(),
            deleted: Vec::new(),
            now: Owed::default(),
            has_journal,
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        let latched = |dir: &LogDir| dir.context().latch.failure().is_some();
        self.dir.as_ref().is_some_and(latched)
    }

    pub(super) fn facts(&self) -> Option<Facts> {
        let log = self.log.as_ref()?;
        Some(Facts(
            log.log_start(),
            log.log_end(),
            log.flushed_end(),
            log.bytes(),
            log.reader().finished_bytes(),
        ))
    }

    pub(super) fn perform(&mut self, act: Act) -> Result<(), Refusal> {
        if act == Act::Open {
            return self.open();
        }
        if act == Act::Kill {
            (self.log, self.dir) = (None, None);
            self.deleted.clear();
            return Ok(());
        }
        let Some(mut log) = self.log.take() else {
            return Ok(());
        };
        if act == Act::Close {
            return self.close(log);
        }
        let done = match act {
            Act::Append => self.append(&mut log, 4),
            Act::Add => self.append(&mut log, 1),
            Act::Flush => match log.begin_flush() {
                Some(request) => self.sync(&mut log, request),
                None => Ok(()),
            },
            Act::Checkpoint => self.checkpoint(&mut log),
            Act::Note => self.dir().sync_flushed_ends().map_err(|e| of_dir(&e)),
            Act::Trim => self.trim(&mut log),
            Act::Retain => self.retain(&mut log),
            Act::Delete => self.delete(&mut log),
            Act::Remove => self.remove(),
            Act::Clean => self.clean(&mut log),
            Act::Scrub => scrub(&log),
            _ => read(&log),
        };
        self.log = Some(log);
        done
    }

    fn dir(&self) -> &LogDir {
        self.dir.as_ref().unwrap()
    }

    fn open(&mut self) -> Result<(), Refusal> {
        if self.dir.is_none() {
            let opened = if self.has_journal {
                open_journalled(&self.disk)
            } else {
                open_dir(&self.disk)
            };
            self.dir = Some(opened.map_err(|error| of_dir(&error))?);
        }
        let dir = self.dir();
        let start = dir.open_as(&partition(0), topic_id(0));
        let path = dir.partition_dir(&partition(0));
        let (mut log, _) = match Log::open(dir.context(), &path, config(), start) {
            Ok(opened) => opened,
            Err(OpenError::DirFailed(_)) => return Err(Refusal::Latched),
            Err(error @ OpenError::Io { .. }) => return Err(refused(&error, false)),
            Err(error) => panic!("taken for something else: {error:?}"),
        };
        let end = log.log_end();
        if log.latest_epoch() != Some(EPOCH) {
            log.assign_epoch(EPOCH, end).unwrap();
        }
        self.now.flushed_end = end.0;
        self.written.truncate(usize::try_from(end.0).unwrap());
        self.now.written_end = self.written.len();
        self.pending.clear();
        self.log = Some(log);
        Ok(())
    }

    fn append(&mut self, log: &mut Log, batches: usize) -> Result<(), Refusal> {
        if self.pending.is_empty() {
            for _ in 0..batches {
                let first = self.written.len();
                for _ in 0..=self.random.below(2) {
                    let number = self.written.len();
                    let mut value = number.to_be_bytes().to_vec();
                    value.resize(8 + self.random.below(400), number.to_le_bytes()[0]);
                    let value = (!self.random.one_in(9)).then(|| value.into());
                    let key = u8::try_from(self.random.below(7)).unwrap();
                    self.written.push((key, value));
                }
                self.pending.push(batch(&self.written[first..]));
            }
            self.now.written_end = self.written.len();
        }
        match log.append_as_leader(self.pending.clone(), EPOCH, NOW) {
            Ok(_) => {
                self.pending.clear();
                Ok(())
            }
            Err(AppendError::DirFailed(_)) => Err(Refusal::Latched),
            Err(error @ AppendError::NoRoom { .. }) => Err(refused(&error, true)),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// What nobody waits for is done afterwards.
    fn sync(&mut self, log: &mut Log, request: FlushRequest) -> Result<(), Refusal> {
        let flusher = Flusher::without_threads(Arc::clone(&self.dir().context().latch), 10);
        let token = request.token();
        let (tell, told) = mpsc::channel();
        flusher.submit(request, Box::new(move |done| tell.send(done).unwrap()));
        flusher.run_waiting();
        match told.recv().unwrap() {
            Ok(()) => {}
            Err(FlushError::DirFailed(_)) => return Err(Refusal::Latched),
            Err(error @ FlushError::NoDescriptor { .. }) => return Err(refused(&error, true)),
            Err(error) => panic!("taken for something else: {error:?}"),
        }
        log.flushed(&token);
        self.now.flushed_end = log.flushed_end().0;
        while flusher.run_cleaning() {}
        Ok(())
    }

    fn checkpoint(&mut self, log: &mut Log) -> Result<(), Refusal> {
        let begun = log.begin_checkpoint().map_err(|error| of_close(&error))?;
        if let Some(request) = begun {
            self.sync(log, request)?;
        }
        let written = self.dir().write_recovery_points();
        written.map_err(|error| of_dir(&error))
    }

    fn write_start(&mut self, log: &Log) -> Result<(), Refusal> {
        let written = self.dir().write_log_starts();
        written.map_err(|error| of_dir(&error))?;
        self.now.start.0 = log.log_start().0;
        Ok(())
    }

    fn trim(&mut self, log: &mut Log) -> Result<(), Refusal> {
        let (start, end) = (log.log_start().0, log.flushed_end().0);
        let to = start + (end - start) / 4;
        self.now.start.1 = self.now.start.1.max(to);
        log.raise_log_start(Offset(to));
        self.write_start(log)
    }

    fn retain(&mut self, log: &mut Log) -> Result<(), Refusal> {
        let config = LogConfig {
            retention_bytes: Some(log.bytes() / 2),
            ..log.config().clone()
        };
        log.set_config(config).unwrap();
        let retained = log.retain(log.flushed_end(), NOW);
        let retained = retained.map_err(|error| of_delete(&error))?;
        self.now.start.1 = self.now.start.1.max(log.log_start().0);
        if retained.is_some_and(|retained| retained.rolled) {
            let synced = self.dir().sync_log(&partition(0));
            synced.map_err(|_| Refusal::Latched)?;
        }
        self.write_start(log)
    }

    fn delete(&mut self, log: &mut Log) -> Result<(), Refusal> {
        let start = Offset(self.now.start.0);
        while let Some(deleted) = log.delete_segments(start).map_err(|e| of_delete(&e))? {
            deleted.sync().map_err(|_| Refusal::Latched)?;
            let is_all = deleted.is_all();
            self.deleted.push(deleted);
            if is_all {
                break;
            }
        }
        Ok(())
    }

    fn remove(&mut self) -> Result<(), Refusal> {
        let has_failed = self.has_failed();
        for deleted in std::mem::take(&mut self.deleted) {
            let removed = deleted.remove();
            if has_failed {
                assert!(removed.is_err(), "removed from a directory that has failed");
            }
            // What stays goes at the next start.
            removed.map_err(|error| refused(&error, true))?;
        }
        Ok(())
    }

    fn clean(&mut self, log: &mut Log) -> Result<(), Refusal> {
        let settings = CompactionSettings {
            dirty_ratio_min: 0.0,
            ..CompactionSettings::default()
        };
        let reader = log.reader();
        let end = log.flushed_end();
        let Some(plan) = reader.plan_cleaning(end, &settings, NOW) else {
            return Ok(());
        };
        self.now.cleaned_before = end.0;
        let (config, producer_ends) = (log.config().clone(), log.producer_ends());
        let job = CleanJob {
            log: &reader,
            config: &config,
            plan,
            settings: &settings,
            producer_ends: &producer_ends,
            now: NOW,
        };
        let memory = CleanerSettings {
            map_bytes_max: 1 << 16,
            io_bytes: 700,
        };
        match Cleaner::new(memory).clean(&job, &mut Owner(log, 0)) {
            Ok(_) => Ok(()),
            Err(CleanError::DirFailed(_)) => Err(Refusal::Latched),
            Err(error @ (CleanError::NoRoom { .. } | CleanError::Read { .. })) => {
                Err(refused(&error, false))
            }
            Err(error) => panic!("taken for something else: {error:?}"),
        }
    }

    /// The process ends, whatever comes of it.
    fn close(&mut self, log: Log) -> Result<(), Refusal> {
        let dir = self.dir.take().unwrap();
        self.deleted.clear();
        let closed = log.close().map(|end| {
            self.now.flushed_end = end.0;
            dir.mark_clean_shutdown(None)
        });
        let is_latched = dir.context().latch.failure().is_some();
        match closed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(of_dir(&error)),
            Err(error) => Err(of_close(&error)),
        }
        .inspect_err(|refusal| assert_eq!(matches!(refusal, Refusal::Latched), is_latched))
    }
}

fn scrub(log: &Log) -> Result<(), Refusal> {
    let reader = log.reader();
    let mut place = reader.scrub_place(reader.log_start());
    while let Some(at) = place {
        let step = reader.scrub(at, 1000);
        place = step.map_err(|error| of_read(&error))?.next;
    }
    Ok(())
}

pub(super) fn read(log: &Log) -> Result<(), Refusal> {
    let reader = log.reader();
    let mut from = reader.log_start();
    while from < log.log_end() {
        let bytes = reader.read(from, Offset(i64::MAX), 2000);
        let bytes = bytes.map_err(|error| of_read(&error))?;
        for batch in trimaran_types::record_batch::split(bytes) {
            from = batch.unwrap().header().next_offset();
        }
    }
    Ok(())
}
