//! `.kafka_cleanshutdown`: the mark that every log was closed, as `{"version":0,"brokerEpoch":n}`.

use std::io;
use std::path::Path;

use serde_json::{Value, json};
use trimaran_types::BrokerEpoch;

use super::{LogDirError, at};
use crate::atomic_file;
use crate::change_error::ChangeError;
use crate::disk::Disk;

pub(crate) const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

/// The mark of a clean shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanShutdown {
    /// The epoch under which the broker was registered then, for its next registration (KIP-966).
    pub broker_epoch: Option<BrokerEpoch>,
}

fn format(mark: CleanShutdown) -> String {
    let epoch = mark.broker_epoch.map_or(json!(-1), |epoch| json!(epoch.0));
    json!({ "version": 0, "brokerEpoch": epoch }).to_string()
}

/// A mark has some forty bytes. Read as JSON, a longer file could take many times its own length.
const MARK_BYTES_MAX: usize = 1024;

/// What the file says; `None` when it is damaged.
pub(crate) fn parse(text: &str) -> Option<CleanShutdown> {
    if text.len() > MARK_BYTES_MAX {
        return None;
    }
    let value: Value = serde_json::from_str(text).ok()?;
    (value.get("version")?.as_i64()? == 0).then_some(())?;
    let broker_epoch = value
        .get("brokerEpoch")
        .and_then(Value::as_u64)
        .map(BrokerEpoch);
    Some(CleanShutdown { broker_epoch })
}

/// Whether there is a good mark.
pub(crate) fn is_there(disk: &dyn Disk, logs_dir: &Path) -> io::Result<bool> {
    let path = logs_dir.join(CLEAN_SHUTDOWN);
    match atomic_file::read_text(disk, &path) {
        Ok(text) => Ok(text.as_deref().and_then(parse).is_some()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads the mark and removes it durably. One that cannot be read is no mark.
pub(super) fn take(disk: &dyn Disk, logs_dir: &Path) -> Result<Option<CleanShutdown>, LogDirError> {
    let path = logs_dir.join(CLEAN_SHUTDOWN);
    let text = match atomic_file::read_text(disk, &path) {
        Ok(None) => return Ok(None),
        Ok(Some(text)) => text,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(at(&path)(error)),
    };
    disk.remove_file(&path).map_err(at(&path))?;
    disk.sync_dir(logs_dir).map_err(at(logs_dir))?;
    Ok(parse(&text))
}

/// Writes the mark durably.
pub(super) fn write(
    disk: &dyn Disk,
    logs_dir: &Path,
    mark: CleanShutdown,
) -> Result<(), ChangeError> {
    let path = logs_dir.join(CLEAN_SHUTDOWN);
    atomic_file::replace(disk, &path, format(mark).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let mark = CleanShutdown {
            broker_epoch: Some(BrokerEpoch(42)),
        };
        assert_eq!(format(mark), r#"{"brokerEpoch":42,"version":0}"#);
        assert_eq!(parse(r#"{"version":0,"brokerEpoch":42}"#), Some(mark));
        let without = CleanShutdown { broker_epoch: None };
        assert_eq!(parse(&format(without)), Some(without));
        let long = format!("{}{}", format(mark), " ".repeat(MARK_BYTES_MAX));
        for damaged in ["", "{}", r#"{"version":1}"#, "x", &long] {
            assert_eq!(parse(damaged), None, "{damaged:?}");
        }
    }
}
