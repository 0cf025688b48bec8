//! [`OpenProgress`] and [`OpenReport`]: how the opening of all logs goes, for `/readyz` and people.

/// How far the opening has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenProgress {
    /// Logs opened, or found unusable.
    pub done: usize,
    /// Logs to open.
    pub total: usize,
    /// All of them are done.
    pub finished: bool,
}

/// What the opening has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Replicas in service.
    pub opened: usize,
    /// Logs whose unsynced end was torn and cut off.
    pub torn: usize,
    /// Directories that nobody asks for, set aside.
    pub strays: usize,
    /// Logs that a record ended which was committed while the broker was away; being deleted.
    pub ended: usize,
    /// Damaged logs that were set aside and are fetched anew.
    pub refetched: usize,
    /// Damaged logs that stay out of service: they may hold the only good copy.
    pub out_of_service: usize,
    /// Bytes read to recover.
    pub scanned_bytes: u64,
}
