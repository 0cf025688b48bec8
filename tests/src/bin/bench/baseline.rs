//! [`Baseline`]: an axum handler that parses the same body and answers as much, and does nothing else.
//!
//! It stands for what HTTP and JSON cost alone on this machine at this moment. A cluster cannot be
//! faster; how near it comes is the figure.

use std::net::Ipv4Addr;

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The handler, listening.
#[derive(Debug)]
pub(crate) struct Baseline {
    pub(crate) address: String,
    task: JoinHandle<()>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    records: Vec<Record<'a>>,
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

/// The shape of a v2 answer.
#[derive(Serialize)]
struct Answer {
    offsets: Vec<Entry>,
    key_schema_id: Option<u64>,
    value_schema_id: Option<u64>,
}

#[derive(Serialize)]
struct Entry {
    partition: u32,
    offset: usize,
    error_code: Option<u32>,
    error: Option<String>,
}

impl Baseline {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        let router = Router::new()
            .route("/topics/{topic}/partitions/{partition}", post(parse))
            .layer(DefaultBodyLimit::max(
                trimaran_types::limits::REQUEST_BODY_BYTES_MAX,
            ));
        let task = tokio::spawn(async move {
            // It ends when the task is dropped.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, task })
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn parse(body: Bytes) -> impl IntoResponse {
    let Ok(body) = serde_json::from_slice::<Body<'_>>(&body) else {
        return (
            StatusCode::BAD_REQUEST,
            [(header::CONTENT_TYPE, "text/plain")],
            Vec::new(),
        );
    };
    let entry = |(offset, record): (usize, Record<'_>)| Entry {
        partition: 0,
        // The length is used, so that nothing of the parse can be left out.
        offset: offset + record.value.get().len(),
        error_code: None,
        error: None,
    };
    let offsets = body.records.into_iter().enumerate().map(entry).collect();
    let answer = Answer {
        offsets,
        key_schema_id: None,
        value_schema_id: None,
    };
    let answer = serde_json::to_vec(&answer).unwrap_or_default();
    (
        StatusCode::OK,
        [(header::CONTENT_TYPE, "application/vnd.kafka.v2+json")],
        answer,
    )
}
