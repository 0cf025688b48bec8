//! [`DeletedSegments`]: files that no log uses any more, on their way out.
//!
//! They carry another name already and nobody looks for them; who still has one open reads on.
//! What a stop leaves behind is removed when the log is opened next.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::context::LogContext;
use crate::disk::{Disk, DiskDir};
use crate::latch::DirFailed;

/// The renamed files of some segments of one log.
#[derive(Debug)]
#[must_use = "the files stay on the disk until they are removed"]
pub struct DeletedSegments {
    pub(crate) context: LogContext,
    pub(crate) dir: PathBuf,
    /// The log's directory, until it is synced: many deletions may wait for their removal.
    pub(crate) names: Mutex<Option<Box<dyn DiskDir>>>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) segments: usize,
    pub(crate) bytes: u64,
    pub(crate) delay_ms: u64,
    pub(crate) is_all: bool,
}

impl DeletedSegments {
    /// How many segments they are.
    #[must_use]
    pub const fn segments(&self) -> usize {
        self.segments
    }

    /// Their bytes, without indexes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How long they are to stay.
    #[must_use]
    pub const fn delay_ms(&self) -> u64 {
        self.delay_ms
    }

    /// Whether no more segments of the log may go now.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.is_all
    }

    /// Makes their renaming durable, once; blocks. Where the log's folder is by now, and whether it is
    /// still there, is of no account.
    ///
    /// # Errors
    /// The directory has failed.
    pub fn sync(&self) -> Result<(), DirFailed> {
        let latch = &self.context.latch;
        latch.check()?;
        let names = self.names.lock();
        let names = names.unwrap_or_else(PoisonError::into_inner).take();
        let synced = names.map_or(Ok(()), |names| names.sync());
        synced.map_err(|error| latch.fail("sync", &self.dir, &error))
    }

    /// Removes them; blocks. What is gone already, with its whole directory perhaps, is fine.
    ///
    /// # Errors
    /// The system refused one of them; the others are gone, and the next start tries again. Or the
    /// directory has failed meanwhile, and nothing was touched.
    pub fn remove(self) -> io::Result<()> {
        self.context.latch.check().map_err(io::Error::other)?;
        let disk: Arc<dyn Disk> = self.context.disk;
        let mut refused = Ok(());
        for path in &self.files {
            match disk.remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => refused = Err(error),
                _ => {}
            }
        }
        refused
    }
}
