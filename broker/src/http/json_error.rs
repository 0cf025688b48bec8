//! What is said about a body that is not the JSON wanted, without the parser's own vocabulary.

use serde_json::error::Category;
use trimaran_api::ApiError;

/// 400: malformed, or JSON of the wrong shape.
pub(super) fn refused(error: &serde_json::Error) -> ApiError {
    let message = match error.classify() {
        Category::Syntax | Category::Io => format!("the body is not valid JSON: {error}"),
        Category::Eof => format!("the body is not valid JSON, it ends early: {error}"),
        Category::Data => format!("the body is JSON of the wrong shape: {error}"),
    };
    ApiError::new(400, message)
}

/// The name in an "unknown field" complaint, where the error is one.
pub(super) fn unknown_field(error: &serde_json::Error) -> Option<String> {
    let text = error.to_string();
    let rest = text.strip_prefix("unknown field `")?;
    rest.split_once('`').map(|(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        #[expect(dead_code, reason = "only its errors matter here")]
        one: i64,
    }

    fn error(text: &str) -> serde_json::Error {
        serde_json::from_str::<Shape>(text).unwrap_err()
    }

    #[test]
    fn each_kind_of_mistake_is_named() {
        for (text, part) in [
            ("{", "ends early"),
            ("{]", "not valid JSON"),
            (r#"{"one":"x"}"#, "wrong shape"),
        ] {
            let refusal = refused(&error(text));
            assert_eq!(refusal.body.error_code, 400);
            assert!(refusal.body.message.contains(part), "{refusal}");
        }
        assert_eq!(
            unknown_field(&error(r#"{"two":1}"#)).as_deref(),
            Some("two")
        );
        assert_eq!(unknown_field(&error("{")), None);
    }
}
