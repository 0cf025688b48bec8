//! The scrub reads every finished segment and finds what rots there.

use std::fs;
use std::os::unix::fs::FileExt;

use trimaran_commit_log::{LogReader, ReadError};
use trimaran_types::Offset;

use crate::rig::Rig;

/// One pass; the bytes that were good.
fn pass(reader: &LogReader, bytes_max: usize) -> Result<usize, ReadError> {
    let (mut from, mut bytes) = (Offset::ZERO, 0);
    loop {
        let step = reader.scrub(from, bytes_max)?;
        bytes += step.bytes;
        match step.next {
            Some(next) => {
                assert!(next > from, "a step that stands still at {from}");
                from = next;
            }
            None => return Ok(bytes),
        }
    }
}

fn sealed_bytes(rig: &Rig) -> usize {
    let mut files = rig.segments();
    files.pop_last();
    let bytes = |path| usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
    files.values().map(bytes).sum()
}

#[test]
fn a_pass_reads_every_byte_of_the_finished_segments() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 60, 200);
    assert!(rig.segments().len() >= 4);
    for bytes_max in [1, 700, 1 << 20] {
        assert_eq!(pass(&log.reader(), bytes_max).unwrap(), sealed_bytes(&rig));
    }
}

#[test]
fn a_log_of_one_segment_has_nothing_to_scrub() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    assert_eq!(pass(&log.reader(), 1 << 20).unwrap(), 0);
    rig.fill(&mut log, 2, 10);
    assert_eq!(pass(&log.reader(), 1 << 20).unwrap(), 0);
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 60, 200);
    let reader = log.reader();
    let mut files = rig.segments();
    files.pop_last();
    for path in files.values() {
        let whole = fs::read(path).unwrap();
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        for at in (0..whole.len()).step_by(61) {
            file.write_all_at(&[whole[at] ^ 1], at as u64).unwrap();
            let found = pass(&reader, 1 << 20);
            let is_epoch = found.is_ok() && in_an_epoch(&whole, at);
            assert!(
                matches!(found, Err(ReadError::Corrupt { .. })) || is_epoch,
                "{}, byte {at}: {found:?}",
                path.display()
            );
            file.write_all_at(&[whole[at]], at as u64).unwrap();
        }
    }
    assert_eq!(pass(&reader, 1 << 20).unwrap(), sealed_bytes(&rig));
}

/// Whether the byte is one of a batch's leader epoch, which lies outside the checksum by the format.
fn in_an_epoch(segment: &[u8], at: usize) -> bool {
    let mut start = 0;
    while let Ok(header) =
        trimaran_types::record_batch::BatchHeader::parse(segment.get(start..).unwrap_or(&[]))
    {
        if (start + 12..start + 16).contains(&at) {
            return true;
        }
        start += header.total_bytes();
    }
    false
}
