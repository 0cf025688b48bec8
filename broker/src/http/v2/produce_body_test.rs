//! Bodies of v2 produce requests, good and bad.

use proptest::prelude::*;
use trimaran_types::PartitionIndex;

use super::*;

const JSON: EmbeddedFormat = EmbeddedFormat::Json;
const BINARY: EmbeddedFormat = EmbeddedFormat::Binary;
const TEXT: EmbeddedFormat = EmbeddedFormat::Text;

fn values(body: &str, format: EmbeddedFormat) -> Vec<Option<String>> {
    let drafts = parse(body.as_bytes(), format).unwrap();
    let text = |bytes: Cow<'_, [u8]>| String::from_utf8(bytes.into_owned()).unwrap();
    drafts
        .into_iter()
        .map(|draft| draft.value.map(text))
        .collect()
}

#[test]
fn json_values_are_stored_byte_for_byte() {
    let body = r#" { "key_schema" : null, "records":[ {"value": {"b": 1.0,  "a":"\u00e9"} } ,{"value":12345678901234567890.10}]} "#;
    assert_eq!(
        values(body, JSON),
        [
            Some(r#"{"b": 1.0,  "a":"\u00e9"}"#.to_owned()),
            Some("12345678901234567890.10".to_owned())
        ]
    );
}

#[test]
fn null_and_absent_are_tombstones_in_every_format_and_falsy_values_are_not() {
    for format in [JSON, BINARY, TEXT] {
        assert_eq!(
            values(r#"{"records":[{"value":null},{}]}"#, format),
            [None, None]
        );
        assert_eq!(
            values(r#"{"records":[{"value":""}]}"#, TEXT),
            [Some(String::new())]
        );
    }
    let falsy = r#"{"records":[{"value":0},{"value":false},{"value":""},{"value":{}}]}"#;
    let stored: Vec<String> = values(falsy, JSON).into_iter().flatten().collect();
    assert_eq!(stored, ["0", "false", "\"\"", "{}"]);
}

#[test]
fn text_and_base64_are_decoded_and_numbers_may_be_text() {
    assert_eq!(
        values(r#"{"records":[{"value":"a\n\"b\""},{"value":"c"}]}"#, TEXT),
        [Some("a\n\"b\"".to_owned()), Some("c".to_owned())]
    );
    assert_eq!(
        values(
            r#"{"records":[{"value":"aGk="},{"value":"aGk"},{"value":"aG\u006b="}]}"#,
            BINARY
        ),
        [
            Some("hi".to_owned()),
            Some("hi".to_owned()),
            Some("hi".to_owned())
        ]
    );
    let body = br#"{"records":[{"partition":"3","timestamp":"5","value":1},
        {"partition":4,"timestamp":"1970-01-01T00:00:01Z","value":1}]}"#;
    let drafts = parse(body, JSON).unwrap();
    let places: Vec<_> = drafts
        .iter()
        .map(|draft| (draft.partition, draft.timestamp))
        .collect();
    let at = |partition, ms| {
        (
            Some(PartitionIndex(partition)),
            Some(trimaran_types::Timestamp(ms)),
        )
    };
    assert_eq!(places, [at(3, 5), at(4, 1_000)]);
}

#[test]
fn headers_come_under_either_name_in_order_and_twice() {
    let body = br#"{"records":[{"value":1,"headers":[{"key":"a","value":"aGk="},
        {"name":"a","value":null},{"name":"b"}]}]}"#;
    let drafts = parse(body, JSON).unwrap();
    let headers: Vec<_> = drafts[0]
        .headers
        .iter()
        .map(|header| (&*header.name, header.value.as_deref()))
        .collect();
    assert_eq!(headers, [("a", Some(&b"hi"[..])), ("a", None), ("b", None)]);
}

#[test]
fn each_mistake_has_its_code_and_its_words() {
    let large = format!(
        r#"{{"records":[{{"value":1}},{{"value":"{}"}}]}}"#,
        "x".repeat(1 << 20)
    );
    let many = format!(
        r#"{{"records":[{}]}}"#,
        vec!["{}"; REQUEST_RECORDS_MAX + 1].join(",")
    );
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = r#"{"records":"#.repeat(100_000);
    let header = vec![r#"{"key":"h"}"#; RECORD_HEADERS_MAX + 1].join(",");
    let headers = format!(r#"{{"records":[{{"headers":[{header}]}}]}}"#);
    for (body, format, code, part) in [
        ("", JSON, 400, "JSON"),
        ("{", JSON, 400, "ends early"),
        ("[]", JSON, 400, "'records'"),
        ("null", JSON, 400, "'records'"),
        (r#"{"records":[{"value":1}]} x"#, JSON, 400, "trailing"),
        (r#"{"records":[5]}"#, JSON, 400, "a record"),
        (r#"{"records":[[1,2]]}"#, JSON, 400, "a record"),
        (r#"{"records":{}}"#, JSON, 400, "an array"),
        (r#"{"records":[],"records":[]}"#, JSON, 400, "duplicate"),
        (
            r#"{"records":[{"value":1,"value":2}]}"#,
            JSON,
            400,
            "duplicate field `value`",
        ),
        (r#"{"records":[]}"#, JSON, 422, "empty"),
        ("{}", JSON, 422, "empty"),
        (&many, JSON, 422, "10000"),
        (&large, JSON, 413, "record 1: it has"),
        (&deep, JSON, 400, ""),
        (&deep_object, JSON, 400, ""),
        (&headers, JSON, 422, "1000"),
        (
            r#"{"records":[{"value":{"a":1}}]}"#,
            BINARY,
            400,
            "application/vnd.kafka.json.v2+json",
        ),
        (r#"{"records":[{"value":"AAAA="}]}"#, BINARY, 400, "base64"),
        (r#"{"records":[{"value":1}]}"#, TEXT, 400, "JSON string"),
        (r#"{"records":[{"partition":-1}]}"#, JSON, 400, "partition"),
        (r#"{"records":[{"timestamp":[]}]}"#, JSON, 400, "timestamp"),
        (
            r#"{"records":[{"headers":[{"key":"h","value":"%%"}]}]}"#,
            JSON,
            400,
            "base64",
        ),
        (r#"{"records":[{"headers":3}]}"#, JSON, 400, "headers"),
    ] {
        let shown: String = body.chars().take(80).collect();
        let refusal = parse(body.as_bytes(), format).expect_err(&shown);
        assert_eq!(refusal.body.error_code, code, "{shown}: {refusal}");
        assert!(refusal.body.message.contains(part), "{shown}: {refusal}");
    }
}

#[test]
fn a_value_may_be_deep_since_nothing_walks_down_it() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(r#"{{"records":[{{"value":{deep}}}]}}"#);
    assert_eq!(values(&body, JSON), [Some(deep)]);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in [JSON, BINARY, TEXT] {
            let _ = parse(&bytes, format);
        }
    }

    #[test]
    fn no_damage_to_a_good_body_makes_it_panic(place in 0_usize..80, byte: u8) {
        let mut body = br#"{"records":[{"key":"a","value":"aGk=","partition":0,"headers":[{"key":"h"}]}]}"#.to_vec();
        if let Some(slot) = body.get_mut(place) {
            *slot = byte;
        }
        for format in [JSON, BINARY, TEXT] {
            let _ = parse(&body, format);
        }
    }
}
