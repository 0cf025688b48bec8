//! [`EmbeddedFormat`]: how keys and values stand in the JSON of v2, by the media types of the field
//! (Confluent's REST Proxy API v2).

use axum::http::{HeaderMap, header};
use trimaran_api::ApiError;

/// How a key or value stands in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EmbeddedFormat {
    /// Any JSON value; its bytes are stored as they were sent.
    Json,
    /// Bytes, as base64.
    Binary,
    /// A JSON string; its UTF-8 bytes are stored.
    Text,
}

/// What a media type says about the format.
enum Named {
    Format(EmbeddedFormat),
    /// Needs a schema registry.
    Schema,
    Unknown,
}

impl EmbeddedFormat {
    /// The format of a request's body. Without a type, or with a general one, it is binary.
    ///
    /// # Errors
    /// 415: a type that is not known, or that needs a schema registry.
    pub(super) fn of_content_type(headers: &HeaderMap) -> Result<Self, ApiError> {
        let sent = headers
            .get(header::CONTENT_TYPE)
            .map(|value| value.to_str().unwrap_or("unreadable"));
        let Some(sent) = sent.filter(|text| !text.trim().is_empty()) else {
            return Ok(Self::Binary);
        };
        let shown: String = sent.chars().take(100).collect();
        match named(sent) {
            Named::Format(format) => Ok(format),
            Named::Schema => Err(ApiError::new(
                415,
                format!("content type '{shown}' needs a schema registry; there is none"),
            )),
            Named::Unknown => Err(ApiError::new(
                415,
                format!(
                    "content type '{shown}' is not known here; send \
                     application/vnd.kafka.json.v2+json, application/vnd.kafka.binary.v2+json or \
                     application/vnd.kafka.text.v2+json"
                ),
            )),
        }
    }

    /// The format that the caller accepts: the first of the list that is known, binary if none is.
    ///
    /// # Errors
    /// 406: only types that need a schema registry.
    pub(super) fn of_accept(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut has_schema = false;
        let lists = headers.get_all(header::ACCEPT).iter();
        for range in lists
            .filter_map(|list| list.to_str().ok())
            .flat_map(|list| list.split(','))
        {
            match named(range) {
                Named::Format(format) => return Ok(format),
                Named::Schema => has_schema = true,
                Named::Unknown => {}
            }
        }
        if has_schema {
            return Err(ApiError::new(
                406,
                "schema formats need a schema registry; there is none",
            ));
        }
        Ok(Self::Binary)
    }

    /// The type of an answer whose records are in this format.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/vnd.kafka.json.v2+json",
            Self::Binary => "application/vnd.kafka.binary.v2+json",
            Self::Text => "application/vnd.kafka.text.v2+json",
        }
    }
}

/// The type of answers that hold no records.
pub(super) const V2: &str = "application/vnd.kafka.v2+json";

fn named(media_type: &str) -> Named {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    if matches!(
        essence.as_str(),
        "application/json" | "application/octet-stream" | "*/*" | "application/*" | ""
    ) {
        return Named::Format(EmbeddedFormat::Binary);
    }
    let Some(kafka) = essence
        .strip_prefix("application/vnd.kafka")
        .and_then(|rest| rest.strip_suffix("+json"))
    else {
        return Named::Unknown;
    };
    let format = kafka.trim_end_matches(".v2").trim_end_matches(".v1");
    match format {
        "" | ".binary" => Named::Format(EmbeddedFormat::Binary),
        ".json" => Named::Format(EmbeddedFormat::Json),
        ".text" => Named::Format(EmbeddedFormat::Text),
        ".avro" | ".jsonschema" | ".protobuf" => Named::Schema,
        _ => Named::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn content_types_of_the_field() {
        use EmbeddedFormat::{Binary, Json, Text};
        for (value, format) in [
            ("application/vnd.kafka.json.v2+json", Json),
            ("application/vnd.kafka.JSON.v1+json; charset=utf-8", Json),
            ("application/vnd.kafka.binary.v2+json", Binary),
            ("application/vnd.kafka.text.v2+json", Text),
            ("application/vnd.kafka.v2+json", Binary),
            ("application/vnd.kafka+json", Binary),
            ("application/json", Binary),
            ("", Binary),
        ] {
            let headers = with(header::CONTENT_TYPE, value);
            assert_eq!(
                EmbeddedFormat::of_content_type(&headers).unwrap(),
                format,
                "{value}"
            );
        }
        for value in [
            "text/html",
            "application/vnd.kafka.avro.v2+json",
            "application/vnd.kafka.x+json",
        ] {
            let headers = with(header::CONTENT_TYPE, value);
            let refusal = EmbeddedFormat::of_content_type(&headers).unwrap_err();
            assert_eq!(refusal.body.error_code, 415);
            assert!(refusal.body.message.contains(value), "{refusal}");
        }
    }

    #[test]
    fn the_first_known_type_of_a_list_is_taken() {
        use EmbeddedFormat::{Binary, Json};
        for (value, format) in [
            (
                "application/vnd.kafka.avro.v2+json, application/vnd.kafka.json.v2+json;q=0.5",
                Json,
            ),
            ("text/html, */*", Binary),
            ("text/html", Binary),
            ("", Binary),
        ] {
            let headers = with(header::ACCEPT, value);
            assert_eq!(
                EmbeddedFormat::of_accept(&headers).unwrap(),
                format,
                "{value}"
            );
        }
        let headers = with(header::ACCEPT, "application/vnd.kafka.avro.v2+json");
        assert_eq!(
            EmbeddedFormat::of_accept(&headers)
                .unwrap_err()
                .body
                .error_code,
            406
        );
    }
}
