//! Zeros behind the data of a file: writing them, and finding where they begin.

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

/// Where the zeros at the end of a file of `bytes` bytes begin, not before `from`.
///
/// # Errors
/// Those of the system.
pub(crate) fn begin(file: &dyn DiskFile, from: u64, bytes: u64) -> io::Result<u64> {
    let (mut at, mut begin) = (from, from);
    let mut window = Vec::new();
    while at < bytes {
        window.clear();
        let left = usize::try_from(bytes - at).unwrap_or(usize::MAX);
        let got = file.read_at(at, left.min(WINDOW_BYTES), &mut window)?;
        if got == 0 {
            break;
        }
        if let Some(last) = window.iter().rposition(|byte| *byte != 0) {
            begin = at + last as u64 + 1;
        }
        at += got as u64;
    }
    Ok(begin)
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
        assert_eq!(begin(file.as_ref(), 0, 0).unwrap(), 0);
        file.write_all_at(0, b"data\0\0").unwrap();
        let before = 2 * WINDOW_BYTES as u64 + 77;
        write(file.as_ref(), 6, before).unwrap();
        assert_eq!(file.bytes().unwrap(), before);
        assert_eq!(begin(file.as_ref(), 0, before).unwrap(), 4);
        assert_eq!(begin(file.as_ref(), 5, before).unwrap(), 5);
        let at = WINDOW_BYTES as u64 + 9;
        file.write_all_at(at, b"x").unwrap();
        assert_eq!(begin(file.as_ref(), 4, before).unwrap(), at + 1);
    }
}
