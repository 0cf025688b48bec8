//! Topics that cannot be created or deleted.

use serde_json::{Value, json};

use super::case::Case;
use super::request::Request;
use super::table::TOPIC;

const BAD_REQUEST: (u16, u64) = (400, 40002);
const UNPROCESSABLE: (u16, u64) = (422, 422);

pub(crate) fn cases(cluster_id: &str) -> Vec<Case> {
    let mut cases = creations(cluster_id);
    cases.extend(names(cluster_id));
    cases.push(Case::refused(
        "an unknown topic deleted",
        Request::bare(
            "DELETE",
            &format!("/v3/clusters/{cluster_id}/topics/nowhere"),
        ),
        (404, 40403),
        "nowhere",
    ));
    cases.push(Case::refused(
        "a topic deleted in an unknown cluster",
        Request::bare("DELETE", &format!("/v3/clusters/nobody/topics/{TOPIC}")),
        (404, 404),
        "nobody",
    ));
    cases
}

fn create(cluster_id: &str, body: &Value) -> Request {
    let path = format!("/v3/clusters/{cluster_id}/topics");
    Request::post(&path, "application/json", body.to_string())
}

fn creations(cluster_id: &str) -> Vec<Case> {
    let refused = |name: &str, body: Value, codes, says| {
        Case::refused(name, create(cluster_id, &body), codes, says)
    };
    let new = |key: &str, value: Value| {
        let mut body = json!({ "topic_name": "new" });
        body[key] = value;
        body
    };
    vec![
        refused(
            "a topic that exists",
            json!({ "topic_name": TOPIC }),
            BAD_REQUEST,
            "already exists",
        ),
        refused(
            "no partitions",
            new("partitions_count", json!(0)),
            BAD_REQUEST,
            "partition",
        ),
        refused(
            "negative partitions",
            new("partitions_count", json!(-3)),
            BAD_REQUEST,
            "partition",
        ),
        refused(
            "too many partitions",
            new("partitions_count", json!(10_000_000)),
            BAD_REQUEST,
            "partition",
        ),
        refused(
            "no replicas",
            new("replication_factor", json!(0)),
            BAD_REQUEST,
            "replication",
        ),
        refused(
            "more replicas than brokers",
            new("replication_factor", json!(5)),
            BAD_REQUEST,
            "replication",
        ),
        refused(
            "an unknown setting",
            new(
                "configs",
                json!([{ "name": "no.such.setting", "value": "1" }]),
            ),
            BAD_REQUEST,
            "no.such.setting",
        ),
        refused(
            "a setting out of bounds",
            new(
                "configs",
                json!([{ "name": "min.insync.replicas", "value": "0" }]),
            ),
            BAD_REQUEST,
            "min.insync.replicas",
        ),
        refused(
            "a replica on an unknown broker",
            new("replicas_assignments", json!({ "0": [1, 77] })),
            BAD_REQUEST,
            "77",
        ),
        refused(
            "an unknown field",
            new("colour", json!("red")),
            UNPROCESSABLE,
            "colour",
        ),
        refused(
            "partitions that are text",
            new("partitions_count", json!("many")),
            (400, 400),
            "",
        ),
        Case::refused(
            "a creation that is no JSON",
            Request::post(
                &format!("/v3/clusters/{cluster_id}/topics"),
                "application/json",
                "{",
            ),
            (400, 400),
            "JSON",
        ),
        Case::refused(
            "a creation in an unknown cluster",
            create("nobody", &json!({ "topic_name": "new" })),
            (404, 404),
            "nobody",
        ),
    ]
}

fn names(cluster_id: &str) -> Vec<Case> {
    let long = "x".repeat(250);
    let names = [
        ("an empty name", "", "empty"),
        ("the name '.'", ".", "'.'"),
        ("the name '..'", "..", "'..'"),
        ("a name with a slash", "a/b", "character"),
        ("a name with a NUL", "a\0b", "character"),
        ("a name beyond ASCII", "é", "character"),
        ("a name of 250 letters", long.as_str(), "249"),
    ];
    let refused = |(what, name, says): (&str, &str, &'static str)| {
        let request = create(cluster_id, &json!({ "topic_name": name }));
        Case::refused(what, request, (422, 42206), says)
    };
    names.into_iter().map(refused).collect()
}
