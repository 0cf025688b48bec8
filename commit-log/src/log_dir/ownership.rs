//! Whose directory it is: found out, or made this node's own while it is nobody's.

use std::io;
use std::path::Path;

use super::{LogDirError, MetaProperties, at};
use crate::disk::Disk;

/// Reads whose directory it is, or makes it this node's if it is nobody's.
pub(super) fn own(
    disk: &dyn Disk,
    data_dir: &Path,
    logs_dir: &Path,
    fresh: MetaProperties,
) -> Result<MetaProperties, LogDirError> {
    let data_dir_owned = || data_dir.to_owned();
    match MetaProperties::read(disk, data_dir)? {
        Some(found) if found.cluster_id != fresh.cluster_id => Err(LogDirError::OtherCluster {
            data_dir: data_dir_owned(),
            found: found.cluster_id,
            expected: fresh.cluster_id,
        }),
        Some(found) if found.node_id != fresh.node_id => Err(LogDirError::OtherNode {
            data_dir: data_dir_owned(),
            found: found.node_id,
            expected: fresh.node_id,
        }),
        Some(found) => Ok(found),
        None => {
            if disk
                .list(logs_dir)
                .map_err(at(logs_dir))?
                .iter()
                .any(|entry| entry.is_dir)
            {
                return Err(LogDirError::NobodysLogs {
                    data_dir: data_dir_owned(),
                });
            }
            sync_names_above(disk, data_dir)?;
            fresh.write(disk, data_dir)?;
            Ok(fresh)
        }
    }
}

/// Makes the directory's own name durable, and those of the directories above it, which may have
/// been made with it. What may not be read was not made by this process.
fn sync_names_above(disk: &dyn Disk, data_dir: &Path) -> Result<(), LogDirError> {
    for above in data_dir.ancestors().skip(1) {
        let above = if above.as_os_str().is_empty() {
            Path::new(".")
        } else {
            above
        };
        match disk.sync_dir(above) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            synced => synced.map_err(at(above))?,
        }
    }
    Ok(())
}
