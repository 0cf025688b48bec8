//! Starts over a directory with a journal of any bytes, judged by a second reading of its rules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimaran_commit_log::{Flusher, JournalLimits, Log, OpenHow, ReadThroughJournal};
use trimaran_types::record_batch::{BatchBuilder, TimestampType, split};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::directory::{Directory, log_dir, logs_dir, open_dir, open_log};
use crate::journal::{HALVES, Owed};
use crate::memory_disk::{MemoryDisk, Tree};

/// Sixteen blocks a half.
const LIMITS: JournalLimits = JournalLimits {
    half_bytes: 64 * 1024,
    flush_bytes_end: 16 * 1024,
    chunk_bytes: 64 * 1024,
    kept_bytes_max: 1 << 20,
};

/// Segments and what they hold.
pub type Segments = BTreeMap<PathBuf, Vec<u8>>;

/// The same, borrowed, so that comparing takes no memory that would be measured.
type Borrowed<'a> = BTreeMap<&'a Path, &'a [u8]>;

fn segments_of(tree: &Tree) -> Borrowed<'_> {
    let is_log = |path: &Path| path.extension().is_some_and(|it| it == "log");
    tree.files_in(&log_dir())
        .filter(|(path, _)| is_log(path))
        .collect()
}

impl Directory {
    /// The log's segments.
    pub fn segments(&self) -> Segments {
        let segments = segments_of(&self.tree).into_iter();
        segments
            .map(|(path, content)| (path.to_owned(), content.to_vec()))
            .collect()
    }

    /// Looks at it without changing anything.
    ///
    /// # Panics
    /// What is seen is not what a start owes.
    pub fn look(&self, owed: &Owed) {
        let disk = MemoryDisk::holding(self.tree.clone());
        let through = ReadThroughJournal::over(Arc::new(disk), &logs_dir());
        let through = through.expect("memory does not fail");
        let is_damaged = through.is_damaged(&log_dir());
        let Owed::Files { files, is_short } = owed else {
            assert!(is_damaged, "it would be believed");
            return;
        };
        assert_eq!(is_damaged, *is_short);
        let seen_through = through.disk();
        for (path, content) in files {
            let file = seen_through.open(path, OpenHow::Existing);
            let file = file.expect("is there");
            let mut seen = Vec::new();
            let read = file.read_at(0, content.len() + 1, &mut seen);
            read.expect("memory does not fail");
            assert!(seen == *content, "{} is seen otherwise", path.display());
        }
    }

    /// Starts twice, and tells how many bytes the disk has more than before.
    ///
    /// # Panics
    /// The first start has put in place something else than is owed, or the second one anything; or a
    /// log opens that is not to be trusted, or one does not that was left alone.
    pub fn start_over(self, owed: &Owed) -> usize {
        let disk = MemoryDisk::holding(self.tree.clone());
        let dir = open_dir(&disk).expect("no journal keeps a directory from opening");
        let put = disk.tree();
        let owed_segments = match owed {
            Owed::Distrust => segments_of(&self.tree),
            Owed::Files { files, .. } => files
                .iter()
                .map(|(path, content)| (path.as_path(), content.as_slice()))
                .collect(),
        };
        let found = segments_of(&put);
        assert!(found == owed_segments, "something else was put in place");
        let log = open_log(&dir);
        match owed {
            Owed::Distrust | Owed::Files { is_short: true, .. } => {
                assert!(log.is_none(), "it may lack synced records");
            }
            Owed::Files { .. } if found == segments_of(&self.tree) => {
                assert!(log.is_some(), "nothing was changed");
            }
            Owed::Files { .. } => {}
        }
        log.as_ref().map(walk);
        drop((log, dir));
        let left = disk.tree();
        let again = MemoryDisk::holding(left.clone());
        let dir = open_dir(&again).expect("it opened before");
        let found = again.tree();
        assert!(
            segments_of(&found) == segments_of(&left),
            "it was put in place before"
        );
        drop(dir);
        found.bytes().saturating_sub(self.tree.bytes())
    }

    /// Goes on with the journal: what is made durable through it now is there after a power cut that
    /// takes the segment's own bytes.
    ///
    /// # Panics
    /// It is not.
    pub fn go_on(self) {
        let disk = MemoryDisk::holding(self.tree);
        let mut dir = open_dir(&disk).expect("no journal keeps a directory from opening");
        dir.use_journal(LIMITS).expect("memory does not fail");
        let Some(mut log) = open_log(&dir) else {
            return;
        };
        let end = log.log_end();
        let next = log.latest_epoch().map_or(Some(0), |it| it.0.checked_add(1));
        let Some(epoch) = next.map(LeaderEpoch) else {
            return;
        };
        if log.assign_epoch(epoch, end).is_err() {
            return;
        }
        let before = disk.tree();
        let mut builder = BatchBuilder::new(TimestampType::CreateTime);
        let pushed = builder.push(Timestamp(1), None, Some(b"last"), &[]);
        pushed.expect("it is small");
        let batch = builder.build().expect("one record");
        if log
            .append_as_leader(vec![batch], epoch, Timestamp(1))
            .is_err()
        {
            return;
        }
        let request = log.begin_flush().expect("there is something");
        let token = request.token();
        let flusher = Flusher::without_threads(Arc::clone(&dir.context().latch), 10);
        flusher.submit(
            request,
            Box::new(|done| done.expect("memory does not fail")),
        );
        flusher.run_waiting();
        log.flushed(&token);
        let after = disk.tree();
        drop((log, dir));
        let Some(cut) = without_segments(&before, after) else {
            return;
        };
        let disk = MemoryDisk::holding(cut);
        let dir = open_dir(&disk).expect("it opened before");
        let log = open_log(&dir).expect("it opened before");
        assert_eq!(log.log_end(), end.next(), "what was synced is gone");
        let last = log
            .reader()
            .read(end, Offset(i64::MAX), 1)
            .expect("is there");
        let batch = split(last).next().expect("is there").expect("is good");
        let record = batch.records().expect("not compressed").next();
        let record = record.expect("one").expect("is good");
        assert_eq!(record.value.as_deref(), Some(&b"last"[..]));
    }
}

/// What a power cut leaves that takes all segments back; `None` when the flush did not go through the
/// journal alone.
fn without_segments(before: &Tree, after: Tree) -> Option<Tree> {
    let old = segments_of(before);
    let is_same_set = segments_of(&after).keys().eq(old.keys());
    let half = |tree: &Tree, path: &Path| tree.file(path).map(<[u8]>::to_vec);
    let has_group = HALVES.iter().any(|name| {
        let path = logs_dir().join(name.trim_start_matches("logs/"));
        half(before, &path) != half(&after, &path)
    });
    let mut cut = after;
    for (path, content) in old {
        cut.put(path, content.to_vec());
    }
    (is_same_set && has_group).then_some(cut)
}

/// Reads all of a log of which nothing is known.
fn walk(log: &Log) {
    let reader = log.reader();
    let mut from = reader.log_start();
    while from < log.log_end() {
        let read = reader.read(from, Offset(i64::MAX), 1000);
        let last = read.ok().and_then(|bytes| split(bytes).last());
        from = match last {
            Some(batch) => batch
                .expect("only good ones are served")
                .header()
                .next_offset(),
            None => return,
        };
    }
}
