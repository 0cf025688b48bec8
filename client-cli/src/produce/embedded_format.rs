//! [`EmbeddedFormat`].

/// What keys and values are, between us and the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EmbeddedFormat {
    /// JSON values, stored as they are written.
    Json,
    /// UTF-8 text, stored without quotes.
    Text,
}

impl EmbeddedFormat {
    /// The content type that says so.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/vnd.kafka.json.v2+json",
            Self::Text => "application/vnd.kafka.text.v2+json",
        }
    }
}
