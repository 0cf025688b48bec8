//! The records of the demonstration, from a file.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use crate::failure::Failure;
use crate::produce::{EmbeddedFormat, ProduceRecord};

/// The field that becomes the key: a plane's flights stay in order.
const KEY_FIELD: &str = "tailnum";

/// Larger files are refused: every row is kept in memory to be compared.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Reads the rows of `path`; blank lines are skipped.
///
/// # Errors
/// When the file cannot be read, is too large or empty, or a line is no JSON object with a key.
pub(super) fn read(path: &Path) -> Result<Vec<ProduceRecord>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::failed(format!("cannot read {}: {error}", path.display()))
            .try_next("--data tests/data/flights.ndjson")
    };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() > FILE_BYTES_MAX {
        return Err(Failure::failed(format!(
            "{} is larger than {FILE_BYTES_MAX} bytes",
            path.display()
        )));
    }
    let mut rows = Vec::new();
    for (line, number) in BufReader::new(file.take(FILE_BYTES_MAX)).lines().zip(1..) {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        let row = ProduceRecord::of_line(&line, number, EmbeddedFormat::Json, Some(KEY_FIELD))
            .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(Failure::failed(format!("{} holds no rows", path.display())));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_key_is_one_and_a_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        std::fs::write(&path, "{\"tailnum\":\"N1\"}\n\n{\"tailnum\":null}\n").unwrap();
        let rows = read(&path).unwrap();
        let keys: Vec<Option<&str>> = rows
            .iter()
            .map(|row| row.key.as_deref().map(|key| key.get()))
            .collect();
        assert_eq!(keys, [Some("\"N1\""), None]);
        std::fs::write(&path, "{\"tailnum\":\"N1\"}\n{}\n").unwrap();
        assert!(read(&path).unwrap_err().message().contains("line 2"));
        std::fs::write(&path, "").unwrap();
        assert!(read(&path).unwrap_err().message().contains("no rows"));
        assert!(read(&folder.path().join("none")).is_err());
    }
}
