//! [`Storage`]: the ways to store that are compared.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags, fallocate};

use crate::load::{Load, Measured};
use crate::segment::Segment;
use crate::{journal, pool};

/// Files of one row have this many bytes together at most, so that a row fits in the page cache.
const ROW_BYTES: u64 = 1 << 30;
/// The same where all of it must be written first; it is used over and over anyway.
const RECYCLED_BYTES: u64 = 256 << 20;
const FILE_BYTES_MAX: u64 = 128 << 20;
const JOURNAL_BYTES: u64 = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Segments grow; each append lengthens its file.
    Growing,
    /// Segments grow by chunks of zeros, which appends overwrite.
    Room,
    /// Blocks are reserved, not written: the length stands, each append turns unwritten extents.
    Preallocated,
    /// Blocks were written before: a retired segment that is used again.
    Recycled,
    /// As `Preallocated`, past the page cache.
    DirectPreallocated,
    /// As `Recycled`, past the page cache.
    DirectRecycled,
    /// One recycled journal takes every append and is synced; segments are written, not synced.
    Journal,
}

impl Storage {
    pub(crate) const ALL: [Self; 7] = [
        Self::Growing,
        Self::Room,
        Self::Preallocated,
        Self::Recycled,
        Self::DirectPreallocated,
        Self::DirectRecycled,
        Self::Journal,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Growing => "growing",
            Self::Room => "room (zeros ahead)",
            Self::Preallocated => "preallocated",
            Self::Recycled => "recycled",
            Self::DirectPreallocated => "direct, preallocated",
            Self::DirectRecycled => "direct, recycled",
            Self::Journal => "journal + segments",
        }
    }

    pub(crate) fn run(self, root: &Path, load: Load) -> Measured {
        let bytes_max = self.file_bytes(load);
        let segments: Vec<Segment> = (0..load.partitions)
            .map(|number| {
                let file = self.open(&root.join(number.to_string()), bytes_max);
                Segment::new(file, self, bytes_max)
            })
            .collect();
        let journal = (self == Self::Journal).then(|| {
            let file = Self::Recycled.open(&root.join("journal"), JOURNAL_BYTES);
            Segment::new(file, Self::Recycled, JOURNAL_BYTES)
        });
        // The load begins with a clean slate: what the preparation left is not its cost.
        rustix::fs::sync();
        match journal {
            Some(journal) => journal::run(segments, journal, load),
            None => pool::run(segments, load),
        }
    }

    /// Bytes after which a partition's appends begin again at its file's start.
    fn file_bytes(self, load: Load) -> u64 {
        let row_bytes = match self {
            Self::Recycled | Self::DirectRecycled => RECYCLED_BYTES,
            _ => ROW_BYTES,
        };
        let append_bytes = load.append_bytes as u64;
        let even = (row_bytes / load.partitions as u64).min(FILE_BYTES_MAX);
        (even - even % append_bytes).max(append_bytes)
    }

    fn open(self, path: &Path, bytes: u64) -> File {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let plain = options.open(path).expect("opens");
        match self {
            Self::Growing | Self::Room | Self::Journal => return plain,
            Self::Preallocated | Self::DirectPreallocated => reserve(&plain, bytes),
            Self::Recycled | Self::DirectRecycled => fill(&plain, bytes),
        }
        plain.sync_all().expect("syncs");
        if matches!(self, Self::DirectPreallocated | Self::DirectRecycled) {
            let direct = OFlags::DIRECT.bits().cast_signed();
            return options.custom_flags(direct).open(path).expect("opens");
        }
        plain
    }
}

/// Reserves blocks and sets the length.
pub(crate) fn reserve(file: &File, bytes: u64) {
    fallocate(file, FallocateFlags::empty(), 0, bytes).expect("has room");
}

/// Writes every block.
fn fill(file: &File, bytes: u64) {
    let piece = vec![0x5a; 1 << 20];
    let mut position = 0;
    while position < bytes {
        let left = usize::try_from(bytes - position).unwrap_or(usize::MAX);
        let part = &piece[..piece.len().min(left)];
        file.write_all_at(part, position).expect("has room");
        position += part.len() as u64;
    }
}
