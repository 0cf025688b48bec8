//! [`ConfigError`].

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's word.
        cause: String,
    },
    /// The text is not TOML.
    #[error("not valid TOML: {cause}")]
    Syntax {
        /// Where and why.
        cause: String,
    },
    /// A key that the node does not know.
    #[error("unknown key '{key}'{}", .nearest.as_ref().map(|near| format!("; did you mean '{near}'?")).unwrap_or_default())]
    UnknownKey {
        /// The key.
        key: String,
        /// The known key most like it.
        nearest: Option<String>,
    },
    /// A key that the node cannot do without.
    #[error("'{key}' is missing: {purpose}")]
    Missing {
        /// The key.
        key: String,
        /// What it is for.
        purpose: String,
    },
    /// A value that cannot be.
    #[error("'{key}' = '{value}' is not usable: {cause}")]
    Value {
        /// The key.
        key: String,
        /// The value given.
        value: String,
        /// What is wrong with it.
        cause: String,
    },
}
