//! [`Checkpoint`]: the image on disk, a cache of what the controllers hold.
//!
//! One file, replaced as a whole: written beside, synced, renamed, and the folder synced. Layout:
//! eight bytes of name and version, four of CRC-32C over the rest, the cluster's id as text, the
//! snapshot. A file that is damaged, of another cluster or of a newer version is left aside and the
//! image fetched again: nothing in it is the only copy.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use trimaran_metadata::{MetadataImage, Snapshot, SnapshotError};
use trimaran_types::ClusterId;

const MAGIC: &[u8; 8] = b"TRIMIMG1";
const CLUSTER_ID_BYTES: usize = 22;
const HEADER_BYTES: usize = MAGIC.len() + 4 + CLUSTER_ID_BYTES;
/// Room for some ten million partitions; a larger file was not written by this software.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Where the image is kept.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    folder: PathBuf,
}

/// Why an image could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The disk refused.
    #[error("cannot access the metadata checkpoint in {folder}")]
    Disk {
        /// Where.
        folder: PathBuf,
        /// The system's word.
        #[source]
        cause: io::Error,
    },
    /// The file is not what was written.
    #[error("the metadata checkpoint is damaged: {cause}")]
    Damaged {
        /// What is wrong.
        cause: &'static str,
    },
    /// The image in it cannot be read or written.
    #[error("the metadata checkpoint holds no image")]
    Image(#[from] SnapshotError),
}

impl Checkpoint {
    /// In the folder `metadata` of a log directory.
    #[must_use]
    pub fn in_log_dir(log_dir: &Path) -> Self {
        Self {
            folder: log_dir.join("metadata"),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("image-checkpoint")
    }

    /// The image that was kept for `cluster_id`; `None` when there is none.
    ///
    /// # Errors
    /// The file is there and cannot be used.
    pub fn load(&self, cluster_id: ClusterId) -> Result<Option<MetadataImage>, CheckpointError> {
        let file = self.file();
        let bytes = match fs::metadata(&file) {
            Ok(found) if found.len() > FILE_BYTES_MAX => {
                return Err(CheckpointError::Damaged {
                    cause: "it is too large",
                });
            }
            Ok(_) => fs::read(&file).map_err(|cause| self.disk(cause))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.disk(error)),
        };
        let snapshot = checked(&bytes, cluster_id)?;
        Ok(Some(Snapshot::decode(snapshot)?.image()?))
    }

    /// Keeps `image`; on success it is on disk.
    ///
    /// # Errors
    /// The disk refused; the older file is still whole.
    pub fn save(
        &self,
        cluster_id: ClusterId,
        image: &MetadataImage,
    ) -> Result<(), CheckpointError> {
        let snapshot = Snapshot::of(image).encode()?;
        let mut checked = Vec::with_capacity(CLUSTER_ID_BYTES + snapshot.len());
        checked.extend_from_slice(cluster_id.to_string().as_bytes());
        checked.extend_from_slice(&snapshot);
        let checksum = crc32c::crc32c(&checked).to_be_bytes();
        self.replace(&[MAGIC, &checksum, &checked])
            .map_err(|cause| self.disk(cause))
    }

    fn replace(&self, parts: &[&[u8]]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let beside = self.folder.join("image-checkpoint.tmp");
        let mut file = File::create(&beside)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, self.file())?;
        File::open(&self.folder)?.sync_all()
    }

    fn disk(&self, cause: io::Error) -> CheckpointError {
        CheckpointError::Disk {
            folder: self.folder.clone(),
            cause,
        }
    }
}

/// The snapshot in the bytes of a file, once name, checksum and cluster are right.
fn checked(bytes: &[u8], cluster_id: ClusterId) -> Result<&[u8], CheckpointError> {
    let damaged = |cause| CheckpointError::Damaged { cause };
    if bytes.len() < HEADER_BYTES {
        return Err(damaged("it is cut short"));
    }
    let (magic, rest) = bytes.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(damaged("it is another kind of file, or a newer version"));
    }
    let (checksum, checked) = rest.split_at(4);
    if checksum != crc32c::crc32c(checked).to_be_bytes() {
        return Err(damaged("its checksum does not fit"));
    }
    let (owner, snapshot) = checked.split_at(CLUSTER_ID_BYTES);
    if owner != cluster_id.to_string().as_bytes() {
        return Err(damaged("it belongs to another cluster"));
    }
    Ok(snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_metadata::MetadataEntry;
    use trimaran_metadata::record::Topic;
    use trimaran_types::{MetadataOffset, Timestamp, TopicId, TopicName};

    fn cluster(number: u128) -> ClusterId {
        ClusterId::from_uuid(uuid::Uuid::from_u128(number))
    }

    fn image() -> MetadataImage {
        let topic = Topic {
            name: TopicName::new("flights").unwrap(),
            topic_id: TopicId::from_uuid(uuid::Uuid::from_u128(7)),
        };
        let entry = MetadataEntry {
            term: 2,
            base_offset: MetadataOffset::ZERO,
            timestamp: Timestamp(1),
            records: vec![topic.into()],
        };
        MetadataImage::default().apply(9, 2, &entry).0
    }

    #[test]
    fn an_image_reads_back_and_a_newer_one_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::in_log_dir(folder.path());
        assert!(checkpoint.load(cluster(1)).unwrap().is_none());
        checkpoint.save(cluster(1), &image()).unwrap();
        assert_eq!(checkpoint.load(cluster(1)).unwrap(), Some(image()));
        let newer = image().advance(12, 3);
        checkpoint.save(cluster(1), &newer).unwrap();
        assert_eq!(checkpoint.load(cluster(1)).unwrap(), Some(newer));
    }

    #[test]
    fn another_cluster_and_every_damage_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::in_log_dir(folder.path());
        checkpoint.save(cluster(1), &image()).unwrap();
        assert!(checkpoint.load(cluster(2)).is_err());
        let whole = fs::read(checkpoint.file()).unwrap();
        for place in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[place] ^= 1;
            fs::write(checkpoint.file(), &flipped).unwrap();
            assert!(
                checkpoint.load(cluster(1)).is_err(),
                "bit flipped at {place}"
            );
            fs::write(checkpoint.file(), &whole[..place]).unwrap();
            assert!(checkpoint.load(cluster(1)).is_err(), "cut at {place}");
        }
    }

    #[test]
    fn a_write_that_was_interrupted_leaves_the_old_image() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::in_log_dir(folder.path());
        checkpoint.save(cluster(1), &image()).unwrap();
        fs::write(
            folder.path().join("metadata/image-checkpoint.tmp"),
            b"half a fi",
        )
        .unwrap();
        assert_eq!(checkpoint.load(cluster(1)).unwrap(), Some(image()));
    }
}
