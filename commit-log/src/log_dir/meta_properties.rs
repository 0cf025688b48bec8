//! `meta.properties`: whose directory it is, in Kafka's format of version 1.

use std::path::{Path, PathBuf};

use trimaran_types::{BrokerId, ClusterId, DirectoryId};

use super::{LogDirError, at};
use crate::atomic_file;
use crate::disk::Disk;

const META_PROPERTIES: &str = "meta.properties";

/// Whose directory it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The node in it.
    pub node_id: BrokerId,
    /// This directory among the node's.
    pub directory_id: DirectoryId,
}

/// What is wrong with a `meta.properties`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetaProperties {
    /// A key is not there.
    #[error("'{key}' is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value makes no sense.
    #[error("'{key}' cannot be '{value}'")]
    Invalid {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
}

impl MetaProperties {
    /// Reads the file in `data_dir`; `None` when there is none.
    ///
    /// # Errors
    /// It is damaged, or the system refused.
    pub fn read(disk: &dyn Disk, data_dir: &Path) -> Result<Option<Self>, LogDirError> {
        let path = path(data_dir);
        match atomic_file::read_text(disk, &path).map_err(at(&path))? {
            None => Ok(None),
            Some(text) => Self::parse(&text)
                .map(Some)
                .map_err(|cause| LogDirError::Meta { path, cause }),
        }
    }

    pub(super) fn write(&self, disk: &dyn Disk, data_dir: &Path) -> Result<(), LogDirError> {
        let path = path(data_dir);
        let written = atomic_file::replace(disk, &path, self.format().as_bytes());
        written.map_err(|error| at(&path)(error.into_io()))
    }

    fn format(&self) -> String {
        let Self {
            cluster_id,
            node_id,
            directory_id,
        } = self;
        format!(
            "cluster.id={cluster_id}\ndirectory.id={directory_id}\nnode.id={node_id}\nversion=1\n"
        )
    }

    fn parse(text: &str) -> Result<Self, InvalidMetaProperties> {
        let version: u32 = value(text, "version")?;
        if version != 1 {
            let value = version.to_string();
            return Err(InvalidMetaProperties::Invalid {
                key: "version",
                value,
            });
        }
        Ok(Self {
            cluster_id: value(text, "cluster.id")?,
            node_id: BrokerId(value(text, "node.id")?),
            directory_id: value(text, "directory.id")?,
        })
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(META_PROPERTIES)
}

fn value<T: std::str::FromStr>(text: &str, key: &'static str) -> Result<T, InvalidMetaProperties> {
    let value = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .find_map(|(name, value)| (name.trim() == key).then(|| value.trim()))
        .ok_or(InvalidMetaProperties::Missing { key })?;
    value.parse().map_err(|_| InvalidMetaProperties::Invalid {
        key,
        value: value.chars().take(64).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let text = "cluster.id=rYY3nnFSTqSSPHTTP0qT-g\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAg\nnode.id=3\nversion=1\n";
        let meta = MetaProperties::parse(text).expect("good");
        assert_eq!(meta.format(), text);
        let kafkas = format!("#\n#Fri Nov 21 10:00:00 UTC 2026\n{text}");
        assert_eq!(MetaProperties::parse(&kafkas), Ok(meta));
        let missing = MetaProperties::parse("version=1\n");
        assert_eq!(
            missing,
            Err(InvalidMetaProperties::Missing { key: "cluster.id" })
        );
        let invalid = InvalidMetaProperties::Invalid {
            key: "version",
            value: "0".into(),
        };
        assert_eq!(MetaProperties::parse("version=0\n"), Err(invalid));
    }
}
