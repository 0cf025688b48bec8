//! [`Segment`]: one partition's bare file, and what an append to it takes beside its bytes.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::storage::{Storage, reserve};

/// Zeros that are written ahead in one call.
static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

pub(crate) struct Segment {
    file: File,
    storage: Storage,
    /// Where the next append goes.
    position: u64,
    /// Up to where zeros were written ahead.
    zeros_before: u64,
    /// After so many bytes it begins again.
    bytes_max: u64,
}

impl Segment {
    pub(crate) const fn new(file: File, storage: Storage, bytes_max: u64) -> Self {
        Self {
            file,
            storage,
            position: 0,
            zeros_before: 0,
            bytes_max,
        }
    }

    /// Writes an append, and what goes with it in this way to store; nothing is synced.
    pub(crate) fn write(&mut self, append: &[u8]) {
        let bytes = append.len() as u64;
        if self.position + bytes > self.bytes_max {
            self.begin_again();
        }
        self.file
            .write_all_at(append, self.position)
            .expect("has room");
        self.position += bytes;
        if self.storage == Storage::Room && self.position >= self.zeros_before {
            self.write_ahead(append.len());
        }
    }

    /// Makes what was written durable.
    pub(crate) fn sync(&self) {
        self.file.sync_data().expect("syncs");
    }

    /// A chunk of zeros as the log makes it.
    fn write_ahead(&mut self, append_bytes: usize) {
        let chunk = (16 * append_bytes).clamp(64 * 1024, ZEROS.len());
        self.file
            .write_all_at(&ZEROS[..chunk], self.position)
            .expect("has room");
        self.zeros_before = self.position + chunk as u64;
    }

    /// What was used once must not pass for new.
    fn begin_again(&mut self) {
        self.position = 0;
        self.zeros_before = 0;
        match self.storage {
            Storage::Recycled | Storage::DirectRecycled => {}
            Storage::Growing | Storage::Room | Storage::Journal => {
                self.file.set_len(0).expect("cuts");
            }
            Storage::Preallocated | Storage::DirectPreallocated => {
                self.file.set_len(0).expect("cuts");
                reserve(&self.file, self.bytes_max);
            }
        }
    }
}
