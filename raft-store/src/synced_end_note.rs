//! [`SyncedEndNote`]: a small file beside the database that says how far it was synced.
//!
//! A write-ahead log that was cut looks to the database like one whose end was torn by a crash, and
//! it opens without a word. What was cut off may have been acknowledged, and a majority that counts
//! on it may not be one. So each sync is followed by a note, and a database that holds less than
//! the note is not opened.
//!
//! The note never tells more than the database durably holds:
//! - it is raised after the sync, before anybody is told; not synced itself each time, so after a
//!   power cut it may tell less;
//! - before entries leave the log it is lowered, and synced.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::database::OpenError;
use crate::format::{self, SyncedEnd};

const KEY: &[u8] = b"synced-end";
const SUFFIX: &str = ".synced-end";

pub(crate) struct SyncedEndNote {
    file: File,
    noted: SyncedEnd,
}

impl SyncedEndNote {
    /// Opens the note of the database in `path`, in which `found` was found, or makes one: a store
    /// of a build that kept none has nothing to be held to.
    pub(crate) fn open(path: &Path, found: SyncedEnd) -> Result<Self, OpenError> {
        let note = note_path(path);
        let failed = |cause: io::Error| OpenError::Note {
            path: note.display().to_string(),
            cause,
        };
        let value = match fs::read(&note) {
            Ok(value) => value,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = create(&note, found).map_err(failed)?;
                return Ok(Self { file, noted: found });
            }
            Err(error) => return Err(failed(error)),
        };
        let noted = format::open(KEY, &value)
            .and_then(SyncedEnd::decode)
            .map_err(OpenError::format(format!(
                "the note of what was synced, {}",
                note.display()
            )))?;
        if found.lacks(&noted) {
            return Err(OpenError::LostTail {
                noted: noted.to_string(),
                found: found.to_string(),
            });
        }
        let file = File::options().write(true).open(&note).map_err(failed)?;
        Ok(Self { file, noted })
    }

    /// Notes less, durably; to be called before entries leave the log.
    pub(crate) fn lower(&mut self, end: SyncedEnd) -> io::Result<()> {
        if end.last >= self.noted.last {
            return Ok(());
        }
        self.write(end)?;
        self.sync()
    }

    /// Notes what was synced. A process that is killed leaves the note as it is; a power cut may
    /// leave an earlier one.
    pub(crate) fn raise(&mut self, end: SyncedEnd) -> io::Result<()> {
        if end == self.noted {
            return Ok(());
        }
        self.write(end)
    }

    /// Makes the note durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// In place: the value has one length and lies within one sector.
    fn write(&mut self, end: SyncedEnd) -> io::Result<()> {
        self.file
            .write_all_at(&format::seal(KEY, &end.encode()), 0)?;
        self.noted = end;
        Ok(())
    }
}

fn note_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(SUFFIX);
    PathBuf::from(name)
}

/// Written beside, synced and renamed, so that a note is whole from its first moment on.
fn create(note: &Path, end: SyncedEnd) -> io::Result<File> {
    let beside = note.with_extension("synced-end-new");
    let file = File::create(&beside)?;
    file.write_all_at(&format::seal(KEY, &end.encode()), 0)?;
    file.sync_all()?;
    fs::rename(&beside, note)?;
    let folder = note.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file)
}
