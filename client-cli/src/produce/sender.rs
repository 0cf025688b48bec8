//! [`Sender`]: one batch to the cluster, again where that is safe, until each record has a fate.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use trimaran_api::client::CallError;
use trimaran_api::rest::ProduceResponseV2;
use trimaran_types::TopicName;

use super::outcome::{self, Verdict};
use super::{EmbeddedFormat, Outcome, ProduceRecord};
use crate::connection::Connection;

/// How long one request may take; longer than a broker waits for its own work.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(45);

/// First and longest pause before a batch is sent again.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_LONGEST: Duration = Duration::from_millis(400);

/// How long a broker may take to hear of a topic that another one knows.
const MISSING_PATIENCE: Duration = Duration::from_secs(1);

/// Sends batches of one topic.
#[derive(Debug)]
pub(crate) struct Sender<'a> {
    connection: &'a Connection,
    topic: &'a TopicName,
    format: EmbeddedFormat,
    patience: Duration,
}

#[derive(Serialize)]
struct Request<'a> {
    records: Vec<&'a ProduceRecord>,
}

impl<'a> Sender<'a> {
    /// Tries a batch again for `patience` at most.
    pub(crate) fn new(
        connection: &'a Connection,
        topic: &'a TopicName,
        format: EmbeddedFormat,
        patience: Duration,
    ) -> Self {
        Self {
            connection,
            topic,
            format,
            patience,
        }
    }

    /// Sends `records` and tells the fate of each, in order.
    pub(crate) async fn send(&self, records: &[ProduceRecord]) -> Vec<Outcome> {
        let started = Instant::now();
        let mut fates: Vec<Option<Outcome>> = vec![None; records.len()];
        let mut open: Vec<usize> = (0..records.len()).collect();
        let mut pause = PAUSE_FIRST;
        while !open.is_empty() {
            let verdicts = self.try_once(records, &open).await;
            let spent = started.elapsed();
            let mut still_open = Vec::new();
            for (place, verdict) in open.into_iter().zip(verdicts) {
                match verdict {
                    Verdict::Final(fate) => fates[place] = Some(fate),
                    Verdict::Retry { .. } if spent < self.patience => still_open.push(place),
                    Verdict::Missing { .. } if spent < self.patience.min(MISSING_PATIENCE) => {
                        still_open.push(place);
                    }
                    Verdict::Retry { reason } | Verdict::Missing { reason } => {
                        fates[place] = Some(Outcome::Refused { reason });
                    }
                }
            }
            open = still_open;
            if !open.is_empty() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_LONGEST);
            }
        }
        let unanswered = || Outcome::Unknown {
            reason: "no answer for this record".to_owned(),
        };
        fates
            .into_iter()
            .map(|fate| fate.unwrap_or_else(unanswered))
            .collect()
    }

    /// One request with the records at `open`; one verdict for each.
    async fn try_once(&self, records: &[ProduceRecord], open: &[usize]) -> Vec<Verdict> {
        let request = Request {
            records: open
                .iter()
                .filter_map(|place| records.get(*place))
                .collect(),
        };
        let body = match serde_json::to_vec(&request) {
            Ok(body) => body,
            Err(error) => {
                let refused = Outcome::Refused {
                    reason: error.to_string(),
                };
                return vec![Verdict::Final(refused); open.len()];
            }
        };
        let answer: Result<ProduceResponseV2, CallError> = self
            .connection
            .try_once(|http, base| {
                http.post(format!("{base}/topics/{}", self.topic))
                    .timeout(REQUEST_TIMEOUT)
                    .header(reqwest::header::CONTENT_TYPE, self.format.content_type())
                    .body(body.clone())
            })
            .await;
        match answer {
            Ok(answer) if answer.offsets.len() == open.len() => {
                answer.offsets.iter().map(outcome::of_entry).collect()
            }
            Ok(answer) => {
                let reason = format!(
                    "{} answers for {} records",
                    answer.offsets.len(),
                    open.len()
                );
                vec![Verdict::Final(Outcome::Unknown { reason }); open.len()]
            }
            Err(error) => vec![outcome::of_failure(&error); open.len()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Answers one request a connection with each of `answers` in turn; gives back the bodies.
    async fn answering(
        answers: Vec<(u16, String)>,
    ) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move {
            let mut bodies = Vec::new();
            for (status, answer) in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut text = String::new();
                while !text.ends_with("]}") {
                    let mut piece = [0; 4096];
                    let read = stream.read(&mut piece).await.unwrap();
                    assert!(read > 0, "the request ended early: {text}");
                    text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
                }
                bodies.push(text.split_once("\r\n\r\n").unwrap().1.to_owned());
                let head = format!(
                    "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    answer.len()
                );
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            bodies
        });
        (address, task)
    }

    fn records(values: &[&str]) -> Vec<ProduceRecord> {
        values
            .iter()
            .map(|v| ProduceRecord::of_line(v, 1, EmbeddedFormat::Json, None).unwrap())
            .collect()
    }

    const ACKED: &str = r#"{"partition":0,"offset":7,"error_code":null,"error":null}"#;
    const REFUSED: &str = r#"{"partition":1,"offset":null,"error_code":50003,"error":"no leader",
        "kafka_error":"LEADER_NOT_AVAILABLE","outcome":"nothing-written"}"#;

    fn answer(entries: &[&str]) -> (u16, String) {
        let text = format!(
            r#"{{"offsets":[{}],"key_schema_id":null,"value_schema_id":null}}"#,
            entries.join(",")
        );
        (200, text)
    }

    #[tokio::test]
    async fn only_what_was_surely_not_written_is_sent_again() {
        let (address, server) = answering(vec![answer(&[ACKED, REFUSED]), answer(&[ACKED])]).await;
        let connection = Connection::open(vec![address]).unwrap();
        let topic = TopicName::new("t").unwrap();
        let sender = Sender::new(
            &connection,
            &topic,
            EmbeddedFormat::Json,
            Duration::from_secs(10),
        );
        let fates = sender.send(&records(&["1", "2"])).await;
        assert!(
            fates
                .iter()
                .all(|fate| matches!(fate, Outcome::Acknowledged { .. }))
        );
        assert_eq!(
            server.await.unwrap(),
            [
                r#"{"records":[{"value":1},{"value":2}]}"#,
                r#"{"records":[{"value":2}]}"#
            ]
        );
    }

    #[tokio::test]
    async fn a_lost_answer_is_unknown_and_not_sent_again() {
        let (address, server) = answering(vec![(200, "{\"cut".to_owned())]).await;
        let connection = Connection::open(vec![address]).unwrap();
        let topic = TopicName::new("t").unwrap();
        let sender = Sender::new(
            &connection,
            &topic,
            EmbeddedFormat::Json,
            Duration::from_secs(10),
        );
        let fates = sender.send(&records(&["1"])).await;
        assert!(
            matches!(fates.as_slice(), [Outcome::Unknown { .. }]),
            "{fates:?}"
        );
        assert_eq!(server.await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn patience_ends_in_a_refusal() {
        let (address, _server) = answering(vec![answer(&[REFUSED])]).await;
        let connection = Connection::open(vec![address]).unwrap();
        let topic = TopicName::new("t").unwrap();
        let sender = Sender::new(&connection, &topic, EmbeddedFormat::Json, Duration::ZERO);
        let fates = sender.send(&records(&["1"])).await;
        assert!(
            matches!(fates.as_slice(), [Outcome::Refused { .. }]),
            "{fates:?}"
        );
    }
}
