//! What is not there, cannot be named, or lies out of range.

use super::case::Case;
use super::request::{JSON_V2, Request};
use super::table::TOPIC;

const GOOD_BODY: &str = r#"{"records":[{"value":1}]}"#;

pub(crate) fn cases(cluster_id: &str) -> Vec<Case> {
    let mut cases = unknown(cluster_id);
    cases.extend(records_for_nobody());
    cases.extend(illegal_names());
    cases.extend(offsets());
    cases.extend(times());
    cases.extend(methods(cluster_id));
    cases
}

fn unknown(cluster_id: &str) -> Vec<Case> {
    let partition = |rest: &str| format!("/topics/{TOPIC}/partitions/{rest}");
    let rows = [
        (
            "an unknown topic",
            "/topics/nowhere".to_owned(),
            (404, 40403),
            "nowhere",
        ),
        (
            "its partitions",
            "/topics/nowhere/partitions".to_owned(),
            (404, 40403),
            "nowhere",
        ),
        (
            "it for operators",
            "/v1/topics/nowhere".to_owned(),
            (404, 40403),
            "nowhere",
        ),
        (
            "it in v3",
            format!("/v3/clusters/{cluster_id}/topics/nowhere"),
            (404, 40403),
            "nowhere",
        ),
        ("an unknown partition", partition("2"), (404, 40402), "2"),
        ("offsets of one", partition("2/offsets"), (404, 40402), "2"),
        (
            "records of one",
            partition("99/records?offset=0&timeout=0"),
            (404, 40402),
            "99",
        ),
        (
            "a partition that is no number",
            partition("x"),
            (404, 404),
            "",
        ),
        (
            "a partition beyond all numbers",
            partition("99999999999999999999"),
            (404, 404),
            "",
        ),
        (
            "an unknown path",
            "/nothing/here".to_owned(),
            (404, 404),
            "/nothing/here",
        ),
        (
            "an unknown cluster",
            "/v3/clusters/nobody/topics".to_owned(),
            (404, 404),
            "nobody",
        ),
    ];
    rows.into_iter()
        .map(|(what, path, codes, says)| Case::refused(what, Request::get(&path), codes, says))
        .collect()
}

fn records_for_nobody() -> Vec<Case> {
    let post = |path: &str, body: &str| Request::post(path, JSON_V2, body);
    let nowhere = post("/topics/nowhere", GOOD_BODY);
    let beyond = post(&format!("/topics/{TOPIC}/partitions/2"), GOOD_BODY);
    let behind_a_good_one = post(
        &format!("/topics/{TOPIC}"),
        r#"{"records":[{"value":1,"partition":0},{"value":2,"partition":2}]}"#,
    );
    let contradiction = post(
        &format!("/topics/{TOPIC}/partitions/0"),
        r#"{"records":[{"value":1},{"value":2,"partition":1}]}"#,
    );
    vec![
        Case::refused(
            "a record for an unknown topic",
            nowhere,
            (404, 40401),
            "nowhere",
        ),
        Case::refused(
            "a record for an unknown partition",
            beyond,
            (404, 40402),
            "2",
        ),
        Case::refused(
            "one behind a good record",
            behind_a_good_one,
            (404, 40402),
            "2",
        ),
        Case::refused(
            "a partition beside the path's",
            contradiction,
            (422, 422),
            "1",
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

fn times() -> Vec<Case> {
    let refused = |name: &str, query: &str, says| {
        let path = format!("/topics/{TOPIC}/partitions/0/{query}");
        Case::refused(name, Request::get(&path), (400, 40002), says)
    };
    vec![
        refused(
            "an offset and a time",
            "records?offset=0&timestamp=0&timeout=0&max_bytes=1000",
            "'offset' and 'timestamp'",
        ),
        refused(
            "a time that is none",
            "records?timestamp=yesterday&timeout=0&max_bytes=1000",
            "yesterday",
        ),
        refused(
            "a time before 1970",
            "records?timestamp=-1&timeout=0&max_bytes=1000",
            "'-1'",
        ),
        refused(
            "a time beyond all years",
            "records?timestamp=9223372036854775807&timeout=0&max_bytes=1000",
            "9223372036854775807",
        ),
        refused(
            "bounds at a time that is none",
            "offsets?timestamp=2026-13-01T00:00:00Z",
            "2026-13-01",
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
