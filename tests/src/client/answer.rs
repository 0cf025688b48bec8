//! [`Answer`]: status and JSON body of one HTTP answer.

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An answer that was read to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; null when it was empty, text when it was no JSON.
    pub body: Value,
}

impl Answer {
    pub(super) async fn read(response: reqwest::Response) -> reqwest::Result<Self> {
        let status = response.status().as_u16();
        let bytes = response.bytes().await?;
        Ok(Self {
            status,
            body: body_of(&bytes),
        })
    }

    /// Whether the status says success.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// `error_code` of the body.
    #[must_use]
    pub fn error_code(&self) -> Option<u64> {
        self.body.get("error_code")?.as_u64()
    }

    /// `message` of the body; empty when there is none.
    #[must_use]
    pub fn message(&self) -> &str {
        self.body
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or("")
    }

    /// `retriable` of the body.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.body
            .get("retriable")
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }

    /// The body as a message.
    ///
    /// # Errors
    /// The status is no success, or the body is another message.
    pub fn success<T: DeserializeOwned>(self) -> Result<T> {
        if !self.is_success() {
            bail!("{self}");
        }
        let told = self.to_string();
        serde_json::from_value(self.body).with_context(|| format!("unexpected answer {told}"))
    }
}

/// Reads a body; what is no JSON is kept as text.
pub(super) fn body_of(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = self.body.to_string().chars().take(500).collect();
        write!(f, "HTTP {} {text}", self.status)
    }
}
