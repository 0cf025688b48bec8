//! [`Row`]: one row of the produce table.

use std::fmt;

/// How a row produces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Records in a request.
    pub(crate) records: usize,
    pub(crate) acks: &'static str,
    pub(crate) connections: usize,
}

impl Row {
    /// Every row, in the order in which they are measured.
    pub(crate) fn all() -> Vec<Self> {
        let mut rows = Vec::new();
        for records in [1, 500] {
            for connections in [1, 64] {
                for acks in ["leader", "all"] {
                    rows.push(Self {
                        records,
                        acks,
                        connections,
                    });
                }
            }
        }
        rows
    }

    /// The names of all, for people.
    pub(crate) fn names() -> String {
        let names: Vec<String> = Self::all().iter().map(Self::to_string).collect();
        names.join(", ")
    }

    /// The row of this name.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let found = Self::all().into_iter().find(|row| row.to_string() == name);
        found.ok_or_else(|| format!("no row is called '{name}'; there are {}", Self::names()))
    }
}

/// `RECORDS/ACKS/CONNECTIONS`.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (records, acks, connections) = (self.records, self.acks, self.connections);
        write!(f, "{records}/{acks}/{connections}")
    }
}
