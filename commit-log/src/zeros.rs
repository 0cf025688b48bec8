//! Zeros behind the data of a file: writing them, and telling whether there is anything else.

use std::io;

use crate::disk::DiskFile;

const PIECE_BYTES: usize = 64 * 1024;
const WINDOW_BYTES: usize = 1024 * 1024;

static PIECE: [u8; PIECE_BYTES] = [0; PIECE_BYTES];

/// Fills a file with zeros from `from` up to `before`.
///
/// # Errors
/// Those of the system; any part may then have been written.
pub(crate) fn write(file: &dyn DiskFile, from: u64, before: u64) -> io::Result<()> {
    let mut at = from;
    while at < before {
        let left = usize::try_from(before - at).unwrap_or(usize::MAX);
        let piece = &PIECE[..left.min(PIECE_BYTES)];
        file.write_all_at(at, piece)?;
        at += piece.len() as u64;
    }
    Ok(())
}

/// Whether a file has only zeros from `from` up to `before`, or up to its end.
///
/// # Errors
/// Those of the system.
pub(crate) fn are_all(file: &dyn DiskFile, from: u64, before: u64) -> io::Result<bool> {
    let mut at = from;
    let mut window = Vec::new();
    while at < before {
        window.clear();
        let left = usize::try_from(before - at).unwrap_or(usize::MAX);
        let got = file.read_at(at, left.min(WINDOW_BYTES), &mut window)?;
        if window.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        if got == 0 {
            break;
        }
        at += got as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, OpenHow, RealDisk};

    #[test]
    fn what_was_written_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = RealDisk.open(&path, OpenHow::Empty).unwrap();
        assert!(are_all(file.as_ref(), 0, 0).unwrap());
        file.write_all_at(0, b"data\0\0").unwrap();
        let before = 2 * WINDOW_BYTES as u64 + 77;
        write(file.as_ref(), 6, before).unwrap();
        assert_eq!(file.bytes().unwrap(), before);
        assert!(!are_all(file.as_ref(), 3, before).unwrap());
        assert!(are_all(file.as_ref(), 4, before + 10).unwrap());
        let at = WINDOW_BYTES as u64 + 9;
        file.write_all_at(at, b"x").unwrap();
        assert!(are_all(file.as_ref(), 4, at).unwrap());
        assert!(!are_all(file.as_ref(), 4, at + 1).unwrap());
        assert!(are_all(file.as_ref(), at + 1, before).unwrap());
    }
}
