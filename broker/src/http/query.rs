//! [`QueryArgs`]: the query of a URL, asked for one argument at a time.
//!
//! Numbers that are none are refused with 400/40002, the code of the field; unknown arguments are
//! ignored, as everywhere.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use trimaran_api::ApiError;

use super::Refusal;

/// The arguments, decoded.
#[derive(Debug, Default)]
pub(super) struct QueryArgs(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for QueryArgs {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let read = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(args) =
            read.map_err(|error| bad(format!("the query cannot be read: {error}")))?;
        Ok(Self(args))
    }
}

impl QueryArgs {
    /// The argument's text, when it is there and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// The argument as a number from 0 up, if it is there.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            let shown: String = text.chars().take(64).collect();
            bad(format!(
                "'{name}' = '{shown}' is not usable: expected a whole number from 0 up"
            ))
        })
    }
}

/// 400/40002.
pub(super) fn bad(message: String) -> ApiError {
    ApiError::new(40002, message)
}
