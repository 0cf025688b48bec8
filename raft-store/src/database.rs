//! The RocksDB database: how it is opened, and what is found in it.
//!
//! It refuses a log with a hole, a value whose checksum is wrong, and a store written by a newer
//! build. A record torn off the end of the write-ahead log by a crash was never acknowledged and
//! is cut by RocksDB; damage before the end makes it refuse to open, which is what we want: a
//! node whose log is silently shorter could take back what it acknowledged. RocksDB cannot tell a
//! torn end from one that was synced and is gone; [`crate::synced_end_note`] can.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType,
    DBRecoveryMode, Direction, IteratorMode, Options, ReadOptions,
};

use crate::format::{self, FormatError};

const META: &str = "meta";
const LOG: &str = "log";
const SNAPSHOT: &str = "snapshot";

/// RocksDB keeps a small write-ahead log only if the total is bounded: tiny column families would
/// pin its files for ever.
const WAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
const BLOCK_CACHE_BYTES: usize = 4 * 1024 * 1024;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// RocksDB refused.
    #[error("cannot open the raft store: {0}")]
    Database(#[from] rocksdb::Error),
    /// A stored value is damaged or of a newer build.
    #[error("the raft store is damaged: {what}: {cause}")]
    Format {
        /// Which value.
        what: String,
        /// What is wrong with it.
        cause: FormatError,
    },
    /// The log misses an entry.
    #[error("the raft store is damaged: entry {expected} is missing from the log, found {found}")]
    Hole {
        /// The index that should have come next.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// A number that no cluster can have counted to; raft could not count on from it.
    #[error(
        "the raft store cannot be used: {what} is of term {term} and index {index}, far beyond what a \
         cluster can come to: a forged or damaged message brought it here"
    )]
    OutOfRange {
        /// Which value.
        what: &'static str,
        /// Its term.
        term: u64,
        /// Its index; 0 for a vote.
        index: u64,
    },
    /// The database holds less than it had synced.
    #[error(
        "the raft store has lost what it had synced: it holds {found}, and had {noted}; its disk \
         lost data, or an older copy was put in its place"
    )]
    LostTail {
        /// What was synced.
        noted: String,
        /// What is there.
        found: String,
    },
    /// The note of what was synced cannot be read or made.
    #[error("cannot use {path}, the note of what the raft store has synced: {cause}")]
    Note {
        /// The file.
        path: String,
        /// The system's word.
        cause: std::io::Error,
    },
    /// Data is there, the format marker is not.
    #[error("the raft store is damaged: it has no format marker")]
    Unmarked,
    /// The writer thread could not be started.
    #[error("cannot start the raft store's writer: {0}")]
    Thread(std::io::Error),
}

impl OpenError {
    pub(crate) fn format(what: impl Into<String>) -> impl FnOnce(FormatError) -> Self {
        let what = what.into();
        move |cause| Self::Format { what, cause }
    }
}

/// Stored entries as `(index, value)`.
pub(crate) struct LogPiece {
    pub(crate) entries: Vec<(u64, Vec<u8>)>,
    /// Stored bytes of all of them.
    pub(crate) bytes: usize,
    /// Whether it ends where the bytes were used up, not where the range did.
    pub(crate) is_cut: bool,
}

/// The open database with its three column families.
pub(crate) struct Database {
    db: DB,
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let mut options = database_options()?;
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
        let families = [
            (rocksdb::DEFAULT_COLUMN_FAMILY_NAME, 64 * 1024),
            (META, 1024 * 1024),
            (LOG, 8 * 1024 * 1024),
            (SNAPSHOT, 4 * 1024 * 1024),
        ]
        .map(|(name, write_buffer_bytes)| {
            ColumnFamilyDescriptor::new(name, family_options(&cache, write_buffer_bytes))
        });
        Ok(Self {
            db: DB::open_cf_descriptors(&options, path, families)?,
        })
    }

    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    fn family(&self, name: &'static str) -> &ColumnFamily {
        self.db
            .cf_handle(name)
            .expect("every family is created when the database is opened")
    }

    pub(crate) fn meta(&self) -> &ColumnFamily {
        self.family(META)
    }

    pub(crate) fn log(&self) -> &ColumnFamily {
        self.family(LOG)
    }

    pub(crate) fn snapshot(&self) -> &ColumnFamily {
        self.family(SNAPSHOT)
    }

    pub(crate) fn meta_value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, rocksdb::Error> {
        self.db.get_cf(self.meta(), key)
    }

    /// Stored entries of `[start, end)` in order; stops before `bytes_max` is passed, but never
    /// before the first.
    pub(crate) fn read_log(
        &self,
        start: u64,
        end: u64,
        bytes_max: usize,
    ) -> Result<LogPiece, rocksdb::Error> {
        let mut piece = LogPiece {
            entries: Vec::new(),
            bytes: 0,
            is_cut: false,
        };
        self.walk_log(start, Some(end), |index, value| {
            let bytes = piece.bytes.saturating_add(value.len());
            if !piece.entries.is_empty() && bytes > bytes_max {
                piece.is_cut = true;
                return false;
            }
            piece.bytes = bytes;
            piece.entries.push((index, value.to_vec()));
            true
        })?;
        Ok(piece)
    }

    /// Walks the log from `start` while `visit` says so. A key that is not an index ends the walk
    /// as index `u64::MAX`, which no log reaches.
    pub(crate) fn walk_log(
        &self,
        start: u64,
        end: Option<u64>,
        mut visit: impl FnMut(u64, &[u8]) -> bool,
    ) -> Result<(), rocksdb::Error> {
        let mut read = ReadOptions::default();
        read.set_iterate_lower_bound(format::log_key(start).to_vec());
        if let Some(end) = end {
            read.set_iterate_upper_bound(format::log_key(end).to_vec());
        }
        let first = format::log_key(start);
        let mode = IteratorMode::From(&first, Direction::Forward);
        for item in self.db.iterator_cf_opt(self.log(), read, mode) {
            let (key, value) = item?;
            let index = format::parse_log_key(&key).unwrap_or(u64::MAX);
            if !visit(index, &value) {
                break;
            }
        }
        Ok(())
    }

    /// Every snapshot sequence of which at least one chunk is stored.
    pub(crate) fn snapshot_sequences(&self) -> Result<Vec<u64>, OpenError> {
        let mut sequences = Vec::new();
        let mut next = 0_u64;
        loop {
            let mut read = ReadOptions::default();
            read.set_iterate_lower_bound(format::snapshot_first_key(next).to_vec());
            let mut iterator = self
                .db
                .iterator_cf_opt(self.snapshot(), read, IteratorMode::Start);
            let Some(item) = iterator.next() else { break };
            let (key, _) = item?;
            let sequence = format::parse_snapshot_sequence(&key)
                .map_err(OpenError::format("a snapshot key"))?;
            sequences.push(sequence);
            let Some(after) = sequence.checked_add(1) else {
                break;
            };
            next = after;
        }
        Ok(sequences)
    }
}

fn database_options() -> Result<Options, rocksdb::Error> {
    // The binding has no setter for this one. After a failed sync RocksDB must not resume by
    // itself: the first failure is final.
    let mut options = Options::default().get_options_from_string("max_bgerror_resume_count=0")?;
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_recycle_log_file_num(0);
    options.set_max_background_jobs(2);
    options.set_max_open_files(128);
    options.set_keep_log_file_num(3);
    options.set_max_log_file_size(1024 * 1024);
    options.set_stats_dump_period_sec(0);
    options.set_bytes_per_sync(1024 * 1024);
    options.set_manifest_preallocation_size(64 * 1024);
    Ok(options)
}

fn family_options(cache: &Cache, write_buffer_bytes: usize) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(write_buffer_bytes);
    options.set_max_write_buffer_number(2);
    options.set_compression_type(DBCompressionType::None);
    options
}

/// The database while it is open. Readers of a closed store get `None`.
#[derive(Clone)]
pub(crate) struct DatabaseHandle(Arc<RwLock<Option<Arc<Database>>>>);

impl DatabaseHandle {
    pub(crate) fn new(database: Database) -> Self {
        Self(Arc::new(RwLock::new(Some(Arc::new(database)))))
    }

    pub(crate) fn get(&self) -> Option<Arc<Database>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn take(&self) -> Option<Arc<Database>> {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}
