//! [`FeaturesImage`]: the feature levels in force.

use imbl::OrdMap;
use serde::Serialize;

/// The features that are switched on, with their levels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FeaturesImage {
    levels: OrdMap<String, u16>,
}

impl FeaturesImage {
    /// The level of a feature; 0 when it is off.
    #[must_use]
    pub fn level(&self, name: &str) -> u16 {
        self.levels.get(name).copied().unwrap_or(0)
    }

    /// Every feature that is on, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u16)> {
        self.levels
            .iter()
            .map(|(name, level)| (name.as_str(), *level))
    }

    pub(crate) fn set(&mut self, name: &str, level: u16) {
        if level == 0 {
            self.levels.remove(name);
        } else {
            self.levels.insert(name.to_owned(), level);
        }
    }
}
