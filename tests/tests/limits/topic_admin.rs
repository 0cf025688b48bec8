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

/// A creation of the topic `new` with one more field.
fn with(key: &str, value: Value) -> Value {
    let mut body = json!({ "topic_name": "new" });
    body[key] = value;
    body
}

fn creations(cluster_id: &str) -> Vec<Case> {
    let setting =
        |name: &str, value: &str| with("configs", json!([{ "name": name, "value": value }]));
    let unknown_broker = with("replicas_assignments", json!({ "0": [1, 77] }));
    let rows = [
        (
            "a topic that exists",
            json!({ "topic_name": TOPIC }),
            "already exists",
        ),
        (
            "no partitions",
            with("partitions_count", json!(0)),
            "partition",
        ),
        (
            "negative partitions",
            with("partitions_count", json!(-3)),
            "partition",
        ),
        (
            "too many partitions",
            with("partitions_count", json!(10_000_000)),
            "partition",
        ),
        (
            "no replicas",
            with("replication_factor", json!(0)),
            "replication",
        ),
        (
            "more replicas than brokers",
            with("replication_factor", json!(5)),
            "replication",
        ),
        (
            "an unknown setting",
            setting("no.such.setting", "1"),
            "no.such.setting",
        ),
        (
            "a setting out of bounds",
            setting("min.insync.replicas", "0"),
            "min.insync.replicas",
        ),
        ("a replica on an unknown broker", unknown_broker, "77"),
    ];
    let mut cases: Vec<Case> = rows
        .into_iter()
        .map(|(what, body, says)| Case::refused(what, create(cluster_id, &body), BAD_REQUEST, says))
        .collect();
    cases.extend(bodies(cluster_id));
    cases
}

fn bodies(cluster_id: &str) -> Vec<Case> {
    let unknown_field = create(cluster_id, &with("colour", json!("red")));
    let text = create(cluster_id, &with("partitions_count", json!("many")));
    let path = format!("/v3/clusters/{cluster_id}/topics");
    let no_json = Request::post(&path, "application/json", "{");
    let elsewhere = create("nobody", &json!({ "topic_name": "new" }));
    vec![
        Case::refused("an unknown field", unknown_field, UNPROCESSABLE, "colour"),
        Case::refused("partitions that are text", text, (400, 400), ""),
        Case::refused("a creation that is no JSON", no_json, (400, 400), "JSON"),
        Case::refused(
            "a creation in an unknown cluster",
            elsewhere,
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
