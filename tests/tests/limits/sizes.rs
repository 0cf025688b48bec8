//! Bounds of size and number, each crossed by as little as can be.

use trimaran_types::limits::{RECORD_BYTES_MAX, REQUEST_BODY_BYTES_MAX, REQUEST_RECORDS_MAX};

use super::case::Case;
use super::request::{BINARY_V2, JSON_V2, Request};
use super::table::TOPIC;

const TOO_LARGE: (u16, u64) = (413, 413);

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = bodies();
    cases.extend(records());
    cases
}

fn bodies() -> Vec<Case> {
    let path = format!("/topics/{TOPIC}/partitions/0");
    // Declared and never sent: it must be refused before anybody reads it.
    let declared = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON_V2}\r\ncontent-length: {}\r\n\r\n",
        REQUEST_BODY_BYTES_MAX + 1
    );
    let absurd = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON_V2}\r\ncontent-length: {}\r\n\r\n",
        u64::MAX / 2
    );
    let mut chunks = vec![br#"{"records":[{"value":""#.to_vec()];
    chunks.extend((0..REQUEST_BODY_BYTES_MAX / (64 * 1024) + 1).map(|_| vec![b'x'; 64 * 1024]));
    chunks.push(br#""}]}"#.to_vec());
    vec![
        Case::refused(
            "a body of 8 MiB and a byte, declared",
            Request::raw(declared),
            TOO_LARGE,
            "8388608",
        ),
        Case::refused(
            "a body of half of all numbers, declared",
            Request::raw(absurd),
            TOO_LARGE,
            "8388608",
        ),
        Case::refused(
            "a body over 8 MiB in chunks",
            Request::post_chunked(&path, JSON_V2, &chunks),
            TOO_LARGE,
            "8388608",
        ),
    ]
}

fn records() -> Vec<Case> {
    let too_many = format!(
        "{{\"records\":[{}]}}",
        vec![r#"{"value":1}"#; REQUEST_RECORDS_MAX + 1].join(",")
    );
    // The quotes belong to a JSON value's bytes.
    let too_large = format!(
        r#"{{"records":[{{"value":1}},{{"value":"{}"}}]}}"#,
        "x".repeat(RECORD_BYTES_MAX)
    );
    let large_key = format!(
        r#"{{"records":[{{"key":"{}","value":1}}]}}"#,
        "x".repeat(RECORD_BYTES_MAX)
    );
    let large_binary = format!(
        r#"{{"records":[{{"value":"{}"}}]}}"#,
        "AAAA".repeat(RECORD_BYTES_MAX / 3 + 1)
    );
    let headers = vec![r#"{"key":"h","value":null}"#; 1_001].join(",");
    let many_headers = format!(r#"{{"records":[{{"value":1,"headers":[{headers}]}}]}}"#);
    vec![
        Case::refused(
            "10,001 records",
            Request::produce(JSON_V2, too_many),
            (422, 422),
            "10000",
        ),
        Case::refused(
            "a record over 1 MiB behind a good one",
            Request::produce(JSON_V2, too_large),
            TOO_LARGE,
            "1048576",
        ),
        Case::refused(
            "a key over 1 MiB",
            Request::produce(JSON_V2, large_key),
            TOO_LARGE,
            "1048576",
        ),
        Case::refused(
            "a binary record over 1 MiB",
            Request::produce(BINARY_V2, large_binary),
            TOO_LARGE,
            "1048576",
        ),
        Case::refused(
            "1,001 headers on a record",
            Request::produce(JSON_V2, many_headers),
            (422, 422),
            "1000",
        ),
    ]
}
