//! The names of files in a partition's directory, as Kafka has them.

use std::path::{Path, PathBuf};

use trimaran_types::Offset;

/// Epochs and where they start.
pub(crate) const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";
/// The topic's id.
pub(crate) const PARTITION_METADATA: &str = "partition.metadata";
/// Ends the name of a file that was being written when the process died.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";
/// Ends the name of a file that is on its way out.
pub(crate) const DELETED_SUFFIX: &str = ".deleted";

/// Ends the name of a file that the cleaner is writing: worth nothing after a stop.
pub(crate) const CLEANED_SUFFIX: &str = ".cleaned";
/// Ends the name of a cleaned file that is whole and takes the place of older ones.
pub(crate) const SWAP_SUFFIX: &str = ".swap";
/// Says that offsets in the log may have gaps.
pub(crate) const GAPS_ALLOWED: &str = "gaps-allowed";
/// What each index of aborted transactions holds.
pub(crate) const ABORTED_SUMS: &str = "txnindex-checksums";

/// The same file with a suffix behind its name.
pub(crate) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The files of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SegmentFile {
    Log,
    OffsetIndex,
    TimeIndex,
    /// Aborted transactions; only where there are some.
    Aborted,
    /// Producers, as they stood where the segment starts. Named like a segment's file, but one is
    /// also taken where the log was closed.
    Snapshot,
}

impl SegmentFile {
    /// All of them, in the order in which they are removed: a segment may lack what is derived from
    /// it, which may not lack its segment.
    pub(crate) const ALL: [Self; 5] = [
        Self::Snapshot,
        Self::Aborted,
        Self::TimeIndex,
        Self::OffsetIndex,
        Self::Log,
    ];

    const fn extension(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::OffsetIndex => "index",
            Self::TimeIndex => "timeindex",
            Self::Aborted => "txnindex",
            Self::Snapshot => "snapshot",
        }
    }

    /// The path of this file of the segment that starts at `base`.
    pub(crate) fn path(self, dir: &Path, base: Offset) -> PathBuf {
        dir.join(format!("{:020}.{}", base.0, self.extension()))
    }

    /// The path that this file has between its deletion and its removal.
    pub(crate) fn deleted_path(self, dir: &Path, base: Offset) -> PathBuf {
        let mut path = self.path(dir, base).into_os_string();
        path.push(DELETED_SUFFIX);
        path.into()
    }

    /// Which file of which segment `name` is.
    pub(crate) fn parse(name: &str) -> Option<(Self, Offset)> {
        let (digits, extension) = name.split_once('.')?;
        let kind = Self::ALL
            .into_iter()
            .find(|kind| kind.extension() == extension)?;
        if digits.len() != 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some((kind, Offset(digits.parse().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas_and_parse_back() {
        let path = SegmentFile::TimeIndex.path(Path::new("/d/t-0"), Offset(1234));
        assert_eq!(path, Path::new("/d/t-0/00000000000000001234.timeindex"));
        let name = "00000000000000001234.log";
        assert_eq!(
            SegmentFile::parse(name),
            Some((SegmentFile::Log, Offset(1234)))
        );
        for other in [
            "1.log",
            "00000000000000001234.log.deleted",
            "00000000000000001234",
            "x",
            "+0000000000000001234.log",
            "99999999999999999999.log",
        ] {
            assert_eq!(SegmentFile::parse(other), None, "{other}");
        }
    }
}
