//! [`ProduceRequest`]: one produce request, and what can be known of each record after it.

use std::time::Duration;

use serde_json::{Value, json};
use trimaran_types::{Offset, PartitionIndex};

use super::{Answer, Rest};
use crate::history::ValueId;

/// Several values for one partition, in order.
#[derive(Debug, Clone)]
pub struct ProduceRequest<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: PartitionIndex,
    /// The values.
    pub values: &'a [ValueId],
    /// Text beside each value's id.
    pub padding_bytes: usize,
    /// How long the client waits.
    pub patience: Duration,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordFate {
    /// Written on all in-sync replicas, here.
    Acked(Offset),
    /// Surely not written. Whether to try again is for the reader of `retriable`.
    Refused {
        /// Another try may succeed.
        retriable: bool,
        /// The words of the refusal.
        why: String,
    },
    /// Nobody can tell.
    Unknown(String),
}

impl ProduceRequest<'_> {
    /// Sends it to some broker: a fate for each value, in order.
    pub async fn send(&self, rest: &Rest) -> Vec<RecordFate> {
        let broker = rest.any_broker();
        let url = format!(
            "http://{broker}/topics/{}/partitions/{}",
            self.topic, self.partition
        );
        let request = rest
            .http()
            .post(url)
            .timeout(self.patience)
            .header("content-type", "application/vnd.kafka.json.v2+json")
            .body(self.body().to_string());
        let answer = match request.send().await {
            Ok(response) => Answer::read(response).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => self.fates(&answer),
            Err(error) => {
                rest.was_silent(broker);
                self.all(&of_transport(&error, broker))
            }
        }
    }

    fn body(&self) -> Value {
        let record = |value: &ValueId| {
            let key = format!("producer-{}", value.producer);
            json!({ "key": key, "value": value.to_json(self.padding_bytes) })
        };
        json!({ "records": self.values.iter().map(record).collect::<Vec<_>>() })
    }

    fn fates(&self, answer: &Answer) -> Vec<RecordFate> {
        if !answer.is_success() {
            return self.all(&of_refusal(answer));
        }
        let entries = answer.body.get("offsets").and_then(Value::as_array);
        match entries {
            Some(entries) if entries.len() == self.values.len() => entries
                .iter()
                .map(|entry| of_entry(entry, self.partition))
                .collect(),
            _ => self.all(&RecordFate::Unknown(format!("unexpected answer {answer}"))),
        }
    }

    fn all(&self, fate: &RecordFate) -> Vec<RecordFate> {
        vec![fate.clone(); self.values.len()]
    }
}

/// A request that got no answer: only one that found no connection surely did nothing.
fn of_transport(error: &reqwest::Error, broker: &str) -> RecordFate {
    if error.is_connect() {
        let why = format!("cannot connect to {broker}");
        return RecordFate::Refused {
            retriable: true,
            why,
        };
    }
    RecordFate::Unknown(format!("no answer from {broker}: {error}"))
}

/// A refusal of the whole request. A client's own mistake writes nothing; of a server's trouble only
/// the server knows, and says so.
fn of_refusal(answer: &Answer) -> RecordFate {
    let outcome = answer
        .body
        .pointer("/details/outcome")
        .and_then(Value::as_str);
    let nothing_written = match outcome {
        Some(outcome) => outcome == "nothing-written",
        None => matches!(answer.status, 400..=499),
    };
    if nothing_written {
        let retriable = answer.is_retriable();
        RecordFate::Refused {
            retriable,
            why: answer.to_string(),
        }
    } else {
        RecordFate::Unknown(answer.to_string())
    }
}

/// One entry of an answer.
fn of_entry(entry: &Value, partition: PartitionIndex) -> RecordFate {
    let number = |key: &str| entry.get(key).and_then(Value::as_i64);
    match (number("error_code"), number("offset"), number("partition")) {
        (None, Some(offset), Some(place)) if place == i64::from(partition.0) => {
            RecordFate::Acked(Offset(offset))
        }
        (Some(code), _, _)
            if entry.get("outcome").and_then(Value::as_str) == Some("nothing-written") =>
        {
            RecordFate::Refused {
                retriable: code == 50003,
                why: entry.to_string(),
            }
        }
        _ => RecordFate::Unknown(entry.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate_of(status: u16, body: Value) -> RecordFate {
        let request = ProduceRequest {
            topic: "t",
            partition: PartitionIndex(4),
            values: &[ValueId {
                producer: 0,
                sequence: 0,
            }],
            padding_bytes: 0,
            patience: Duration::ZERO,
        };
        request.fates(&Answer { status, body }).remove(0)
    }

    #[test]
    fn only_what_the_server_promises_is_a_refusal() {
        let entry = |entry: Value| json!({ "offsets": [entry] });
        let acked = entry(json!({"partition": 4, "offset": 7, "error_code": null, "error": null}));
        assert_eq!(fate_of(200, acked), RecordFate::Acked(Offset(7)));
        let elsewhere = entry(json!({"partition": 5, "offset": 7, "error_code": null}));
        let refused = entry(json!({"error_code": 50003, "outcome": "nothing-written"}));
        let vague = entry(json!({"error_code": 50003, "outcome": "unknown"}));
        let unknown = |fate| matches!(fate, RecordFate::Unknown(_));
        let is_refused = |fate, expected| matches!(fate, RecordFate::Refused { retriable, .. } if retriable == expected);
        assert!(unknown(fate_of(200, elsewhere)));
        assert!(is_refused(fate_of(200, refused), true));
        assert!(unknown(fate_of(200, vague)));
        assert!(unknown(fate_of(200, json!({ "offsets": [] }))));
        assert!(unknown(fate_of(
            503,
            json!({"error_code": 50302, "retriable": true})
        )));
        assert!(is_refused(
            fate_of(404, json!({"error_code": 40401})),
            false
        ));
        let promised = json!({
            "error_code": 50302, "retriable": true, "details": {"outcome": "nothing-written"}
        });
        assert!(is_refused(fate_of(503, promised), true));
        let in_doubt = json!({"error_code": 409, "details": {"outcome": "unknown"}});
        assert!(unknown(fate_of(409, in_doubt)));
    }
}
