//! Bodies that are no JSON, or not the JSON that is wanted.

use super::case::Case;
use super::request::{BINARY_V2, JSON_V2, Request};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = malformed();
    cases.extend(wrong_shape());
    cases.extend(wrong_values());
    cases
}

fn json(name: &str, body: &str, codes: (u16, u64), says: &'static str) -> Case {
    Case::refused(name, Request::produce(JSON_V2, body), codes, says)
}

fn binary(name: &str, body: &str, codes: (u16, u64), says: &'static str) -> Case {
    Case::refused(name, Request::produce(BINARY_V2, body), codes, says)
}

const BAD_REQUEST: (u16, u64) = (400, 400);
const UNPROCESSABLE: (u16, u64) = (422, 422);

fn malformed() -> Vec<Case> {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = "{\"records\":".repeat(100_000);
    vec![
        json("not JSON", "records, please", BAD_REQUEST, "JSON"),
        json(
            "JSON that ends early",
            r#"{"records":[{"value":1}"#,
            BAD_REQUEST,
            "JSON",
        ),
        json(
            "JSON with more behind it",
            r#"{"records":[{"value":1}]} {}"#,
            BAD_REQUEST,
            "JSON",
        ),
        json(
            "a trailing comma",
            r#"{"records":[{"value":1},]}"#,
            BAD_REQUEST,
            "JSON",
        ),
        json(
            "single quotes",
            "{'records':[{'value':1}]}",
            BAD_REQUEST,
            "JSON",
        ),
        json(
            "a number that is none",
            r#"{"records":[{"value":01}]}"#,
            BAD_REQUEST,
            "JSON",
        ),
        json("100,000 arrays deep", &deep, BAD_REQUEST, ""),
        json(
            "100,000 objects deep and open",
            &deep_object,
            BAD_REQUEST,
            "",
        ),
        Case::refused(
            "bytes that are no UTF-8",
            Request::produce(JSON_V2, b"{\"records\":[{\"value\":\"\xff\xfe\"}]}"),
            BAD_REQUEST,
            "",
        ),
        Case::refused(
            "a NUL byte in JSON text",
            Request::produce(JSON_V2, b"{\"records\":[{\"value\":\"a\x00b\"}]}"),
            BAD_REQUEST,
            "",
        ),
    ]
}

fn wrong_shape() -> Vec<Case> {
    vec![
        json("an array as the body", "[]", BAD_REQUEST, ""),
        json("null as the body", "null", BAD_REQUEST, ""),
        json(
            "records that are a number",
            r#"{"records":5}"#,
            BAD_REQUEST,
            "",
        ),
        json(
            "records that are an object",
            r#"{"records":{}}"#,
            BAD_REQUEST,
            "",
        ),
        json(
            "a record that is a number",
            r#"{"records":[5]}"#,
            BAD_REQUEST,
            "",
        ),
        json(
            "a good record before a bad one",
            r#"{"records":[{"value":1},{"value":2},7]}"#,
            BAD_REQUEST,
            "",
        ),
        json(
            "records twice",
            r#"{"records":[{"value":1}],"records":[{"value":2}]}"#,
            BAD_REQUEST,
            "records",
        ),
        json(
            "a value twice",
            r#"{"records":[{"value":1,"value":2}]}"#,
            BAD_REQUEST,
            "value",
        ),
        json(
            "headers that are a number",
            r#"{"records":[{"value":1,"headers":3}]}"#,
            BAD_REQUEST,
            "",
        ),
        json(
            "a timestamp that is an array",
            r#"{"records":[{"value":1,"timestamp":[]}]}"#,
            BAD_REQUEST,
            "timestamp",
        ),
        json("no records", r#"{"records":[]}"#, UNPROCESSABLE, "records"),
        json("records left out", "{}", UNPROCESSABLE, "records"),
        Case::refused(
            "an empty body",
            Request::produce(JSON_V2, ""),
            BAD_REQUEST,
            "",
        ),
    ]
}

fn wrong_values() -> Vec<Case> {
    vec![
        binary(
            "a value that is no base64",
            r#"{"records":[{"value":"!!"}]}"#,
            BAD_REQUEST,
            "base64",
        ),
        binary(
            "a key that is no base64",
            r#"{"records":[{"key":"?","value":""}]}"#,
            BAD_REQUEST,
            "base64",
        ),
        binary(
            "a value that is no text",
            r#"{"records":[{"value":{"a":1}}]}"#,
            BAD_REQUEST,
            "base64",
        ),
        binary(
            "good base64 before bad",
            r#"{"records":[{"value":"AAAA"},{"value":"AAAA="}]}"#,
            BAD_REQUEST,
            "base64",
        ),
        json(
            "a header value that is no base64",
            r#"{"records":[{"value":1,"headers":[{"key":"h","value":"%%"}]}]}"#,
            BAD_REQUEST,
            "base64",
        ),
        Case::refused(
            "an unknown content type",
            Request::produce("text/html", r#"{"records":[{"value":1}]}"#),
            (415, 415),
            "text/html",
        ),
        Case::refused(
            "a schema format",
            Request::produce(
                "application/vnd.kafka.avro.v2+json",
                r#"{"records":[{"value":1}]}"#,
            ),
            (415, 415),
            "avro",
        ),
    ]
}
