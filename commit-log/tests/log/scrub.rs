//! The scrub reads every finished segment and finds what rots there.

use std::fs;
use std::os::unix::fs::FileExt;

use trimaran_commit_log::{Damage, LogReader, ReadError};
use trimaran_types::Offset;

use crate::rig::Rig;

/// One pass; the bytes that were good, and how many segments.
pub(crate) fn pass(reader: &LogReader, bytes_max: usize) -> Result<(u64, usize), ReadError> {
    let (mut bytes, mut segments) = (0, 0);
    let mut place = reader.scrub_place(reader.log_start());
    while let Some(at) = place {
        let step = reader.scrub(at, bytes_max)?;
        assert_ne!(step.next, Some(at), "a step that stands still");
        bytes += step.bytes;
        segments += usize::from(step.is_end_of_segment);
        place = step.next;
    }
    Ok((bytes, segments))
}

fn sealed_bytes(rig: &Rig) -> u64 {
    let mut files = rig.segments();
    files.pop_last();
    let bytes = |path| fs::metadata(path).unwrap().len();
    files.values().map(bytes).sum()
}

#[test]
fn a_pass_reads_every_byte_of_the_finished_segments() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 60, 200);
    let finished = rig.segments().len() - 1;
    assert!(finished >= 3);
    let reader = log.reader();
    assert_eq!(reader.finished_bytes(), sealed_bytes(&rig));
    for bytes_max in [1, 700, 1 << 20] {
        let found = pass(&reader, bytes_max).unwrap();
        assert_eq!(found, (sealed_bytes(&rig), finished));
    }
    // From the middle on: whole segments.
    let segments = reader.finished_segments();
    let last = segments.last().unwrap();
    let place = reader.scrub_place(last.base.next()).unwrap();
    assert_eq!(place.base(), last.base);
    let step = reader.scrub(place, 1 << 20).unwrap();
    assert_eq!((step.bytes, step.next), (last.bytes, None));
}

#[test]
fn a_log_of_one_segment_has_nothing_to_scrub() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    assert_eq!(pass(&log.reader(), 1 << 20).unwrap(), (0, 0));
    rig.fill(&mut log, 2, 10);
    assert_eq!(pass(&log.reader(), 1 << 20).unwrap(), (0, 0));
    assert_eq!(log.reader().finished_bytes(), 0);
}

#[test]
fn what_lies_below_the_log_start_is_not_looked_at() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 60, 200);
    let reader = log.reader();
    let second = *rig.segments().keys().nth(1).unwrap();
    // In the middle of the second segment.
    log.raise_log_start(Offset(second + 3));
    let before = pass(&reader, 500).unwrap();
    assert!(before.0 < sealed_bytes(&rig) && before.1 > 0);
    let paths: Vec<_> = rig.segments().into_values().take(2).collect();
    for path in &paths {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(&[0xff; 4], 70).unwrap();
    }
    assert_eq!(pass(&reader, 500).unwrap(), before);
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
        for at in (0..whole.len()).step_by(31) {
            file.write_all_at(&[whole[at] ^ 1], at as u64).unwrap();
            let found = pass(&reader, 1 << 20);
            assert!(
                matches!(found, Err(ReadError::Corrupt { .. })),
                "{}, byte {at}: {found:?}",
                path.display()
            );
            file.write_all_at(&[whole[at]], at as u64).unwrap();
        }
    }
    assert_eq!(pass(&reader, 1 << 20).unwrap().0, sealed_bytes(&rig));
}

#[test]
fn a_base_offset_of_a_compacted_log_is_judged_by_what_follows() {
    let rig = crate::cleaner::rig();
    let mut log = rig.fresh();
    crate::cleaner::append(&mut log, &["a", "b", "c", "d", "e"].repeat(30));
    let reader = log.reader();
    pass(&reader, 100).unwrap();
    // A bit that moves a batch forward over its neighbours: for a reader that looks for an offset by
    // the index, a gap.
    let path = rig.segments().into_values().next().unwrap();
    let whole = fs::read(&path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[whole[7] ^ 2], 7).unwrap();
    for bytes_max in [1, 200, 1 << 20] {
        match pass(&reader, bytes_max) {
            Err(ReadError::Corrupt { cause, .. }) => {
                assert!(matches!(cause, Damage::NotJoined { .. }), "{cause:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_segment_that_is_cut_short_or_gone_is_found() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 60, 200);
    let reader = log.reader();
    let path = rig.segments().into_values().nth(1).unwrap();
    let bytes = fs::metadata(&path).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for kept in [bytes - 1, bytes / 2, 0] {
        file.set_len(kept).unwrap();
        let found = pass(&reader, 1 << 20);
        assert!(matches!(found, Err(ReadError::Corrupt { .. })), "{found:?}");
    }
}

#[test]
fn a_segment_that_is_gone_cannot_be_read() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 60, 200);
    fs::remove_file(rig.segments().into_values().nth(1).unwrap()).unwrap();
    let found = pass(&log.reader(), 1 << 20);
    let is_gone = matches!(&found, Err(ReadError::Io { source, .. })
        if source.kind() == std::io::ErrorKind::NotFound);
    assert!(is_gone, "{found:?}");
}
