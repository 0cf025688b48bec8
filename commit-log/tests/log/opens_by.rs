//! [`OpensBy`]: the real file system, whose files are opened by somebody else.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use trimaran_commit_log::{Disk, DiskDir, DiskEntry, DiskFile, OpenHow, RealDisk};

/// Opens files by `F`, which may watch, replace or hold up what it opens.
pub(crate) struct OpensBy<F>(pub(crate) F);

impl<F> fmt::Debug for OpensBy<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpensBy")
    }
}

impl<F> Disk for OpensBy<F>
where
    F: Fn(&Path, OpenHow) -> io::Result<Arc<dyn DiskFile>> + Send + Sync,
{
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        (self.0)(path, how)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        RealDisk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir(path)
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        RealDisk.open_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        RealDisk.lock(path)
    }
}
