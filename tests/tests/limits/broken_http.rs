//! Bytes that are no HTTP, or more of it than anyone needs.

use super::case::Case;
use super::request::{JSON_V2, Request};
use super::table::TOPIC;

const BAD: &[u16] = &[400];
const TOO_LARGE: &[u16] = &[400, 414, 431];

const BODY: &str = r#"{"records":[{"value":1}]}"#;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = first_lines();
    cases.extend(headers());
    cases.extend(framing());
    cases
}

fn post(headers: &str, body: &str) -> Request {
    Request::raw(format!(
        "POST /topics/{TOPIC}/partitions/0 HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON_V2}\r\n\
         {headers}\r\n{body}"
    ))
}

fn first_lines() -> Vec<Case> {
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n";
    let nul = b"GET /topics/a\x00b HTTP/1.1\r\nhost: x\r\n\r\n";
    let line_end = "GET /a\r\nb HTTP/1.1\r\nhost: x\r\n\r\n";
    let long = Request::get(&format!("/{}", "x".repeat(1024 * 1024)));
    let http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let version = "GET / HTTP/9.9\r\n\r\n";
    vec![
        Case::protocol("no HTTP at all", Request::raw("hello?\r\n\r\n"), BAD),
        Case::protocol("TLS", Request::raw(tls), BAD),
        Case::protocol("HTTP/2 without asking", Request::raw(http2), &[400, 505]),
        Case::protocol("a version that is none", Request::raw(version), &[400, 505]),
        Case::protocol("a path with a NUL", Request::raw(nul), BAD),
        Case::protocol("a path with a line end", Request::raw(line_end), BAD),
        Case::protocol("a path of 1 MiB", long, TOO_LARGE),
    ]
}

fn headers() -> Vec<Case> {
    let many: String = (0..1_000)
        .map(|number| format!("h{number}: x\r\n"))
        .collect();
    let huge = format!("h: {}\r\n", "x".repeat(1024 * 1024));
    let space = "bad name: x\r\ncontent-length: 0\r\n";
    vec![
        Case::protocol("a header of 1 MiB", post(&huge, ""), TOO_LARGE),
        Case::protocol("1,000 headers", post(&many, ""), TOO_LARGE),
        Case::protocol("a header name with a space", post(space, ""), BAD),
    ]
}

fn framing() -> Vec<Case> {
    let chunk = |size: &str| {
        let body = format!("{size}\r\n{BODY}\r\n0\r\n\r\n");
        post("transfer-encoding: chunked\r\n", &body)
    };
    let length = |length: &str| post(&format!("content-length: {length}\r\n"), BODY);
    let two = post("content-length: 5\r\ncontent-length: 25\r\n", BODY);
    let huge = chunk("fffffffffffffffffffff");
    vec![
        Case::protocol("a length that is no number", length("ten"), BAD),
        Case::protocol("a negative length", length("-1"), BAD),
        Case::protocol("two lengths that differ", two, BAD),
        Case::protocol("a chunk whose size is no number", chunk("zz"), BAD),
        Case::protocol("a chunk size beyond all numbers", huge, BAD),
    ]
}

/// Good requests of which only the beginning comes before the client hangs up.
pub(crate) fn broken_off() -> Vec<Request> {
    let two_records = r#"{"records":[{"value":1},{"value":2}]}"#;
    let chunk = format!("{:x}\r\n{two_records}\r\n", two_records.len());
    vec![
        post("content-length: 1000\r\n", two_records),
        post("transfer-encoding: chunked\r\n", &chunk),
        post("content-length: 37\r\n", &two_records[..36]),
    ]
}
