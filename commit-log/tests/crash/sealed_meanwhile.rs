//! A segment that is finished while a checkpoint is under way: its last time entry, like the cut of its
//! room, is written after the checkpoint looked at the files, so the recovery point may not pass it.

use trimaran_commit_log::{Disk, FlushRequest, Log, LogDir};
use trimaran_types::record_batch::{BatchBuilder, TimestampType};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::power_cut::PowerCut;
use crate::promises::{open_dir, open_log};
use crate::seeded::Seeded;
use crate::sim_disk::SimDisk;

const EPOCH: LeaderEpoch = LeaderEpoch(0);
const BEFORE: i64 = 20;

const fn timestamp(offset: i64) -> Timestamp {
    Timestamp(1_700_000_000_000 + offset * 10)
}

fn append(log: &mut Log, value_bytes: usize) {
    let at = timestamp(log.log_end().0);
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    let value = vec![3; value_bytes];
    builder.push(at, None, Some(&value), &[]).unwrap();
    let batch = builder.build().unwrap();
    log.append_as_leader(vec![batch], EPOCH, at).unwrap();
}

fn sync(disk: &SimDisk, request: &FlushRequest) {
    for file in &request.files {
        file.sync_data().unwrap();
    }
    for path in &request.dirs {
        disk.sync_dir(path).unwrap();
    }
}

/// Finishes the checkpoint that began at [`BEFORE`] after a segment was finished there, and once more.
fn checkpointed(number: usize, again: bool) -> (SimDisk, LogDir) {
    let disk = SimDisk::empty();
    let dir = open_dir(&disk).unwrap();
    let (mut log, _) = open_log(&dir, number, 0).unwrap();
    log.assign_epoch(EPOCH, Offset::ZERO).unwrap();
    for _ in 0..BEFORE {
        append(&mut log, 100);
    }
    let request = log.begin_checkpoint().unwrap().unwrap();
    sync(&disk, &request);
    // Before the log hears of it.
    append(&mut log, 11_000);
    log.flushed(&request.token());
    assert_eq!(log.flushed_end(), Offset(BEFORE));
    if again {
        let request = log.begin_checkpoint().unwrap().unwrap();
        sync(&disk, &request);
        log.flushed(&request.token());
    }
    dir.write_recovery_points().unwrap();
    (disk, dir)
}

#[test]
fn a_power_cut_after_it_leaves_every_record_to_be_found_by_its_time() {
    for number in 0..2 {
        let (disk, dir) = checkpointed(number, false);
        drop(dir);
        let (base, ops) = disk.recorded();
        let mut cut = PowerCut::before_anything(&base);
        ops.iter().for_each(|op| cut.after(op));
        for survives in cut.ways(50, &mut Seeded(7)) {
            let left = SimDisk::holding(cut.leaves(survives));
            let dir = open_dir(&left).unwrap();
            let (log, _) = open_log(&dir, number, 0).unwrap();
            assert!(log.log_end() >= Offset(BEFORE), "{survives:?}");
            let reader = log.reader();
            for offset in 0..BEFORE {
                let found = reader.offset_for_timestamp(timestamp(offset), log.log_end());
                let expected = Some((timestamp(offset), Offset(offset)));
                assert_eq!(found.unwrap(), expected, "{survives:?}");
            }
        }
    }
}

#[test]
fn the_next_checkpoint_passes_it() {
    for (again, expected) in [(false, Offset::ZERO), (true, Offset(BEFORE + 1))] {
        let (disk, dir) = checkpointed(0, again);
        drop(dir);
        let dir = open_dir(&SimDisk::holding(disk.live())).unwrap();
        let partition = crate::promises::partition(0);
        let start = dir.open_as(&partition, crate::promises::topic_id(0));
        assert_eq!(start.recovery_point, expected);
    }
}
