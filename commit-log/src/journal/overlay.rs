//! [`ReadThroughJournal`]: a directory of logs as the next start will find it, for those who only look.
//!
//! Reads segments as if what the journal has of them had been put in place. Changes nothing, and refuses
//! to. Keeps the live bytes of the journal in memory, as many as its files have at most. Beside a broker
//! that runs, a half may be begun anew between two looks: what looks unsound is looked at again.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use trimaran_types::Offset;

use super::distrust::Distrust;
use super::replay::{ReplayError, each_live};
use super::scan::{Scanned, Unsound};
use crate::change_error::ChangeError;
use crate::disk::{Disk, DiskDir, DiskEntry, DiskFile, OpenHow};
use crate::log_dir::is_marked_clean;
use crate::names::SegmentFile;

/// Position and bytes, in the order in which they are put in place.
type Pieces = Arc<Vec<(u64, Bytes)>>;

type Segments = HashMap<(String, Offset), Vec<(u64, Bytes)>>;

/// How often a journal that looks unsound is looked at before it counts as such whatever happens to it.
const LOOKS_MAX: usize = 10;

/// What the journal of a directory of logs makes of it.
#[derive(Debug)]
pub struct ReadThroughJournal {
    disk: Arc<dyn Disk>,
    segments: HashMap<(String, Offset), Pieces>,
    distrust: Distrust,
    unsound: Option<String>,
}

impl ReadThroughJournal {
    /// Looks at the journal in `logs_dir`, if there is one.
    ///
    /// # Errors
    /// The system refused.
    pub fn over(disk: Arc<dyn Disk>, logs_dir: &Path) -> io::Result<Self> {
        // After a clean stop nothing in it counts.
        let found = if is_marked_clean(disk.as_ref(), logs_dir)? {
            Ok(Segments::new())
        } else {
            look(disk.as_ref(), logs_dir)?
        };
        let (segments, unsound) = match found {
            Ok(segments) => (segments, None),
            Err(unsound) => (Segments::new(), Some(unsound.to_string())),
        };
        Ok(Self {
            distrust: Distrust::look(disk.as_ref(), logs_dir)?,
            segments: segments
                .into_iter()
                .map(|(key, pieces)| (key, Arc::new(pieces)))
                .collect(),
            disk,
            unsound,
        })
    }

    /// Why the next start will believe nothing of the journal, if it will not: then it takes every log of
    /// the directory for damaged.
    #[must_use]
    pub fn unsound(&self) -> Option<&str> {
        self.unsound.as_deref()
    }

    /// Whether the next start will take the log in `dir` for damaged because of a journal.
    #[must_use]
    pub fn is_damaged(&self, dir: &Path) -> bool {
        self.unsound.is_some() || self.distrust.has(dir)
    }

    /// Bytes of the log in `dir` that are in the journal and not in its segments.
    ///
    /// # Errors
    /// The system refused.
    pub fn bytes_of(&self, dir: &Path) -> io::Result<u64> {
        let name = dir.file_name().and_then(|name| name.to_str());
        let mut all = 0;
        for ((folder, base), pieces) in &self.segments {
            if Some(folder.as_str()) != name {
                continue;
            }
            let path = SegmentFile::Log.path(dir, *base);
            let file = match self.disk.open(&path, OpenHow::Existing) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for (position, bytes) in pieces.iter() {
                let mut there = Vec::new();
                file.read_at(*position, bytes.len(), &mut there)?;
                all += if there == *bytes {
                    0
                } else {
                    bytes.len() as u64
                };
            }
        }
        Ok(all)
    }

    fn pieces(&self, dir: &Path, name: &str) -> Option<&Pieces> {
        let folder = dir.file_name()?.to_str()?;
        match SegmentFile::parse(name)? {
            (SegmentFile::Log, base) => self.segments.get(&(folder.to_owned(), base)),
            _ => None,
        }
    }
}

/// What a start would put in place, or why it would not. A journal is unsound when it is so twice and
/// nothing was written in between.
fn look(disk: &dyn Disk, logs_dir: &Path) -> io::Result<Result<Segments, Unsound>> {
    let mut before = None;
    for _ in 1..LOOKS_MAX {
        let scanned = Scanned::read(disk, logs_dir)?;
        let newest = scanned.newest();
        match live_in(&scanned, logs_dir) {
            Err(ReplayError::Unsound(_)) if before != Some(newest) => before = Some(newest),
            found => return separate(found),
        }
    }
    separate(live_in(&Scanned::read(disk, logs_dir)?, logs_dir))
}

fn separate(found: Result<Segments, ReplayError>) -> io::Result<Result<Segments, Unsound>> {
    match found {
        Ok(segments) => Ok(Ok(segments)),
        Err(ReplayError::Unsound(unsound)) => Ok(Err(unsound)),
        Err(ReplayError::Change(error)) => Err(ChangeError::into_io(error)),
    }
}

fn live_in(scanned: &Scanned, logs_dir: &Path) -> Result<Segments, ReplayError> {
    if let Some(unsound) = scanned.unsound(logs_dir) {
        return Err(unsound.into());
    }
    let mut segments = Segments::new();
    each_live(scanned, |name, base, position, bytes| {
        let pieces = segments.entry((name.to_owned(), base)).or_default();
        pieces.push((position, bytes.clone()));
        Ok::<_, ReplayError>(())
    })?;
    Ok(segments)
}

/// How long a file is when the pieces that join have been put in place.
fn length(mut bytes: u64, pieces: &[(u64, Bytes)]) -> u64 {
    for (position, piece) in pieces {
        if *position <= bytes {
            bytes = bytes.max(position.saturating_add(piece.len() as u64));
        }
    }
    bytes
}

fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "only for looking")
}

impl Disk for ReadThroughJournal {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        if how != OpenHow::Existing {
            return Err(read_only());
        }
        let file = self.disk.open(path, how)?;
        let name = path.file_name().and_then(|name| name.to_str());
        let pieces = path.parent().zip(name);
        match pieces.and_then(|(dir, name)| self.pieces(dir, name)) {
            Some(pieces) => Ok(Arc::new(Patched {
                file,
                pieces: Arc::clone(pieces),
            })),
            None => Ok(file),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        let mut entries = self.disk.list(dir)?;
        for entry in entries.iter_mut().filter(|entry| !entry.is_dir) {
            if let Some(pieces) = self.pieces(dir, &entry.name) {
                entry.bytes = length(entry.bytes, pieces);
            }
        }
        Ok(entries)
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Err(read_only())
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(read_only())
    }

    fn remove_file(&self, _: &Path) -> io::Result<()> {
        Err(read_only())
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        Err(read_only())
    }

    fn open_dir(&self, _: &Path) -> io::Result<Box<dyn DiskDir>> {
        Err(read_only())
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        Err(read_only())
    }
}

/// A file with pieces put in place as it is read.
#[derive(Debug)]
struct Patched {
    file: Arc<dyn DiskFile>,
    pieces: Pieces,
}

impl DiskFile for Patched {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        let from = into.len();
        self.file.read_at(position, bytes_max, into)?;
        let end = self.bytes()?.min(position.saturating_add(bytes_max as u64));
        let wanted = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
        into.resize(from + wanted, 0);
        let mut length = self.file.bytes()?;
        for (at, piece) in self.pieces.iter() {
            if *at > length {
                continue;
            }
            let piece_end = at.saturating_add(piece.len() as u64);
            length = length.max(piece_end);
            let (low, high) = (position.max(*at), end.min(piece_end));
            if low < high {
                let index = |from: u64| usize::try_from(from).unwrap_or(usize::MAX);
                let target = from + index(low - position)..from + index(high - position);
                into[target].copy_from_slice(&piece[index(low - at)..index(high - at)]);
            }
        }
        Ok(wanted)
    }

    fn write_all_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(read_only())
    }

    fn truncate(&self, _: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(length(self.file.bytes()?, &self.pieces))
    }

    fn forget_cached(&self) {}
}
