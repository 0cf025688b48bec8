//! What a start does with a journal, before it opens any log: what the segments may lack is put in
//! place and synced, then the journal is emptied.
//!
//! Every step may be repeated: bytes that are in place are left, and the journal says that it is empty
//! only when all files are synced. A journal that is not sound is not believed at all: see
//! [`super::distrust`].

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use trimaran_types::Offset;

use super::distrust::Distrust;
use super::emptied::{Settled, say_empty};
use super::scan::{HALVES, Scanned};
use crate::change_error::{ChangeError, sync_data, sync_names};
use crate::disk::{Disk, DiskFile, OpenHow};
use crate::log::is_exhausted;
use crate::names::SegmentFile;

/// Segments that are open at once while bytes are put in place.
const FILES_MAX: usize = 256;

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
    if let Some(unsound) = scanned.unsound(logs_dir) {
        tracing::error!(dir = %logs_dir.display(), cause = %unsound, was_clean, "the flush journal has lost synced bytes");
        if !was_clean {
            distrust.all_logs(disk, unsound.to_string())?;
        }
        put_aside(disk, logs_dir)?;
        return Ok((Settled::default(), distrust));
    }
    if !was_clean && !scanned.is_empty() {
        replay(disk, logs_dir, &scanned)?;
    }
    Ok((say_empty(&scanned)?, distrust))
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

/// Bytes that a log has in the journal and that nothing later has made void, in order.
pub(super) fn each_live<E: From<io::Error>>(
    scanned: &Scanned,
    mut on_bytes: impl FnMut(&str, Offset, u64, &Bytes) -> Result<(), E>,
) -> Result<(), E> {
    use super::format::Noted;
    let mut forgotten: HashMap<String, (u64, usize)> = HashMap::new();
    for group in scanned.live() {
        let group = group?;
        for (number, (name, noted)) in group.entries.into_iter().enumerate() {
            if noted == Noted::Forget {
                forgotten.insert(name, (group.sequence, number));
            }
        }
    }
    for group in scanned.live() {
        let group = group?;
        for (number, (name, noted)) in group.entries.iter().enumerate() {
            let is_void = forgotten
                .get(name)
                .is_some_and(|at| (group.sequence, number) <= *at);
            if let Noted::Bytes {
                base,
                position,
                bytes,
            } = noted
                && !is_void
            {
                on_bytes(name, *base, *position, bytes)?;
            }
        }
    }
    Ok(())
}

fn replay(disk: &dyn Disk, logs_dir: &Path, scanned: &Scanned) -> Result<(), ChangeError> {
    let mut replay = Replay {
        disk,
        open: HashMap::new(),
        files: 0,
        bytes: 0,
    };
    each_live(scanned, |name, base, position, bytes| {
        let path = SegmentFile::Log.path(&logs_dir.join(name), base);
        replay.put(path, position, bytes)
    })?;
    replay.sync()?;
    let (files, bytes) = (replay.files, replay.bytes);
    tracing::info!(dir = %logs_dir.display(), files, bytes, "the flush journal was put in place");
    Ok(())
}

struct Replay<'a> {
    disk: &'a dyn Disk,
    /// Files that are not synced yet.
    open: HashMap<PathBuf, Arc<dyn DiskFile>>,
    files: usize,
    bytes: u64,
}

impl Replay<'_> {
    fn put(&mut self, path: PathBuf, position: u64, bytes: &Bytes) -> Result<(), ChangeError> {
        let Some(file) = self.file(&path)? else {
            // Deleted, by retention or with its log.
            return Ok(());
        };
        if file.bytes()? < position {
            tracing::error!(file = %path.display(), position, "bytes of the flush journal do not join");
            return Ok(());
        }
        let mut there = Vec::with_capacity(bytes.len());
        file.read_at(position, bytes.len(), &mut there)?;
        if there != *bytes {
            file.write_all_at(position, bytes)?;
            self.bytes += bytes.len() as u64;
        }
        Ok(())
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
        let mut opened = self.disk.open(path, OpenHow::Existing);
        if matches!(&opened, Err(error) if is_exhausted(error)) && !self.open.is_empty() {
            // Lets go of all that are open.
            self.sync()?;
            opened = self.disk.open(path, OpenHow::Existing);
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
