//! `timestamp=` in a query: the record that is asked for by its time.

use trimaran_api::ApiError;
use trimaran_api::replica::TimestampQuery;

use crate::http::query::{QueryArgs, bad};
use crate::wall_clock;

/// What the query asks for: the first record at a time or later, or the latest one; `None` when it
/// names no time.
///
/// # Errors
/// 400: no time that a record could have.
pub(super) fn wanted_time(query: &QueryArgs) -> Result<Option<TimestampQuery>, ApiError> {
    match query.text("timestamp") {
        None => Ok(None),
        Some("max") => Ok(Some(TimestampQuery::Max)),
        Some(text) => match wall_clock::parse(text) {
            Some(timestamp) => Ok(Some(TimestampQuery::AtLeast(timestamp))),
            None => {
                let shown: String = text.chars().take(64).collect();
                Err(bad(format!(
                    "'timestamp' = '{shown}' is not usable: expected milliseconds since 1970, UTC text \
                     such as 2026-01-31T12:00:00.000Z, or 'max'"
                )))
            }
        },
    }
}
