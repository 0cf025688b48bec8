//! What a start does with a swap of segments that a stop has interrupted: complete it from the
//! moment on at which it was committed, undo it before. The steps are those of
//! [`super::replace_segments`]; each may be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use trimaran_types::Offset;

use super::open::{OpenError, at, sync_dir, unchanged};
use crate::context::LogContext;
use crate::damage::Damage;
use crate::disk::{DiskEntry, OpenHow};
use crate::header_hop::{HeaderHop, HopError};
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
pub(super) fn finish_swap(
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
        let ending = Ending { context, dir, base };
        let committed = files.swap.contains(&SegmentFile::Log)
            || (files.swap.contains(&SegmentFile::TimeIndex)
                && !files.cleaned.contains(&SegmentFile::Log)
                && logs.contains(&base));
        if committed {
            ending.complete(&files, &logs)?;
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

struct Ending<'a> {
    context: &'a LogContext,
    dir: &'a Path,
    base: Offset,
}

impl Ending<'_> {
    /// The old segments go first: once the new one has its name, only its time index tells.
    fn complete(&self, files: &Unfinished, logs: &BTreeSet<Offset>) -> Result<(), OpenError> {
        let end = self.end_of_new(files)?;
        for base in logs
            .range(self.base.next()..)
            .take_while(|base| **base < end)
        {
            for kind in KINDS {
                self.remove_file(&kind.path(self.dir, *base))?;
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
        let mut end = self.base;
        for placed in HeaderHop::new(file.as_ref(), 0, bytes) {
            match placed {
                Ok(placed) => end = placed.header.next_offset(),
                Err(HopError::Io(source)) => return Err(at(&path)(source)),
                Err(HopError::Batch { position, cause }) => {
                    return Err(OpenError::Corrupt {
                        file: path,
                        position,
                        offset: end,
                        cause: Damage::Batch(cause),
                    });
                }
            }
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
