//! What is not there, cannot be named, or lies out of range.

use super::case::Case;
use super::request::{JSON_V2, Request};
use super::table::TOPIC;

const GOOD_BODY: &str = r#"{"records":[{"value":1}]}"#;

pub(crate) fn cases(cluster_id: &str) -> Vec<Case> {
    let mut cases = unknown(cluster_id);
    cases.extend(illegal_names());
    cases.extend(offsets());
    cases.extend(methods(cluster_id));
    cases
}

fn unknown(cluster_id: &str) -> Vec<Case> {
    let get =
        |name: &str, path: &str, codes, says| Case::refused(name, Request::get(path), codes, says);
    let produce = |name: &str, path: &str, codes, says| {
        Case::refused(name, Request::post(path, JSON_V2, GOOD_BODY), codes, says)
    };
    let record_beyond = r#"{"records":[{"value":1,"partition":0},{"value":2,"partition":2}]}"#;
    vec![
        get(
            "an unknown topic",
            "/topics/nowhere",
            (404, 40403),
            "nowhere",
        ),
        get(
            "partitions of an unknown topic",
            "/topics/nowhere/partitions",
            (404, 40403),
            "nowhere",
        ),
        get(
            "an unknown partition",
            &format!("/topics/{TOPIC}/partitions/2"),
            (404, 40402),
            "2",
        ),
        get(
            "offsets of an unknown partition",
            &format!("/topics/{TOPIC}/partitions/2/offsets"),
            (404, 40402),
            "2",
        ),
        get(
            "records of an unknown partition",
            &format!("/topics/{TOPIC}/partitions/99/records?offset=0&timeout=0&max_bytes=1000"),
            (404, 40402),
            "99",
        ),
        get(
            "a partition that is no number",
            &format!("/topics/{TOPIC}/partitions/x"),
            (404, 404),
            "",
        ),
        get(
            "a partition beyond all numbers",
            &format!("/topics/{TOPIC}/partitions/99999999999999999999"),
            (404, 404),
            "",
        ),
        produce(
            "a record for an unknown topic",
            "/topics/nowhere",
            (404, 40401),
            "nowhere",
        ),
        produce(
            "a record for an unknown partition",
            &format!("/topics/{TOPIC}/partitions/2"),
            (404, 40402),
            "2",
        ),
        Case::refused(
            "a record for an unknown partition behind a good one",
            Request::post(&format!("/topics/{TOPIC}"), JSON_V2, record_beyond),
            (404, 40402),
            "2",
        ),
        get(
            "an unknown path",
            "/nothing/here",
            (404, 404),
            "/nothing/here",
        ),
        get(
            "an unknown cluster",
            "/v3/clusters/nobody/topics",
            (404, 404),
            "nobody",
        ),
        get(
            "an unknown topic of v3",
            &format!("/v3/clusters/{cluster_id}/topics/nowhere"),
            (404, 40403),
            "nowhere",
        ),
        get(
            "an unknown topic of the operator's view",
            "/v1/topics/nowhere",
            (404, 40403),
            "nowhere",
        ),
    ]
}

fn illegal_names() -> Vec<Case> {
    let long = "x".repeat(250);
    let names = [
        ("two dots", "%2e%2e", "'..'"),
        ("two dots, capital", "%2E%2E", "'..'"),
        ("a NUL", "a%00b", "character"),
        ("a slash", "a%2fb", "character"),
        ("a space", "a%20b", "character"),
        ("a letter beyond ASCII", "%C3%A9", "character"),
        ("250 letters", long.as_str(), "249"),
    ];
    let mut cases = Vec::new();
    for (what, name, says) in names {
        let path = format!("/topics/{name}");
        let produce = Request::post(&path, JSON_V2, GOOD_BODY);
        cases.push(Case::refused(
            &format!("a record for a name with {what}"),
            produce,
            (422, 40002),
            says,
        ));
    }
    cases.push(Case::refused(
        "a name whose bytes are no text",
        Request::get("/topics/%ff%fe"),
        (400, 400),
        "",
    ));
    cases
}

fn offsets() -> Vec<Case> {
    let read = |query: &str| Request::get(&format!("/topics/{TOPIC}/partitions/0/records?{query}"));
    let refused =
        |name: &str, query: &str, says| Case::refused(name, read(query), (400, 40002), says);
    vec![
        refused(
            "an offset beyond the end",
            "offset=1000&timeout=0&max_bytes=1000",
            "1000",
        ),
        refused(
            "the last offset of all",
            "offset=9223372036854775807&timeout=0&max_bytes=1000",
            "9223372036854775807",
        ),
        refused(
            "an offset below zero",
            "offset=-5&timeout=0&max_bytes=1000",
            "-5",
        ),
        refused(
            "an offset that is no number",
            "offset=first&timeout=0&max_bytes=1000",
            "offset",
        ),
        refused(
            "an offset beyond all numbers",
            "offset=99999999999999999999&timeout=0&max_bytes=1000",
            "offset",
        ),
        refused(
            "a time-out that is no number",
            "offset=0&timeout=soon&max_bytes=1000",
            "timeout",
        ),
        refused(
            "a negative size",
            "offset=0&timeout=0&max_bytes=-1",
            "max_bytes",
        ),
    ]
}

fn methods(cluster_id: &str) -> Vec<Case> {
    let not_allowed = |name: &str, method: &'static str, path: &str| {
        Case::refused(name, Request::bare(method, path), (405, 405), method)
    };
    vec![
        not_allowed("a method that topics do not know", "PATCH", "/topics"),
        not_allowed(
            "a topic deleted through v2",
            "DELETE",
            &format!("/topics/{TOPIC}"),
        ),
        not_allowed(
            "clusters created",
            "PUT",
            &format!("/v3/clusters/{cluster_id}"),
        ),
    ]
}
