//! [`TopicName`]: Kafka's rule for the names of topics.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::TOPIC_NAME_LENGTH_MAX;

/// A legal topic name: 1 to 249 of `[a-zA-Z0-9._-]`, and neither `.` nor `..`.
///
/// Names that start with two underscores belong to the cluster itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicName(Arc<str>);

/// Why a text is no topic name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopicName {
    /// Nothing was given.
    #[error("topic name is empty")]
    Empty,
    /// `.` and `..` would be folders.
    #[error("topic name cannot be '.' or '..'")]
    Dots,
    /// Longer than [`TOPIC_NAME_LENGTH_MAX`].
    #[error("topic name has {length} characters, the limit is {TOPIC_NAME_LENGTH_MAX}")]
    TooLong {
        /// Bytes in the name.
        length: usize,
    },
    /// A character outside the legal set.
    #[error(
        "topic name contains the character {character:?}; legal are ASCII letters, digits, '.', '_' and '-'"
    )]
    IllegalCharacter {
        /// The first illegal character.
        character: char,
    },
}

impl TopicName {
    /// Checks `name` against the rule.
    ///
    /// # Errors
    /// What the rule says against it.
    pub fn new(name: &str) -> Result<Self, InvalidTopicName> {
        if name.is_empty() {
            return Err(InvalidTopicName::Empty);
        }
        if name == "." || name == ".." {
            return Err(InvalidTopicName::Dots);
        }
        if name.len() > TOPIC_NAME_LENGTH_MAX {
            return Err(InvalidTopicName::TooLong { length: name.len() });
        }
        let illegal = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        match name.chars().find(illegal) {
            Some(character) => Err(InvalidTopicName::IllegalCharacter { character }),
            None => Ok(Self(Arc::from(name))),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the topic belongs to the cluster itself (`__consumer_offsets` and its like).
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.0.starts_with("__")
    }

    /// The name with `.` read as `_`: two topics with one such key collide in metric names, so
    /// Kafka refuses the second.
    #[must_use]
    pub fn collision_key(&self) -> String {
        self.0.replace('.', "_")
    }
}

impl std::fmt::Display for TopicName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for TopicName {
    type Err = InvalidTopicName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<String> for TopicName {
    type Error = InvalidTopicName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<TopicName> for String {
    fn from(name: TopicName) -> Self {
        name.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_names_pass_and_illegal_ones_say_why() {
        for legal in ["a", "flights", "a.b_c-D9", "...", "__x", &"x".repeat(249)] {
            assert!(TopicName::new(legal).is_ok(), "{legal}");
        }
        assert_eq!(TopicName::new(""), Err(InvalidTopicName::Empty));
        assert_eq!(TopicName::new("."), Err(InvalidTopicName::Dots));
        assert_eq!(TopicName::new(".."), Err(InvalidTopicName::Dots));
        assert_eq!(
            TopicName::new(&"x".repeat(250)),
            Err(InvalidTopicName::TooLong { length: 250 })
        );
        for (name, character) in [("a/b", '/'), ("a b", ' '), ("é", 'é'), ("a\0", '\0')] {
            assert_eq!(
                TopicName::new(name),
                Err(InvalidTopicName::IllegalCharacter { character })
            );
        }
    }

    #[test]
    fn dots_and_underscores_collide() {
        let key = |name: &str| TopicName::new(name).expect("legal").collision_key();
        assert_eq!(key("a.b"), key("a_b"));
        assert_ne!(key("a.b"), key("a-b"));
    }
}
