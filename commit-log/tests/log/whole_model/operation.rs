//! [`Operation`]: what may be done to a log, drawn in any order, and the [`Form`] of the log it is done to.

use proptest::prelude::*;
use proptest::sample::Index;
use trimaran_commit_log::{JournalLimits, LogConfig, RoomLimits};

use super::memory_disk::Loss;

/// `delete.retention.ms` of every log.
pub(super) const DELETE_RETENTION_MS: i64 = 1500;
/// `segment.ms` of every log.
pub(super) const SEGMENT_MS: i64 = 4000;

/// Halves of six small flushes.
pub(super) const JOURNAL: JournalLimits = JournalLimits {
    half_bytes: 8 * 4096,
    flush_bytes_end: 1500,
    chunk_bytes: 4096,
    kept_bytes_max: 4000,
};

#[derive(Debug, Clone)]
pub(super) struct RecordSpec {
    pub(super) key: u8,
    pub(super) is_tombstone: bool,
    /// Its timestamp, from now.
    pub(super) ms: i64,
    pub(super) bytes: usize,
}

#[derive(Debug, Clone)]
pub(super) struct BatchSpec {
    pub(super) records: Vec<RecordSpec>,
    /// Not compressed, or in one of four codecs.
    pub(super) codec: i64,
    pub(super) producer: Option<i64>,
}

/// A pass of the cleaner.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    /// Slots of its map.
    pub(super) slots: usize,
    /// Answers until it is stopped.
    pub(super) go_on: usize,
}

/// What a leader does while its follower looks away.
#[derive(Debug, Clone)]
pub(super) enum Lead {
    Append(Vec<BatchSpec>),
    Commit,
    Trim(Index),
    Clean(Pass),
    /// Its topic is compacted from now on.
    AllowGaps,
}

/// Copying a leader's log.
#[derive(Debug, Clone)]
pub(super) struct Follow {
    /// From the leader's start; from the log's end otherwise.
    pub(super) anew: bool,
    /// Where the two histories part, if they do.
    pub(super) fork: Option<Index>,
    pub(super) lead: Vec<Lead>,
    pub(super) reads: usize,
    pub(super) bytes_max: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Operation {
    Append(Vec<BatchSpec>),
    /// A producer sends one of its batches again; 0 is its last one.
    Repeat(i64, usize),
    Follow(Follow),
    /// Time passes, so that the next append begins a segment.
    Roll(Vec<BatchSpec>),
    NewEpoch,
    Read {
        from: Index,
        before: Index,
        bytes_max: usize,
    },
    /// The first record at a time, from now, or later.
    FindTime(i64, Index),
    FindMaxTime(Index),
    Flush {
        commits: bool,
    },
    /// A flush whose end the log hears of later.
    Sync,
    Synced,
    Checkpoint,
    /// Where nothing is committed.
    Truncate(Index),
    /// From the log's end.
    StartOver(i64),
    Trim(Index),
    Retain {
        bytes: Option<u64>,
        ms: Option<u64>,
    },
    Clean(Pass),
    Wait(i64),
    Crash(Loss),
    Close(Loss),
}

fn record() -> impl Strategy<Value = RecordSpec> {
    let key = prop_oneof![2 => 0..5_u8, 1 => 0..40_u8];
    let ms = prop_oneof![3 => -300..300_i64, 1 => -6000..6000_i64];
    let bytes = prop_oneof![4 => 0..60_usize, 1 => 0..250_usize];
    (key, prop::bool::weighted(0.2), ms, bytes).prop_map(|(key, is_tombstone, ms, bytes)| {
        RecordSpec {
            key,
            is_tombstone,
            ms,
            bytes,
        }
    })
}

fn batches() -> impl Strategy<Value = Vec<BatchSpec>> {
    let batch = (
        prop::collection::vec(record(), 1..5),
        0..5_i64,
        prop_oneof![2 => Just(None), 1 => (0..3_i64).prop_map(Some)],
    );
    let batch = batch.prop_map(|(records, codec, producer)| BatchSpec {
        records,
        codec,
        producer,
    });
    prop::collection::vec(batch, 1..7)
}

fn pass() -> impl Strategy<Value = Pass> {
    let go_on = prop_oneof![4 => Just(usize::MAX), 1 => 1..60_usize];
    (17..60_usize, go_on).prop_map(|(slots, go_on)| Pass { slots, go_on })
}

fn follow() -> impl Strategy<Value = Follow> {
    let lead = prop_oneof![
        6 => batches().prop_map(Lead::Append),
        3 => Just(Lead::Commit),
        1 => any::<Index>().prop_map(Lead::Trim),
        3 => pass().prop_map(Lead::Clean),
        1 => Just(Lead::AllowGaps),
    ];
    (
        prop::bool::weighted(0.25),
        prop::option::weighted(0.3, any::<Index>()),
        prop::collection::vec(lead, 1..8),
        0..12_usize,
        1..3000_usize,
    )
        .prop_map(|(anew, fork, lead, reads, bytes_max)| Follow {
            anew,
            fork,
            lead,
            reads,
            bytes_max,
        })
}

fn loss() -> impl Strategy<Value = Loss> {
    let files = prop_oneof![1 => Just(0), 2 => Just(u64::MAX), 2 => any::<u64>()];
    (any::<bool>(), files).prop_map(|(names, files)| Loss { names, files })
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        12 => batches().prop_map(Operation::Append),
        3 => (0..3_i64, 0..6_usize).prop_map(|(who, back)| Operation::Repeat(who, back)),
        3 => follow().prop_map(Operation::Follow),
        3 => batches().prop_map(Operation::Roll),
        1 => Just(Operation::NewEpoch),
        5 => (any::<Index>(), any::<Index>(), 0..3000_usize)
            .prop_map(|(from, before, bytes_max)| Operation::Read { from, before, bytes_max }),
        4 => (-7000..7000_i64, any::<Index>()).prop_map(|(ms, before)| Operation::FindTime(ms, before)),
        4 => any::<Index>().prop_map(Operation::FindMaxTime),
        5 => any::<bool>().prop_map(|commits| Operation::Flush { commits }),
        1 => Just(Operation::Sync),
        1 => Just(Operation::Synced),
        1 => Just(Operation::Checkpoint),
        3 => any::<Index>().prop_map(Operation::Truncate),
        1 => (-200..200_i64).prop_map(Operation::StartOver),
        2 => any::<Index>().prop_map(Operation::Trim),
        2 => (prop::option::of(0..8000_u64), prop::option::of(0..9000_u64))
            .prop_map(|(bytes, ms)| Operation::Retain { bytes, ms }),
        5 => pass().prop_map(Operation::Clean),
        2 => (1..3000_i64).prop_map(Operation::Wait),
        2 => loss().prop_map(Operation::Crash),
        1 => loss().prop_map(Operation::Close),
    ]
}

pub(super) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 1..120)
}

/// How a log is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) compacted: bool,
    pub(super) has_journal: bool,
    pub(super) room_bytes: Option<u64>,
    pub(super) tail_bytes_max: usize,
}

impl Form {
    pub(super) fn config(self) -> LogConfig {
        LogConfig {
            segment_bytes: 2048,
            segment_ms: SEGMENT_MS.unsigned_abs(),
            index_interval_bytes: 200,
            index_bytes_max: 120,
            compacted: self.compacted,
            tail_bytes_max: self.tail_bytes_max,
            preallocate: self.room_bytes.is_some(),
            producer_id_expiration_ms: u64::MAX,
            ..LogConfig::default()
        }
    }

    pub(super) fn room(self) -> RoomLimits {
        let chunk_bytes = self.room_bytes.unwrap_or(0);
        RoomLimits {
            chunk_bytes_min: chunk_bytes,
            chunk_bytes_max: chunk_bytes,
            flushes_min: 1,
            ..RoomLimits::default()
        }
    }
}

pub(super) fn form() -> impl Strategy<Value = Form> {
    let room_bytes = prop_oneof![Just(None), Just(Some(100)), Just(Some(3000))];
    let tail_bytes_max = prop_oneof![Just(0), Just(700), Just(1 << 20)];
    let drawn = (
        prop::bool::weighted(0.75),
        any::<bool>(),
        room_bytes,
        tail_bytes_max,
    );
    drawn.prop_map(
        |(compacted, has_journal, room_bytes, tail_bytes_max)| Form {
            compacted,
            has_journal,
            room_bytes,
            tail_bytes_max,
        },
    )
}
