//! [`FlushedEnds`]: the file `flushed-ends`, which says for each log up to where it was synced.
//!
//! A log writes its slot after each flush and nobody waits for that write: it reaches the device
//! with the next [`FlushedEnds::sync`], about once a second for all logs together, or whenever the
//! system likes. So a slot is a lower bound. It is exact after a process that was killed, and a
//! moment old after a power cut. What recovery makes of it is ADR 0011.
//!
//! The one thing that a slot may never do is to promise too much. It is written after the sync that
//! it tells of, and it is lowered, durably, before a log is cut.
//!
//! ```text
//! slot 0   "TRIMFLE1", zeros
//! slot n   topic id 16 bytes, partition u32, offset i64, CRC-32C u32 over what comes before
//! ```
//! All big-endian. A slot is 32 bytes, so it never crosses a sector and is written whole or not.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trimaran_types::{Offset, PartitionIndex, TopicId, TopicPartition};
use uuid::Uuid;

use crate::change_error::{ChangeError, sync_data};
use crate::disk::{Disk, DiskFile, OpenHow};

pub(super) const FLUSHED_ENDS: &str = "flushed-ends";

const SLOT_BYTES: usize = 32;
const KEY_BYTES: usize = 20;
const CRC_AT: usize = 28;
const HEADER: [u8; SLOT_BYTES] = *b"TRIMFLE1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Largest file that is read, in bytes: two million slots.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

type Key = [u8; KEY_BYTES];
type Slot = [u8; SLOT_BYTES];

fn key(topic_id: TopicId, partition: PartitionIndex) -> Key {
    let mut key = [0; KEY_BYTES];
    key[..16].copy_from_slice(topic_id.as_uuid().as_bytes());
    key[16..].copy_from_slice(&partition.0.to_be_bytes());
    key
}

fn encode(key: &Key, end: Offset) -> Slot {
    let mut slot = [0; SLOT_BYTES];
    slot[..KEY_BYTES].copy_from_slice(key);
    slot[KEY_BYTES..CRC_AT].copy_from_slice(&end.0.to_be_bytes());
    let crc = crc32c::crc32c(&slot[..CRC_AT]);
    slot[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
    slot
}

/// What a slot says; `None` when it is free or damaged.
fn decode(slot: &Slot) -> Option<(Key, Offset)> {
    let (said, crc) = slot.split_last_chunk::<4>()?;
    let (key, end) = said.split_first_chunk::<KEY_BYTES>()?;
    let end = i64::from_be_bytes(end.try_into().ok()?);
    (crc32c::crc32c(said).to_be_bytes() == *crc && end >= 0).then_some((*key, Offset(end)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which slots are whose.
#[derive(Debug, Default)]
struct Table {
    /// What the last process left, by number.
    found: HashMap<Key, (u32, Offset)>,
    /// Slots of logs that this process has opened.
    claimed: HashMap<TopicPartition, Arc<FlushedEnd>>,
    free: Vec<u32>,
    /// The first number after the file's last slot.
    next: u32,
}

/// The slot that a log is to have.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// It has it since this process opened it before.
    Claimed(u32),
    /// The last process left it, with this end.
    Found(u32, Offset),
    /// It was free.
    New(u32),
}

impl Place {
    const fn number(self) -> u32 {
        match self {
            Self::Claimed(number) | Self::Found(number, _) | Self::New(number) => number,
        }
    }
}

/// The file.
#[derive(Debug)]
pub(crate) struct FlushedEnds {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    table: Mutex<Table>,
    /// Writes that were made.
    writes: AtomicU64,
    /// Writes that the last sync covers. Locked while one runs: who waited for another's sync
    /// mostly finds that it served both.
    synced: Mutex<u64>,
}

/// What the file says, for those who only look. A file that is absent or damaged says nothing.
#[derive(Debug, Clone, Default)]
pub struct NotedEnds(HashMap<Key, Offset>);

impl NotedEnds {
    pub(crate) fn read(disk: &dyn Disk, logs_dir: &Path) -> io::Result<Self> {
        let file = match disk.open(&logs_dir.join(FLUSHED_ENDS), OpenHow::Existing) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let mut content = Vec::new();
        let bytes = file.bytes()?;
        if bytes <= FILE_BYTES_MAX {
            file.read_at(0, usize::try_from(bytes).unwrap_or(0), &mut content)?;
        }
        let (slots, _) = content.as_chunks::<SLOT_BYTES>();
        let mut table = Table::default();
        if slots.first() == Some(&HEADER) {
            table.take(slots);
        }
        let found = table.found.into_iter();
        Ok(Self(found.map(|(key, (_, end))| (key, end)).collect()))
    }

    /// Every log that it knows, by topic and partition, and up to where it was synced at least.
    #[must_use]
    pub fn sorted(&self) -> Vec<(TopicId, PartitionIndex, Offset)> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_unstable();
        let ids = all.into_iter().filter_map(|(key, end)| {
            let (topic, partition) = key.split_first_chunk::<16>()?;
            let partition = u32::from_be_bytes(partition.try_into().ok()?);
            let topic_id = TopicId::from_uuid(Uuid::from_bytes(*topic));
            Some((topic_id, PartitionIndex(partition), *end))
        });
        ids.collect()
    }

    /// Up to where a log was synced at least; `None` when nothing is known.
    #[must_use]
    pub fn get(&self, topic_id: TopicId, partition: PartitionIndex) -> Option<Offset> {
        self.0.get(&key(topic_id, partition)).copied()
    }
}

/// The slot of one log.
#[derive(Debug)]
pub(crate) struct FlushedEnd {
    ends: std::sync::Weak<FlushedEnds>,
    key: Key,
    number: u32,
    end: AtomicI64,
}

impl FlushedEnds {
    /// Reads the file in `logs_dir`, or begins one. One that is damaged at its front is begun anew:
    /// without a slot, recovery is at its strictest.
    pub(super) fn open(disk: &dyn Disk, logs_dir: &Path) -> io::Result<Arc<Self>> {
        let path = logs_dir.join(FLUSHED_ENDS);
        let file = disk.open(&path, OpenHow::OrCreate)?;
        let bytes = file.bytes()?;
        let mut content = Vec::new();
        if bytes <= FILE_BYTES_MAX {
            file.read_at(0, usize::try_from(bytes).unwrap_or(0), &mut content)?;
        }
        let (slots, _) = content.as_chunks::<SLOT_BYTES>();
        let mut table = Table {
            next: 1,
            ..Table::default()
        };
        if slots.first() == Some(&HEADER) {
            table.take(slots);
        } else {
            if bytes > 0 {
                tracing::warn!(file = %path.display(), "flushed ends are damaged, begun anew");
            }
            file.truncate(0)?;
            file.write_all_at(0, &HEADER)?;
            file.sync_data()?;
            disk.sync_dir(logs_dir)?;
        }
        Ok(Arc::new(Self {
            path,
            file,
            table: Mutex::new(table),
            writes: AtomicU64::new(0),
            synced: Mutex::new(0),
        }))
    }

    /// Where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Up to where the log is known to have been synced; `None` when nothing is known.
    pub(super) fn get(&self, topic_id: TopicId, partition: &TopicPartition) -> Option<Offset> {
        let key = key(topic_id, partition.partition);
        let table = lock(&self.table);
        match table.claimed.get(partition).filter(|slot| slot.key == key) {
            Some(slot) => Some(Offset(slot.end.load(Ordering::Relaxed))),
            None => table.found.get(&key).map(|(_, end)| *end),
        }
    }

    /// The slot of a log that was opened and is durable up to `end`. A slot that is new is durable
    /// when this returns, so that it cannot be missing when the log has been written to.
    pub(super) fn claim(
        self: &Arc<Self>,
        topic_id: TopicId,
        partition: &TopicPartition,
        end: Offset,
    ) -> Result<Arc<FlushedEnd>, ChangeError> {
        let key = key(topic_id, partition.partition);
        let (place, claimed) = lock(&self.table).place_for(key, partition)?;
        let number = place.number();
        let written = self.write(number, &encode(&key, end));
        let durable = written
            .map_err(ChangeError::from)
            .and_then(|()| match place {
                Place::New(_) => self.sync(),
                Place::Claimed(_) | Place::Found(..) => Ok(()),
            });
        let mut table = lock(&self.table);
        if let Err(error) = durable {
            table.give_back(key, place);
            return Err(error);
        }
        let slot = claimed.unwrap_or_else(|| {
            Arc::new(FlushedEnd {
                ends: Arc::downgrade(self),
                key,
                number,
                end: AtomicI64::new(end.0),
            })
        });
        slot.end.store(end.0, Ordering::Relaxed);
        // Not before: who tries again after a refusal must not find a slot that is not on the disk.
        table.claimed.insert(partition.clone(), Arc::clone(&slot));
        Ok(slot)
    }

    /// Makes sure that the file, durably, promises nothing of the log beyond `end`.
    pub(super) fn lower(&self, partition: &TopicPartition, end: Offset) -> Result<(), ChangeError> {
        let slot = lock(&self.table).claimed.get(partition).cloned();
        match slot {
            Some(slot) if slot.end.load(Ordering::Relaxed) > end.0 => {
                self.write(slot.number, &encode(&slot.key, end))?;
                self.sync()?;
                slot.end.store(end.0, Ordering::Relaxed);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Forgets logs that are no more, durably. Each is named with its topic's id if that is known.
    pub(super) fn forget(
        &self,
        logs: &[(&TopicPartition, Option<TopicId>)],
    ) -> Result<(), ChangeError> {
        let mut table = lock(&self.table);
        let mut freed = Vec::new();
        for (partition, topic_id) in logs {
            freed.extend(table.claimed.remove(partition).map(|slot| slot.number));
            let found = topic_id.map(|topic_id| key(topic_id, partition.partition));
            freed.extend(found.and_then(|key| table.found.remove(&key).map(|(number, _)| number)));
        }
        if freed.is_empty() {
            return Ok(());
        }
        // Under the lock: no slot may have a new owner before it is free on the disk.
        for number in &freed {
            self.write(*number, &[0; SLOT_BYTES])?;
        }
        self.sync()?;
        table.free.extend(freed);
        Ok(())
    }

    /// Whether a write waits for a sync.
    pub(super) fn is_dirty(&self) -> bool {
        // While a sync runs, whatever it does not cover waits for the next round.
        self.synced
            .try_lock()
            .is_ok_and(|synced| *synced < self.writes.load(Ordering::Acquire))
    }

    /// Makes what was written so far durable; costs nothing when it is.
    pub(super) fn sync(&self) -> Result<(), ChangeError> {
        let mut synced = lock(&self.synced);
        // A write is counted when it is done, so the sync covers all that are counted here.
        let writes = self.writes.load(Ordering::Acquire);
        if *synced < writes {
            sync_data(self.file.as_ref())?;
            *synced = writes;
        }
        Ok(())
    }

    fn write(&self, number: u32, slot: &Slot) -> io::Result<()> {
        let position = u64::from(number) * SLOT_BYTES as u64;
        self.file.write_all_at(position, slot)?;
        self.writes.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

impl Table {
    fn take(&mut self, slots: &[Slot]) {
        for (number, slot) in (0..).zip(slots).skip(1) {
            match decode(slot) {
                // Two for one log cannot be; the lower one promises less.
                Some((key, end)) if self.found.get(&key).is_none_or(|(_, other)| end < *other) => {
                    if let Some((double, _)) = self.found.insert(key, (number, end)) {
                        self.free.push(double);
                    }
                }
                _ => self.free.push(number),
            }
        }
        self.next = u32::try_from(slots.len()).unwrap_or(u32::MAX);
    }

    /// The slot that a log is to have, taken from those that are free, and its own if it has one.
    fn place_for(
        &mut self,
        key: Key,
        partition: &TopicPartition,
    ) -> io::Result<(Place, Option<Arc<FlushedEnd>>)> {
        let claimed = self.claimed.get(partition).filter(|slot| slot.key == key);
        if let Some(slot) = claimed {
            return Ok((Place::Claimed(slot.number), Some(Arc::clone(slot))));
        }
        if let Some((number, end)) = self.found.remove(&key) {
            return Ok((Place::Found(number, end), None));
        }
        let free = self.free.pop();
        Ok((Place::New(free.map_or_else(|| self.append(), Ok)?), None))
    }

    /// Puts a slot back that was not written.
    fn give_back(&mut self, key: Key, place: Place) {
        match place {
            Place::Claimed(_) => {}
            Place::Found(number, end) => {
                self.found.insert(key, (number, end));
            }
            Place::New(number) => self.free.push(number),
        }
    }

    fn append(&mut self) -> io::Result<u32> {
        let number = self.next;
        let bytes = (u64::from(number) + 1) * SLOT_BYTES as u64;
        if bytes > FILE_BYTES_MAX {
            let message = format!("more than {FILE_BYTES_MAX} bytes of flushed ends");
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, message));
        }
        self.next += 1;
        Ok(number)
    }
}

impl FlushedEnd {
    /// Notes that the log is durable up to `end`. After a write that fails the slot stays behind,
    /// or is damaged; either only makes recovery stricter.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn note(&self, end: Offset) -> io::Result<()> {
        if self.end.swap(end.0, Ordering::Relaxed) == end.0 {
            return Ok(());
        }
        match self.ends.upgrade() {
            Some(ends) => ends.write(self.number, &encode(&self.key, end)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let topic_id: TopicId = "rYY3nnFSTqSSPHTTP0qT-g".parse().expect("an id");
        let key = key(topic_id, PartitionIndex(7));
        let slot = encode(&key, Offset(0x0102));
        assert_eq!(slot[..16], *topic_id.as_uuid().as_bytes());
        assert_eq!(slot[16..28], [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(slot[28..], crc32c::crc32c(&slot[..28]).to_be_bytes());
        assert_eq!(decode(&slot), Some((key, Offset(0x0102))));
        let noted = NotedEnds(HashMap::from([(key, Offset(0x0102))]));
        let expected = (topic_id, PartitionIndex(7), Offset(0x0102));
        assert_eq!(noted.sorted(), [expected]);
        assert_eq!(decode(&[0; SLOT_BYTES]), None);
        assert_eq!(decode(&encode(&key, Offset(-1))), None);
        for at in 0..SLOT_BYTES {
            let mut bad = slot;
            bad[at] ^= 1;
            assert_eq!(decode(&bad), None, "byte {at}");
        }
    }
}
