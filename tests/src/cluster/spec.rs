//! [`ClusterSpec`]: what cluster a test wants.

/// Where the nodes keep their data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In memory where the system has a memory file system: syncs cost nothing, tests are quick.
    Memory,
    /// On a disk, for tests of durability and figures.
    Disk,
}

/// How many nodes, with which settings. Settings are given under their names in the TOML file.
#[derive(Debug, Clone)]
pub struct ClusterSpec {
    pub(super) controllers: u32,
    pub(super) brokers: u32,
    pub(super) storage: Storage,
    pub(super) controller_settings: Vec<(String, String)>,
    pub(super) broker_settings: Vec<(String, String)>,
}

impl ClusterSpec {
    /// Controllers 1..=`controllers` and brokers 1..=`brokers`, in memory, with default settings.
    #[must_use]
    pub fn new(controllers: u32, brokers: u32) -> Self {
        Self {
            controllers,
            brokers,
            storage: Storage::Memory,
            controller_settings: Vec::new(),
            broker_settings: Vec::new(),
        }
    }

    /// Three controllers and three brokers.
    #[must_use]
    pub fn three_and_three() -> Self {
        Self::new(3, 3)
    }

    /// The same with its data elsewhere.
    #[must_use]
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// The same with a setting for every controller.
    #[must_use]
    pub fn controller_setting(mut self, key: &str, value: impl ToString) -> Self {
        self.controller_settings
            .push((key.to_owned(), value.to_string()));
        self
    }

    /// The same with a setting for every broker.
    #[must_use]
    pub fn broker_setting(mut self, key: &str, value: impl ToString) -> Self {
        self.broker_settings
            .push((key.to_owned(), value.to_string()));
        self
    }
}
