//! [`Settings`]: the keys of a file, asked for one by one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use crate::{ConfigError, flatten::flatten};

/// The settings of one node, before they have types.
///
/// Whoever builds a configuration asks for each key it knows; [`Settings::finish`] then refuses the
/// keys that nobody asked for.
#[derive(Debug)]
pub struct Settings {
    values: BTreeMap<String, String>,
    asked: RefCell<BTreeSet<String>>,
}

impl Settings {
    /// Reads the file at `path`, then lets `overrides` (key and value) win over it.
    ///
    /// # Errors
    /// When the file cannot be read or is not TOML.
    pub fn load(path: &Path, overrides: &[(String, String)]) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            path: path.display().to_string(),
            cause: error.to_string(),
        })?;
        Self::parse(&text, overrides)
    }

    /// Reads TOML text, then lets `overrides` win over it.
    ///
    /// # Errors
    /// When the text is not TOML.
    pub fn parse(text: &str, overrides: &[(String, String)]) -> Result<Self, ConfigError> {
        let table: toml::Table =
            text.parse()
                .map_err(|error: toml::de::Error| ConfigError::Syntax {
                    cause: error.to_string().trim().replace('\n', " "),
                })?;
        let mut values = flatten(table)?;
        values.extend(overrides.iter().cloned());
        Ok(Self {
            values,
            asked: RefCell::default(),
        })
    }

    /// The value of `key`, if it is set.
    ///
    /// # Errors
    /// When the value is not a `T`.
    pub fn optional<T>(&self, key: &str) -> Result<Option<T>, ConfigError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.asked.borrow_mut().insert(key.to_owned());
        let Some(text) = self.values.get(key) else {
            return Ok(None);
        };
        text.trim()
            .parse()
            .map(Some)
            .map_err(|error: T::Err| ConfigError::Value {
                key: key.to_owned(),
                value: text.clone(),
                cause: error.to_string(),
            })
    }

    /// The value of `key`, or `default`.
    ///
    /// # Errors
    /// When the value is not a `T`.
    pub fn or<T>(&self, key: &str, default: T) -> Result<T, ConfigError>
    where
        T: FromStr,
        T::Err: Display,
    {
        Ok(self.optional(key)?.unwrap_or(default))
    }

    /// The value of `key`, or `default`, within `low..=high`.
    ///
    /// # Errors
    /// When the value is not a `T` or out of bounds.
    pub fn bounded<T>(&self, key: &str, default: T, low: T, high: T) -> Result<T, ConfigError>
    where
        T: FromStr + PartialOrd + Display,
        T::Err: Display,
    {
        let value = self.or(key, default)?;
        if value < low || value > high {
            return Err(ConfigError::Value {
                key: key.to_owned(),
                value: value.to_string(),
                cause: format!("must lie between {low} and {high}"),
            });
        }
        Ok(value)
    }

    /// The value of `key`, which the node cannot do without; `purpose` goes into the error.
    ///
    /// # Errors
    /// When it is not set, or not a `T`.
    pub fn required<T>(&self, key: &str, purpose: &str) -> Result<T, ConfigError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.optional(key)?.ok_or_else(|| ConfigError::Missing {
            key: key.to_owned(),
            purpose: purpose.to_owned(),
        })
    }

    /// The comma-separated parts of `key`, trimmed; none when it is not set.
    ///
    /// # Errors
    /// When a part is not a `T`.
    pub fn list<T>(&self, key: &str) -> Result<Vec<T>, ConfigError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text: String = self.or(key, String::new())?;
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts
            .map(|part| {
                part.parse().map_err(|error: T::Err| ConfigError::Value {
                    key: key.to_owned(),
                    value: part.to_owned(),
                    cause: error.to_string(),
                })
            })
            .collect()
    }

    /// Refuses the keys that were set and never asked for.
    ///
    /// # Errors
    /// The first such key, with its nearest neighbour among the known ones.
    pub fn finish(self) -> Result<(), ConfigError> {
        let asked = self.asked.into_inner();
        let Some(key) = self.values.keys().find(|key| !asked.contains(*key)) else {
            return Ok(());
        };
        let nearest = asked
            .iter()
            .map(|known| (strsim::damerau_levenshtein(known, key), known))
            .min()
            .filter(|(distance, known)| *distance <= known.len().max(key.len()) / 2)
            .map(|(_, known)| known.clone());
        Err(ConfigError::UnknownKey {
            key: key.clone(),
            nearest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_keys_and_tables_are_one() {
        let settings = Settings::parse(
            "node.id = 1\n[broker.session]\ntimeout.ms = 1500\n[x]\nlist = ['a', 'b']\n",
            &[("node.id".to_owned(), "2".to_owned())],
        )
        .unwrap();
        assert_eq!(settings.required::<u32>("node.id", "names the node"), Ok(2));
        assert_eq!(settings.or("broker.session.timeout.ms", 1_u64), Ok(1500));
        assert_eq!(
            settings.list::<String>("x.list"),
            Ok(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(settings.finish(), Ok(()));
    }

    #[test]
    fn a_mistyped_key_is_refused_with_its_neighbour() {
        let settings = Settings::parse("broker.sesion.timeout.ms = 1", &[]).unwrap();
        let _ = settings.or("broker.session.timeout.ms", 1_u64);
        let _ = settings.or("node.id", 1_u64);
        let error = settings.finish().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown key 'broker.sesion.timeout.ms'; did you mean 'broker.session.timeout.ms'?"
        );
    }

    #[test]
    fn values_out_of_bounds_and_of_the_wrong_type_say_so() {
        let settings = Settings::parse("a = 'x'\nb = 5", &[]).unwrap();
        assert!(
            settings
                .or("a", 1_u64)
                .unwrap_err()
                .to_string()
                .contains("'a' = 'x'")
        );
        let error = settings
            .bounded("b", 1_u64, 10, 20)
            .unwrap_err()
            .to_string();
        assert_eq!(error, "'b' = '5' is not usable: must lie between 10 and 20");
        let error = settings
            .required::<u64>("c", "says where")
            .unwrap_err()
            .to_string();
        assert_eq!(error, "'c' is missing: says where");
    }

    #[test]
    fn broken_toml_says_where() {
        let error = Settings::parse("a = ", &[]).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}
