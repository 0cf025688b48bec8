//! `POST /topics/{topic}` and `POST /topics/{topic}/partitions/{partition}`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use trimaran_api::replica::RequiredAcks;
use trimaran_api::{ApiError, headers};
use trimaran_types::{KafkaError, PartitionIndex, TopicName};

use super::{produce_answer, produce_body};
use crate::codec_work::CodecWork;
use crate::http::app::{App, ForClients};
use crate::http::content_type::{EmbeddedFormat, V2};
use crate::http::path_names::{PathParts, partition_index, topic_name};
use crate::http::topic_lookup::{self, FoundTopic, UNKNOWN_TOPIC_ON_PRODUCE};
use crate::http::{Refusal, Service, request_body};
use crate::produce::{Assigned, Draft, ProduceTo, assign, send, topic_compression};
use crate::wall_clock;

/// Each record to the partition that it names, or its key, or chance.
pub(in crate::http) async fn produce_to_topic(
    State(app): State<Arc<App>>,
    ForClients(service): ForClients,
    path: PathParts,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    produce(&app, &service, path.at(0), None, (headers, body)).await
}

/// Every record to one partition.
pub(in crate::http) async fn produce_to_partition(
    State(app): State<Arc<App>>,
    ForClients(service): ForClients,
    path: PathParts,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    produce(
        &app,
        &service,
        path.at(0),
        Some(path.at(1)),
        (headers, body),
    )
    .await
}

async fn produce(
    app: &App,
    service: &Service,
    topic: &str,
    partition: Option<&str>,
    (headers, body): (HeaderMap, Body),
) -> Result<Response, Refusal> {
    let deadline = Instant::now() + service.request_timeout();
    let Head {
        name,
        partition,
        format,
        acks,
    } = match head(topic, partition, &headers) {
        Ok(head) => head,
        Err(refusal) => {
            request_body::discard(body);
            return Err(refusal.into());
        }
    };
    let body = request_body::read(&app.body_budget, &headers, body).await?;
    let found = topic_lookup::topic(service, &name, UNKNOWN_TOPIC_ON_PRODUCE).await?;
    // The share stays until the last batch is acknowledged: the batches take about as much as the
    // body did.
    let (body, share) = body.into_parts();
    let (effort, of) = (CodecWork::json_effort(body.len()), found.clone());
    let build = move || batches(&body, format, partition, &of);
    let (assigned, count) = service.codecs.run(effort, build).await??;
    let bytes: usize = assigned
        .iter()
        .flat_map(|assigned| &assigned.batches)
        .map(|batch| batch.bytes().len())
        .sum();
    let to = ProduceTo {
        router: service.router(),
        codecs: &service.codecs,
        compression: topic_compression(found.image(), &name),
        topic_id: found.topic().topic_id,
        acks,
        deadline,
    };
    let results = send(to, assigned, count).await;
    drop(share);
    app.metrics.produced(count, bytes);
    let answer = produce_answer::answer(results)?;
    Ok(([(CONTENT_TYPE, V2)], answer).into_response())
}

/// The batches that the records of a body make, and how many records these are.
fn batches(
    body: &[u8],
    format: EmbeddedFormat,
    partition: Option<PartitionIndex>,
    found: &FoundTopic,
) -> Result<(Vec<Assigned>, usize), ApiError> {
    let mut drafts = produce_body::parse(body, format)?;
    pin(&mut drafts, partition)?;
    let now = wall_clock::now();
    let assigned = assign(found.image(), found.topic(), &drafts, now, rand::random());
    let assigned = assigned.map_err(|(place, error)| error.refusal(Some(place)))?;
    Ok((assigned, drafts.len()))
}

/// What a request says before its body.
struct Head {
    name: TopicName,
    partition: Option<PartitionIndex>,
    format: EmbeddedFormat,
    acks: RequiredAcks,
}

fn head(topic: &str, partition: Option<&str>, headers: &HeaderMap) -> Result<Head, ApiError> {
    Ok(Head {
        name: topic_name(topic)?,
        partition: partition.map(partition_index).transpose()?,
        format: EmbeddedFormat::of_content_type(headers)?,
        acks: required_acks(headers)?,
    })
}

/// Lets the path's partition win over none; a record that names another one is a contradiction.
fn pin(drafts: &mut [Draft<'_>], partition: Option<PartitionIndex>) -> Result<(), ApiError> {
    let Some(partition) = partition else {
        return Ok(());
    };
    for (place, draft) in drafts.iter_mut().enumerate() {
        match draft.partition {
            Some(other) if other != partition => {
                let message =
                    format!("record {place} asks for partition {other}, the path for {partition}");
                return Err(ApiError::new(422, message));
            }
            _ => draft.partition = Some(partition),
        }
    }
    Ok(())
}

/// `kafka-acks` of a request; `all` where nothing is said.
pub(in crate::http) fn required_acks(headers: &HeaderMap) -> Result<RequiredAcks, ApiError> {
    let Some(value) = headers.get(headers::KAFKA_ACKS) else {
        return Ok(RequiredAcks::All);
    };
    let text = value.to_str().unwrap_or("unreadable").trim();
    text.parse().map_err(|cause: String| {
        let cause: String = cause.chars().take(200).collect();
        ApiError::kafka(KafkaError::InvalidRequiredAcks, cause)
    })
}
