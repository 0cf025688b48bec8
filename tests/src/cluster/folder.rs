//! [`RunFolder`]: a cluster's folder, kept when the test fails.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::Storage;
use super::binaries::disk_folder;

/// Linux's file system in memory, present on nearly every machine.
const MEMORY_FOLDER: &str = "/dev/shm";

/// Removed when dropped, unless it was kept.
#[derive(Debug)]
pub(super) struct RunFolder {
    folder: Option<TempDir>,
    path: PathBuf,
}

impl RunFolder {
    pub(super) fn create(storage: Storage) -> Result<Self> {
        let memory = Path::new(MEMORY_FOLDER);
        let parent = match storage {
            Storage::Memory if memory.is_dir() => memory.to_owned(),
            Storage::Memory | Storage::Disk => disk_folder()?,
        };
        std::fs::create_dir_all(&parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
        let folder = tempfile::Builder::new()
            .prefix("trimaran-test-")
            .tempdir_in(&parent)
            .with_context(|| format!("cannot create a folder in {}", parent.display()))?;
        let path = folder.path().to_owned();
        Ok(Self {
            folder: Some(folder),
            path,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it where it is when this value goes.
    pub(super) fn keep(&mut self) {
        if let Some(folder) = self.folder.take() {
            self.path = folder.keep();
        }
    }
}
