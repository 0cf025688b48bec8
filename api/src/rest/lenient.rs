//! Numbers that some clients write as text (seen of `kafka-bridge` clients).

use serde::{Deserialize, Deserializer, de};

/// A whole number, or the text of one, or nothing.
pub(super) fn optional_integer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a whole number")]
    enum Sent {
        Number(i64),
        Text(String),
    }
    match Option::<Sent>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Sent::Number(number)) => Ok(Some(number)),
        Some(Sent::Text(text)) => text
            .trim()
            .parse()
            .map(Some)
            .map_err(|_| de::Error::custom("expected a whole number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "optional_integer")]
        count: Option<i64>,
    }

    #[test]
    fn numbers_and_their_text_are_read_and_nothing_else() {
        for (json, expected) in [
            (r#"{"count":3}"#, Some(Some(3))),
            (r#"{"count":" -3 "}"#, Some(Some(-3))),
            (r#"{"count":null}"#, Some(None)),
            ("{}", Some(None)),
            (r#"{"count":"many"}"#, None),
            (r#"{"count":1.5}"#, None),
            (r#"{"count":[1]}"#, None),
        ] {
            let read = serde_json::from_str::<Body>(json).ok();
            assert_eq!(read.map(|body| body.count), expected, "{json}");
        }
    }
}
