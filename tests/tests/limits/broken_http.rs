//! Bytes that are no HTTP, or more of it than anyone needs.

use super::case::Case;
use super::request::{JSON_V2, Request};
use super::table::TOPIC;

const BAD: &[u16] = &[400];
const TOO_LARGE: &[u16] = &[400, 414, 431];

pub(crate) fn cases() -> Vec<Case> {
    let path = format!("/topics/{TOPIC}/partitions/0");
    let post = |headers: &str, body: &str| {
        Request::raw(format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON_V2}\r\n{headers}\r\n{body}"
        ))
    };
    let body = r#"{"records":[{"value":1}]}"#;
    let many_headers: String = (0..1_000)
        .map(|number| format!("h{number}: x\r\n"))
        .collect();
    let huge_header = format!("h: {}\r\n", "x".repeat(1024 * 1024));
    let chunk = |size: &str| {
        post(
            "transfer-encoding: chunked\r\n",
            &format!("{size}\r\n{body}\r\n0\r\n\r\n"),
        )
    };
    vec![
        Case::protocol("no HTTP at all", Request::raw("hello?\r\n\r\n"), BAD),
        Case::protocol(
            "TLS",
            Request::raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
            BAD,
        ),
        Case::protocol(
            "HTTP/2 without asking",
            Request::raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            &[400, 505],
        ),
        Case::protocol(
            "a version that is none",
            Request::raw("GET / HTTP/9.9\r\n\r\n"),
            &[400, 505],
        ),
        Case::protocol(
            "a path with a NUL",
            Request::raw(b"GET /topics/a\x00b HTTP/1.1\r\nhost: x\r\n\r\n"),
            BAD,
        ),
        Case::protocol(
            "a path with a line end",
            Request::raw("GET /a\r\nb HTTP/1.1\r\nhost: x\r\n\r\n"),
            BAD,
        ),
        Case::protocol(
            "a path of 1 MiB",
            Request::get(&format!("/{}", "x".repeat(1024 * 1024))),
            TOO_LARGE,
        ),
        Case::protocol("a header of 1 MiB", post(&huge_header, ""), TOO_LARGE),
        Case::protocol("1,000 headers", post(&many_headers, ""), TOO_LARGE),
        Case::protocol(
            "a header name with a space",
            post("bad name: x\r\ncontent-length: 0\r\n", ""),
            BAD,
        ),
        Case::protocol(
            "a length that is no number",
            post("content-length: ten\r\n", body),
            BAD,
        ),
        Case::protocol(
            "a negative length",
            post("content-length: -1\r\n", body),
            BAD,
        ),
        Case::protocol(
            "two lengths that differ",
            post("content-length: 5\r\ncontent-length: 25\r\n", body),
            BAD,
        ),
        Case::protocol("a chunk whose size is no number", chunk("zz"), BAD),
        Case::protocol(
            "a chunk size beyond all numbers",
            chunk("fffffffffffffffffffff"),
            BAD,
        ),
    ]
}
