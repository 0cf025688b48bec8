//! What a start does with a swap of segments that a stop has interrupted: complete it from the
//! moment on at which it was committed, undo it before. The steps are those of
//! [`super::replace_segments`]; each may be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use trimaran_types::Offset;
use trimaran_types::record_batch::RecordBatch;

use super::open::{OpenError, at, sync_dir, unchanged};
use crate::context::LogContext;
use crate::damage::Damage;
use crate::disk::{DiskEntry, OpenHow};
use crate::header_hop::{HeaderHop, HopError, PlacedHeader};
use crate::index::{self, IndexEntry, OffsetEntry, TimeEntry};
use crate::names::{CLEANED_SUFFIX, SWAP_SUFFIX, SegmentFile, suffixed};

/// What a swap replaces, the log last: the others may not lack it.
const KINDS: [SegmentFile; 4] = [
    SegmentFile::Aborted,
    SegmentFile::TimeIndex,
    SegmentFile::OffsetIndex,
    SegmentFile::Log,
];

/// The files of one unfinished swap.
#[derive(Debug, Default)]
struct Unfinished {
    cleaned: BTreeSet<SegmentFile>,
    swap: BTreeSet<SegmentFile>,
}

/// Ends what was interrupted and tells what is in the directory then.
pub(crate) fn finish_swap(
    context: &LogContext,
    dir: &Path,
    entries: Vec<DiskEntry>,
) -> Result<Vec<DiskEntry>, OpenError> {
    let mut found: BTreeMap<Offset, Unfinished> = BTreeMap::new();
    let mut logs = BTreeSet::new();
    for entry in &entries {
        if let Some((SegmentFile::Log, base)) = SegmentFile::parse(&entry.name) {
            logs.insert(base);
        }
        for suffix in [CLEANED_SUFFIX, SWAP_SUFFIX] {
            let parsed = entry.name.strip_suffix(suffix).and_then(SegmentFile::parse);
            if let Some((kind, base)) = parsed {
                let of_base = found.entry(base).or_default();
                let kinds = if suffix == SWAP_SUFFIX {
                    &mut of_base.swap
                } else {
                    &mut of_base.cleaned
                };
                kinds.insert(kind);
            }
        }
    }
    if found.is_empty() {
        return Ok(entries);
    }
    for (base, files) in found {
        let ending = Ending {
            context,
            dir,
            base,
            logs: &logs,
        };
        let committed = ending.is_committed(&files)?;
        if committed {
            ending.complete(&files)?;
        } else {
            // These must be gone first: without the others they would look like a committed swap.
            ending.remove(&files.swap, SWAP_SUFFIX)?;
            ending.sync()?;
        }
        ending.remove(&files.cleaned, CLEANED_SUFFIX)?;
        tracing::info!(dir = %dir.display(), base = base.0, committed, "an interrupted swap was ended");
    }
    context.disk.list(dir).map_err(at(dir))
}

/// An entry of an index, made from the batch that it stands for.
trait FromBatch: IndexEntry {
    /// `None` when the batch lies too far behind the segment's base for an index.
    fn from_batch(base: Offset, placed: &PlacedHeader) -> Option<Self>;
}

fn last_of(base: Offset, placed: &PlacedHeader) -> Option<u32> {
    u32::try_from(placed.header.last_offset().distance_from(base)).ok()
}

impl FromBatch for OffsetEntry {
    fn from_batch(base: Offset, placed: &PlacedHeader) -> Option<Self> {
        Some(Self {
            last: last_of(base, placed)?,
            position: u32::try_from(placed.position).ok()?,
        })
    }
}

impl FromBatch for TimeEntry {
    fn from_batch(base: Offset, placed: &PlacedHeader) -> Option<Self> {
        Some(Self {
            timestamp: placed.header.max_timestamp,
            last: last_of(base, placed)?,
        })
    }
}

struct Ending<'a> {
    context: &'a LogContext,
    dir: &'a Path,
    base: Offset,
    /// The bases of all segments.
    logs: &'a BTreeSet<Offset>,
}

impl Ending<'_> {
    /// Whether the new segment wins. With its log's first name gone and its last one there, the marker
    /// alone tells, and is believed only if the log says the same: it reaches over others, or
    /// the new indexes are its own.
    fn is_committed(&self, files: &Unfinished) -> Result<bool, OpenError> {
        if files.swap.contains(&SegmentFile::Log) {
            return Ok(true);
        }
        let is_marked = files.swap.contains(&SegmentFile::TimeIndex)
            && !files.cleaned.contains(&SegmentFile::Log)
            && self.logs.contains(&self.base);
        if !is_marked {
            return Ok(false);
        }
        Ok(self.replaced(self.end_of_new(files)?).next().is_some()
            || (self.is_index_of_log::<OffsetEntry>(files, SegmentFile::OffsetIndex)?
                && self.is_index_of_log::<TimeEntry>(files, SegmentFile::TimeIndex)?))
    }

    /// Whether every entry of the new index, if it still waits for its name, stands for a batch of
    /// the log.
    fn is_index_of_log<E: FromBatch>(
        &self,
        files: &Unfinished,
        kind: SegmentFile,
    ) -> Result<bool, OpenError> {
        if !files.swap.contains(&kind) {
            return Ok(true);
        }
        let path = SegmentFile::Log.path(self.dir, self.base);
        let file = self.context.disk.open(&path, OpenHow::Existing);
        let file = file.map_err(at(&path))?;
        let bytes = file.bytes().map_err(at(&path))?;
        let path = suffixed(&kind.path(self.dir, self.base), SWAP_SUFFIX);
        let index = self.context.disk.open(&path, OpenHow::Existing);
        // An entry is smaller than the batch that it stands for.
        let entries = index.and_then(|index| index::load::<E>(index.as_ref(), bytes));
        let Some(entries) = entries.map_err(at(&path))? else {
            return Ok(false);
        };
        let mut waiting = entries.iter().peekable();
        for placed in HeaderHop::new(file.as_ref(), 0, bytes).map_while(Result::ok) {
            waiting.next_if(|entry| E::from_batch(self.base, &placed) == Some(**entry));
        }
        Ok(waiting.next().is_none())
    }

    /// The segments behind the first that one up to `end` replaces.
    fn replaced(&self, end: Offset) -> impl Iterator<Item = Offset> {
        let behind = self.logs.range(self.base.next()..);
        behind.take_while(move |base| **base < end).copied()
    }

    /// The old segments go first: once the new one has its name, only its time index tells.
    fn complete(&self, files: &Unfinished) -> Result<(), OpenError> {
        let end = self.end_of_new(files)?;
        for base in self.replaced(end) {
            for kind in KINDS {
                self.remove_file(&kind.path(self.dir, base))?;
            }
        }
        if files.swap.contains(&SegmentFile::Log) {
            // Of the old segment, unless they are the new ones; they are made anew then.
            for kind in &KINDS[..3] {
                if !files.swap.contains(kind) {
                    self.remove_file(&kind.path(self.dir, self.base))?;
                }
            }
        }
        self.sync()?;
        for kind in [
            SegmentFile::Aborted,
            SegmentFile::OffsetIndex,
            SegmentFile::Log,
        ] {
            self.take_name(files, kind)?;
        }
        self.sync()?;
        self.take_name(files, SegmentFile::TimeIndex)?;
        self.sync()
    }

    fn take_name(&self, files: &Unfinished, kind: SegmentFile) -> Result<(), OpenError> {
        // All were durable under their first name before any got its second one.
        let suffix = if files.swap.contains(&kind) {
            SWAP_SUFFIX
        } else if files.cleaned.contains(&kind) {
            CLEANED_SUFFIX
        } else {
            return Ok(());
        };
        let path = kind.path(self.dir, self.base);
        let renamed = self.context.disk.rename(&suffixed(&path, suffix), &path);
        renamed.map_err(unchanged(self.context, &path))
    }

    /// Where the new segment ends: it replaces what begins below.
    ///
    /// Segments are deleted by this, so the batch that says it must have a good checksum and lie behind
    /// the one before it, and the next segment must begin there: a swap replaces finished segments, and
    /// syncs the names of all others before it counts.
    fn end_of_new(&self, files: &Unfinished) -> Result<Offset, OpenError> {
        let named = SegmentFile::Log.path(self.dir, self.base);
        let path = if files.swap.contains(&SegmentFile::Log) {
            suffixed(&named, SWAP_SUFFIX)
        } else {
            named
        };
        let file = self.context.open(&path, OpenHow::Existing);
        let file = file.map_err(at(&path))?;
        let bytes = file.bytes().map_err(at(&path))?;
        let corrupt = |position, offset, cause| OpenError::Corrupt {
            file: path.clone(),
            position,
            offset,
            cause,
        };
        let (mut end, mut last) = (self.base, None);
        for placed in HeaderHop::new(file.as_ref(), 0, bytes) {
            let placed = match placed {
                Ok(placed) => placed,
                Err(HopError::Io(source)) => return Err(at(&path)(source)),
                Err(HopError::Batch { position, cause }) => {
                    return Err(corrupt(position, end, Damage::Batch(cause)));
                }
            };
            let (expected, found) = (end, placed.header.base_offset);
            if found < expected {
                let cause = Damage::OffsetOutOfOrder { expected, found };
                return Err(corrupt(placed.position, end, cause));
            }
            end = placed.header.next_offset();
            last = Some(placed);
        }
        if let Some(placed) = last {
            let mut raw = Vec::new();
            file.read_at(placed.position, placed.header.total_bytes(), &mut raw)
                .map_err(at(&path))?;
            RecordBatch::parse(raw.into()).map_err(|cause| {
                corrupt(placed.position, placed.header.base_offset, cause.into())
            })?;
        }
        if last.is_none() || !self.logs.contains(&end) {
            let behind = self.logs.range(end.next()..).next();
            let cause = Damage::SegmentOutOfPlace {
                expected: end,
                found: *behind.or(self.logs.last()).unwrap_or(&self.base),
            };
            return Err(corrupt(bytes, end, cause));
        }
        Ok(end)
    }

    fn remove(&self, kinds: &BTreeSet<SegmentFile>, suffix: &str) -> Result<(), OpenError> {
        kinds.iter().try_for_each(|kind| {
            self.remove_file(&suffixed(&kind.path(self.dir, self.base), suffix))
        })
    }

    fn remove_file(&self, path: &Path) -> Result<(), OpenError> {
        match self.context.disk.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(unchanged(self.context, path)(error))
            }
            _ => Ok(()),
        }
    }

    fn sync(&self) -> Result<(), OpenError> {
        sync_dir(self.context, self.dir).map_err(unchanged(self.context, self.dir))
    }
}
