//! What a start does with a journal, before it opens any log: what the segments may lack is put in
//! place and synced, then the journal is emptied.
//!
//! Every step may be repeated: bytes that are in place are left, and the journal says that it is empty
//! only when all files are synced. A journal that is not sound is not believed at all: see
//! [`super::distrust`].

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimaran_types::Offset;

use super::distrust::Distrust;
use super::emptied::{Settled, say_empty};
use super::format::{BLOCK, Noted};
use super::scan::{HALVES, Scanned, Unsound, again};
use crate::change_error::{ChangeError, sync_data, sync_names};
use crate::disk::{Disk, DiskFile, OpenHow};
use crate::log::is_exhausted;
use crate::names::SegmentFile;
use crate::reader::is_unreadable;

/// Segments that are open at once while bytes are put in place.
const FILES_MAX: usize = 256;

/// Why nothing, or not all, of a journal was put in place.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplayError {
    #[error(transparent)]
    Unsound(#[from] Unsound),
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl From<io::Error> for ReplayError {
    fn from(error: io::Error) -> Self {
        Self::Change(error.into())
    }
}

impl ReplayError {
    /// For those who only look.
    pub(super) fn into_io(self) -> io::Error {
        match self {
            Self::Unsound(unsound) => io::Error::new(io::ErrorKind::InvalidData, unsound),
            Self::Change(error) => error.into_io(),
        }
    }
}

/// Ends what the last process left of its journal in `logs_dir`. After a clean stop nothing of it
/// counts.
///
/// # Errors
/// The system refused; it may be begun anew unless a sync failed.
pub(crate) fn settle(
    disk: &dyn Disk,
    logs_dir: &Path,
    was_clean: bool,
) -> Result<(Settled, Distrust), ChangeError> {
    let scanned = Scanned::read(disk, logs_dir)?;
    let mut distrust = Distrust::read(disk, logs_dir)?;
    match end(disk, logs_dir, &scanned, (was_clean, &mut distrust)) {
        Ok(settled) => Ok((settled, distrust)),
        Err(ReplayError::Change(error)) => Err(error),
        Err(ReplayError::Unsound(unsound)) => {
            tracing::error!(dir = %logs_dir.display(), cause = %unsound, was_clean, "the flush journal has lost synced bytes");
            if !was_clean {
                distrust.all_logs(disk, unsound.to_string())?;
            }
            put_aside(disk, logs_dir)?;
            Ok((Settled::default(), distrust))
        }
    }
}

fn end(
    disk: &dyn Disk,
    logs_dir: &Path,
    scanned: &Scanned,
    (was_clean, distrust): (bool, &mut Distrust),
) -> Result<Settled, ReplayError> {
    if let Some(unsound) = scanned.unsound(logs_dir) {
        return Err(unsound.into());
    }
    if !was_clean && !scanned.is_empty() {
        let unfit = replay(disk, logs_dir, scanned)?;
        // Before the journal forgets what they lack.
        distrust.add(disk, unfit)?;
    }
    Ok(say_empty(scanned)?)
}

fn put_aside(disk: &dyn Disk, logs_dir: &Path) -> Result<(), ChangeError> {
    let names_on_disk = disk.open_dir(logs_dir)?;
    for name in HALVES {
        let (from, to) = (
            logs_dir.join(name),
            logs_dir.join(format!("{name}.damaged")),
        );
        match disk.rename(&from, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    sync_names(names_on_disk.as_ref())
}

/// Where each log was last forgotten: the group and the entry's number in it. What stands there or before
/// is void.
pub(super) struct Forgotten(HashMap<String, (u64, usize)>);

impl Forgotten {
    pub(super) fn of(scanned: &Scanned) -> Result<Self, ReplayError> {
        let mut last = HashMap::new();
        for group in scanned.live() {
            let group = group?;
            for (number, (name, noted)) in group.entries().enumerate() {
                if noted == Noted::Forget {
                    last.insert(name.to_owned(), (group.sequence, number));
                }
            }
        }
        Ok(Self(last))
    }

    pub(super) fn makes_void(&self, name: &str, at: (u64, usize)) -> bool {
        self.0.get(name).is_some_and(|last| at <= *last)
    }
}

/// Bytes that a log has in the journal and that nothing later has made void, in order.
fn each_live(
    scanned: &Scanned,
    mut on_bytes: impl FnMut(&str, Offset, u64, &[u8]) -> Result<(), ReplayError>,
) -> Result<(), ReplayError> {
    let forgotten = Forgotten::of(scanned)?;
    for group in scanned.live() {
        let group = group?;
        for (number, (name, noted)) in group.entries().enumerate() {
            if let Noted::Bytes {
                base,
                position,
                bytes,
            } = noted
                && !forgotten.makes_void(name, (group.sequence, number))
            {
                on_bytes(name, base, position, bytes)?;
            }
        }
    }
    Ok(())
}

/// Puts in place and syncs what counts, and tells the names of the logs for which that cannot be.
fn replay(
    disk: &dyn Disk,
    logs_dir: &Path,
    scanned: &Scanned,
) -> Result<BTreeSet<String>, ReplayError> {
    let mut replay = Replay {
        disk,
        open: HashMap::new(),
        unfit: BTreeSet::new(),
        files: 0,
        bytes: 0,
    };
    each_live(scanned, |name, base, position, bytes| {
        let path = SegmentFile::Log.path(&logs_dir.join(name), base);
        Ok(replay.put(name, &path, position, bytes)?)
    })?;
    replay.sync()?;
    let (files, bytes) = (replay.files, replay.bytes);
    tracing::info!(dir = %logs_dir.display(), files, bytes, "the flush journal was put in place");
    Ok(replay.unfit)
}

/// Why bytes are not in place.
enum ReadOrChange {
    /// The segment cannot be read: damage of its log, and of no other.
    Read(io::Error),
    /// What concerns the directory.
    Change(ChangeError),
}

impl ReadOrChange {
    fn of(error: ChangeError) -> Self {
        match error {
            ChangeError::Refused(error) if is_unreadable(&error) => Self::Read(error),
            error => Self::Change(error),
        }
    }
}

struct Replay<'a> {
    disk: &'a dyn Disk,
    /// Files that are not synced yet.
    open: HashMap<PathBuf, Arc<dyn DiskFile>>,
    /// Logs whose segments have lost what they had, or cannot be read.
    unfit: BTreeSet<String>,
    files: usize,
    bytes: u64,
}

/// What a segment has where the journal has bytes of it.
#[derive(Debug, PartialEq, Eq)]
enum There {
    /// These bytes.
    Same,
    /// Others, or the file ends in them or before them.
    Other,
    /// The file ends further before. Whatever cuts a log makes the journal forget it first, so synced
    /// bytes are lost.
    Short,
}

fn there(file: &dyn DiskFile, position: u64, bytes: &[u8]) -> io::Result<There> {
    if file.bytes()? < position {
        return Ok(There::Short);
    }
    // From the beginning of a block: a write has to read it, too, and that may be what cannot be done.
    let before = position % BLOCK;
    let skipped = usize::try_from(before).unwrap_or(usize::MAX);
    let mut there = Vec::with_capacity(skipped + bytes.len());
    file.read_at(position - before, skipped + bytes.len(), &mut there)?;
    Ok(if there.get(skipped..) == Some(bytes) {
        There::Same
    } else {
        There::Other
    })
}

impl Replay<'_> {
    fn put(
        &mut self,
        name: &str,
        path: &Path,
        position: u64,
        bytes: &[u8],
    ) -> Result<(), ChangeError> {
        if self.unfit.contains(name) {
            return Ok(());
        }
        let cause = match self.put_in_place(path, position, bytes) {
            Ok(There::Same | There::Other) => return Ok(()),
            Ok(There::Short) => "the file is shorter than what was synced".to_owned(),
            Err(ReadOrChange::Read(error)) => error.to_string(),
            Err(ReadOrChange::Change(error)) => return Err(error),
        };
        tracing::error!(file = %path.display(), position, cause, "a log cannot take what the flush journal has of it, and is to be fetched again");
        self.unfit.insert(name.to_owned());
        Ok(())
    }

    fn put_in_place(
        &mut self,
        path: &Path,
        position: u64,
        bytes: &[u8],
    ) -> Result<There, ReadOrChange> {
        let Some(file) = self.file(path).map_err(ReadOrChange::of)? else {
            // Deleted, by retention or with its log.
            return Ok(There::Same);
        };
        let there = again(|| there(file.as_ref(), position, bytes));
        let there = there.map_err(|error| ReadOrChange::of(error.into()))?;
        if there == There::Other {
            let written = file.write_all_at(position, bytes);
            written.map_err(|error| ReadOrChange::Change(error.into()))?;
            self.bytes += bytes.len() as u64;
        }
        Ok(there)
    }

    /// The open file, which is synced later whether anything is written or not: what can be read may
    /// still not be on the device.
    fn file(&mut self, path: &Path) -> Result<Option<Arc<dyn DiskFile>>, ChangeError> {
        if let Some(file) = self.open.get(path) {
            return Ok(Some(Arc::clone(file)));
        }
        if self.open.len() >= FILES_MAX {
            self.sync()?;
        }
        let open = || self.disk.open(path, OpenHow::Existing);
        let mut opened = again(open);
        if matches!(&opened, Err(error) if is_exhausted(error)) && !self.open.is_empty() {
            // Lets go of all that are open.
            self.sync()?;
            opened = open();
        }
        match opened {
            Ok(file) => {
                file.forget_cached();
                self.open.insert(path.to_owned(), Arc::clone(&file));
                self.files += 1;
                Ok(Some(file))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn sync(&mut self) -> Result<(), ChangeError> {
        for (_, file) in self.open.drain() {
            sync_data(file.as_ref())?;
        }
        Ok(())
    }
}
