//! [`Content`]: a file of a [`Copied`](super::Copied) disk: the pages that were written, over the bytes
//! beneath that still show.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::DiskFile;

const PAGE_BYTES: usize = 4096;
const PAGE: u64 = PAGE_BYTES as u64;

/// How many pages may still be kept.
#[derive(Debug)]
pub(super) struct PagesLeft(AtomicU64);

impl PagesLeft {
    pub(super) const fn of_bytes(bytes_max: u64) -> Self {
        Self(AtomicU64::new(bytes_max / PAGE))
    }

    fn take(&self) -> io::Result<()> {
        let ordering = Ordering::Relaxed;
        let taken = self
            .0
            .fetch_update(ordering, ordering, |left| left.checked_sub(1));
        taken
            .map(drop)
            .map_err(|_| io::ErrorKind::StorageFull.into())
    }

    fn give_back(&self, pages: usize) {
        let pages = u64::try_from(pages).unwrap_or(u64::MAX);
        self.0.fetch_add(pages, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct State {
    bytes: u64,
    /// So many of the bytes beneath show; behind them, and where no page is, are zeros.
    shown_before: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE_BYTES]>>,
    written_bytes: u64,
    was_cut: bool,
}

/// A file's content.
#[derive(Debug)]
pub(super) struct Content {
    /// The path of the file beneath, which may have had another name since.
    beneath: Option<PathBuf>,
    state: Mutex<State>,
    pages: Arc<PagesLeft>,
}

/// A distance within what fits into memory.
fn index(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}

impl Content {
    pub(super) fn empty(pages: Arc<PagesLeft>) -> Self {
        Self {
            beneath: None,
            state: Mutex::default(),
            pages,
        }
    }

    pub(super) fn over(beneath: &Path, bytes: u64, pages: Arc<PagesLeft>) -> Self {
        Self {
            beneath: Some(beneath.to_owned()),
            state: Mutex::new(State {
                bytes,
                shown_before: bytes,
                ..State::default()
            }),
            pages,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn beneath(&self) -> Option<&Path> {
        self.beneath.as_deref()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.state().bytes
    }

    /// All that was ever written, also twice.
    pub(super) fn written_bytes(&self) -> u64 {
        self.state().written_bytes
    }

    /// Whether it may be another one than beneath.
    pub(super) fn is_changed(&self) -> bool {
        let state = self.state();
        state.was_cut || state.written_bytes > 0
    }

    pub(super) fn truncate(&self, bytes: u64) {
        let mut state = self.state();
        state.bytes = bytes;
        state.was_cut = true;
        state.shown_before = state.shown_before.min(bytes);
        let gone = state.pages.split_off(&bytes.div_ceil(PAGE));
        self.pages.give_back(gone.len());
        if let Some(last) = state.pages.get_mut(&(bytes / PAGE)) {
            last[index(bytes % PAGE)..].fill(0);
        }
    }

    pub(super) fn read_at(
        &self,
        beneath: Option<&dyn DiskFile>,
        position: u64,
        bytes_max: usize,
        into: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let state = self.state();
        let bytes_max = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        let end = state.bytes.min(position.saturating_add(bytes_max));
        let Some(wanted) = end.checked_sub(position).map(index) else {
            return Ok(0);
        };
        let from = into.len();
        let shown = state.shown_before.min(end).saturating_sub(position);
        if let Some(file) = beneath.filter(|_| shown > 0) {
            file.read_at(position, index(shown), into)?;
        }
        into.resize(from + wanted, 0);
        for (number, page) in state.pages.range(position / PAGE..end.div_ceil(PAGE)) {
            let at = number * PAGE;
            let (low, high) = (position.max(at), end.min(at + PAGE));
            if low < high {
                let target = from + index(low - position)..from + index(high - position);
                into[target].copy_from_slice(&page[index(low - at)..index(high - at)]);
            }
        }
        Ok(wanted)
    }

    pub(super) fn write_all_at(
        &self,
        beneath: Option<&dyn DiskFile>,
        position: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let end = position.checked_add(count);
        let end = end.ok_or(io::ErrorKind::FileTooLarge)?;
        let mut state = self.state();
        for number in position / PAGE..end.div_ceil(PAGE) {
            let at = number * PAGE;
            if !state.pages.contains_key(&number) {
                self.pages.take()?;
                let page = page_beneath(beneath, at, state.shown_before)?;
                state.pages.insert(number, page);
            }
            let (low, high) = (position.max(at), end.min(at + PAGE));
            if let Some(page) = state.pages.get_mut(&number) {
                page[index(low - at)..index(high - at)]
                    .copy_from_slice(&bytes[index(low - position)..index(high - position)]);
            }
        }
        state.bytes = state.bytes.max(end);
        state.written_bytes = state.written_bytes.saturating_add(count);
        Ok(())
    }
}

/// A page as it is before anything is written to it.
fn page_beneath(
    beneath: Option<&dyn DiskFile>,
    at: u64,
    shown_before: u64,
) -> io::Result<Box<[u8; PAGE_BYTES]>> {
    let mut page = Box::new([0; PAGE_BYTES]);
    let shown = index(shown_before.saturating_sub(at).min(PAGE));
    if let Some(file) = beneath.filter(|_| shown > 0) {
        let mut bytes = Vec::new();
        file.read_at(at, shown, &mut bytes)?;
        page[..bytes.len()].copy_from_slice(&bytes);
    }
    Ok(page)
}
