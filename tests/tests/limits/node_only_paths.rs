//! Nothing that only nodes may do is reachable from the clients' listener.

use super::case::Case;
use super::request::Request;

const ID: &str = "AAAAAAAAAAAAAAAAAAAAAQ";

pub(crate) fn cases() -> Vec<Case> {
    let append = format!("/v1/partitions/{ID}/0/append?acks=all&timeout_ms=1000");
    let read = format!("/v1/partitions/{ID}/0/read?offset=0&bytes_max=1&bytes_min=1&wait_ms=0");
    let offsets = format!("/v1/partitions/{ID}/0/offsets");
    let posts = [
        append.as_str(),
        "/v1/brokers/heartbeat",
        "/v1/partitions/alter",
        "/v1/bootstrap",
        "/v1/raft/append",
        "/v1/raft/vote",
        "/v1/raft/snapshot",
    ];
    let gets = [
        "/v1/replica/fetch",
        "/v1/append-stream",
        read.as_str(),
        offsets.as_str(),
        "/v1/brokers/1/session?broker_epoch=1",
        "/v1/bootstrap",
        "/v1/metadata/snapshot",
    ];
    let mut cases = Vec::new();
    for path in posts {
        let request = Request::post(path, "application/msgpack", b"\x80");
        cases.push(Case::refused(
            &format!("POST {path}"),
            request,
            (404, 404),
            "",
        ));
    }
    for path in gets {
        cases.push(Case::refused(
            &format!("GET {path}"),
            Request::get(path),
            (404, 404),
            "",
        ));
    }
    // The same paths may be read, never written.
    for (method, path) in [
        ("POST", "/v1/brokers"),
        ("POST", "/v1/topics"),
        ("DELETE", "/v1/topics/table"),
    ] {
        let request = Request::raw(format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: 2\r\n\r\n{{}}"
        ));
        cases.push(Case::refused(
            &format!("{method} {path}"),
            request,
            (405, 405),
            method,
        ));
    }
    cases
}
