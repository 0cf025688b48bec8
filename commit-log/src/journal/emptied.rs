//! How a start says that nothing in a journal counts: twice, in both halves, so that no bad block and no
//! lost write brings back what the segments have moved on from.
//!
//! Each saying is a group without entries, whose own number is the low-water mark, and is synced before
//! the next is written.

use std::io;
use std::sync::Arc;

use super::format::{BLOCK, GroupBuilder};
use super::scan::Scanned;
use crate::change_error::{ChangeError, sync_data};
use crate::disk::DiskFile;

/// Where the next process may begin to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The number of the last group; nothing up to it counts any more.
    pub(super) last: u64,
    /// The half that the next group goes to.
    pub(super) half: usize,
    /// Where in it.
    pub(super) end: u64,
}

type Files<'a> = [&'a Arc<dyn DiskFile>; 2];

/// Says that nothing of a sound journal counts, as far as it does not say so yet. All files that it
/// names must be synced, or be of no account.
pub(super) fn say_empty(scanned: &Scanned) -> Result<Settled, ChangeError> {
    let Some((newest, place)) = scanned.newest() else {
        return Ok(Settled::default());
    };
    let file = |half| {
        let file = scanned.file(half);
        file.expect("a sound journal with a group has both halves")
    };
    let files: Files<'_> = [file(0), file(1)];
    let mut last = newest;
    if scanned.is_empty() {
        // What can be read may still not be on the device.
        for file in files {
            sync_data(file.as_ref())?;
        }
        if scanned.is_said_twice() {
            return Ok(Settled {
                last,
                half: place.half,
                end: place.end(),
            });
        }
    } else {
        // Behind the newest group: what a torn one has left there never counted.
        last = say(files, place.half, place.end(), last)?;
    }
    let half = 1 - place.half;
    last = say(files, half, 0, last)?;
    Ok(Settled {
        last,
        half,
        end: BLOCK,
    })
}

/// Cuts halves to the length that they may have now; `settled` says that nothing counts.
pub(super) fn cut_to_bound(
    files: &[Arc<dyn DiskFile>; 2],
    half_bytes: u64,
    settled: Settled,
) -> Result<Settled, ChangeError> {
    let bound = half_bytes - half_bytes % BLOCK;
    let is_long = [files[0].bytes()? > bound, files[1].bytes()? > bound];
    if is_long == [false; 2] {
        return Ok(settled);
    }
    let mut cut = Settled { end: 0, ..settled };
    if settled.last > 0 {
        // What says so may lie beyond the bound. The half of the last saying comes last, so that there
        // is always one on the disk.
        for half in [1 - settled.half, settled.half] {
            cut.last = say([&files[0], &files[1]], half, 0, cut.last)?;
        }
        cut.end = BLOCK;
    }
    for (file, is_long) in files.iter().zip(is_long) {
        if is_long {
            file.truncate(bound)?;
            sync_data(file.as_ref())?;
        }
    }
    Ok(cut)
}

/// Says it at `position` of a half, behind group `last`, and tells the number of the saying.
fn say(files: Files<'_>, half: usize, position: u64, last: u64) -> Result<u64, ChangeError> {
    let sequence = last
        .checked_add(1)
        .ok_or_else(|| io::Error::other("the flush journal has run out of numbers"))?;
    let group = GroupBuilder::new().finish(sequence, sequence);
    files[half].write_all_at(position, &group)?;
    sync_data(files[half].as_ref())?;
    Ok(sequence)
}
