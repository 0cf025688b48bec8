//! [`Disk`], [`DiskDir`] and [`DiskFile`]: everything that the log asks of a file system, and nothing more.
//!
//! This is the only door to `std::fs`; a simulated disk needs to implement these three traits. All
//! calls block. A call that returned may still be lost in a power cut until the file, or the
//! directory for a name, has been synced.

mod real;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

use trimaran_types::Timestamp;

pub use real::RealDisk;

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskEntry {
    /// The name, without the directory. Names that are not UTF-8 are not listed.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Length in bytes; of no meaning for a directory.
    pub bytes: u64,
}

/// What to do about the file's presence when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenHow {
    /// It must be there.
    Existing,
    /// It is made when it is absent.
    OrCreate,
    /// It is made, or emptied.
    Empty,
}

/// A file system, or something that behaves like one.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file for positioned reads and writes.
    ///
    /// # Errors
    /// Those of the system.
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a directory and those above it; one that exists is fine.
    ///
    /// # Errors
    /// Those of the system.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, in no order.
    ///
    /// # Errors
    /// Those of the system.
    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>>;

    /// Gives a file or directory another name, replacing a file of that name.
    ///
    /// # Errors
    /// Those of the system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Those of the system.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory and all in it.
    ///
    /// # Errors
    /// Those of the system.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Opens a directory, to make the names in it durable. Names may change while it is open.
    ///
    /// # Errors
    /// Those of the system. Nothing was synced and nothing is lost: whoever opens before a change can
    /// still leave it undone.
    fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>>;

    /// Opens a directory and makes the names in it durable, for those who give it up after either
    /// failure.
    ///
    /// # Errors
    /// As [`Self::open_dir`] and [`DiskDir::sync`].
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.open_dir(dir)?.sync()
    }

    /// Takes an exclusive lock that ends with the value or with the process. `None` when another
    /// holder has it.
    ///
    /// # Errors
    /// Those of the system.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>>;
}

/// An open directory.
pub trait DiskDir: Debug + Send + Sync {
    /// Makes the names durable that are in the directory now.
    ///
    /// # Errors
    /// Those of the system. After one, nothing about the directory may be believed.
    fn sync(&self) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Debug + Send + Sync {
    /// Appends up to `bytes_max` bytes from `position` on to `into` and tells how many there were:
    /// fewer only at the end of the file.
    ///
    /// # Errors
    /// Those of the system; `into` may then hold some bytes more.
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize>;

    /// Writes all of `bytes` at `position`.
    ///
    /// # Errors
    /// Those of the system; any part may then have been written.
    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written before, and the length, durable (`fdatasync`).
    ///
    /// # Errors
    /// Those of the system. After one, nothing unsynced may be believed, and a second try proves
    /// nothing (Rebello et al., ATC 2020).
    fn sync_data(&self) -> io::Result<()>;

    /// Sets the length.
    ///
    /// # Errors
    /// Those of the system.
    fn truncate(&self, bytes: u64) -> io::Result<()>;

    /// The length.
    ///
    /// # Errors
    /// Those of the system.
    fn bytes(&self) -> io::Result<u64>;

    /// When the file was last written, by the system's clock; `None` when it cannot tell.
    ///
    /// # Errors
    /// Those of the system.
    fn written_at(&self) -> io::Result<Option<Timestamp>> {
        Ok(None)
    }

    /// Makes [`Self::written_at`] tell `at`; without effect where it cannot tell. A later write tells its
    /// own time again.
    ///
    /// # Errors
    /// Those of the system.
    fn set_written_at(&self, _at: Timestamp) -> io::Result<()> {
        Ok(())
    }

    /// Lets the system drop what it holds in memory of this file, so that the next read shows what
    /// the device has. A wish; dirty pages stay.
    fn forget_cached(&self);
}
