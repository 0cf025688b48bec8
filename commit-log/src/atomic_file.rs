//! Small files that are replaced whole or not at all: written aside, synced, renamed, and the
//! directory synced.

use std::io;
use std::path::Path;

use crate::change_error::{ChangeError, sync_data, sync_names};
use crate::disk::{Disk, OpenHow};
use crate::names::{TEMPORARY_SUFFIX, suffixed};

/// Largest small file that is read, in bytes; checkpoints of 100,000 partitions fit.
const SMALL_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Replaces the file at `path` durably.
///
/// # Errors
/// [`ChangeError::Refused`]: the old file is there, and stays. [`ChangeError::Unsynced`]: nobody knows
/// which one is.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<(), ChangeError> {
    let aside = suffixed(path, TEMPORARY_SUFFIX);
    let aside = aside.as_path();
    let names = disk.open_dir(path.parent().unwrap_or_else(|| Path::new(".")))?;
    let file = disk.open(aside, OpenHow::Empty)?;
    file.write_all_at(0, content)?;
    sync_data(file.as_ref())?;
    disk.rename(aside, path)?;
    sync_names(names.as_ref())
}

/// The whole file as text; `None` when there is none.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when what is there cannot be such a file, which says nothing of the
/// disk; else those of the system.
pub(crate) fn read_text(disk: &dyn Disk, path: &Path) -> io::Result<Option<String>> {
    let file = match disk.open(path, OpenHow::Existing) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Err(error) => return Err(error),
    };
    let bytes = file.bytes()?;
    if bytes > SMALL_FILE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{bytes} bytes are too many"),
        ));
    }
    let mut content = Vec::new();
    file.read_at(
        0,
        usize::try_from(bytes).unwrap_or(usize::MAX),
        &mut content,
    )?;
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    String::from_utf8(content).map(Some).map_err(invalid)
}
