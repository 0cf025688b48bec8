//! [`Offset`].

use serde::{Deserialize, Serialize};

/// A position in a partition's log: the place of one record, or the first place after some.
///
/// Which of the two is in the name of the value: `up_to` and `last` include, `before` and `end`
/// exclude. Valid offsets run from 0 to `i64::MAX`; an absent one is `None`, never 0 and never -1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub i64);

impl Offset {
    /// Where the first record of a new log goes.
    pub const ZERO: Self = Self(0);

    /// The offset `count` places further; saturates at `i64::MAX`.
    #[must_use]
    pub const fn plus(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// The offset right after this one; saturates at `i64::MAX`.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// How many places `self` lies beyond `earlier`; 0 when it does not.
    #[must_use]
    pub const fn distance_from(self, earlier: Self) -> i64 {
        let distance = self.0.saturating_sub(earlier.0);
        if distance < 0 { 0 } else { distance }
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
