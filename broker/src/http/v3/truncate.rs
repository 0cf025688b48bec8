//! `POST /v3/clusters/{cluster}/topics/{topic}/partitions/{partition}:truncate`: the oldest records
//! of a partition are deleted (Kafka's DeleteRecords, KIP-107).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tokio::time::Instant;
use trimaran_api::ApiError;
use trimaran_api::rest::{TruncateBody, TruncationData};
use trimaran_types::{KafkaError, Offset};

use super::answer::json;
use super::links::Links;
use super::strict_body;
use crate::http::Refusal;
use crate::http::app::{App, ForClients};
use crate::http::path_names::{PathParts, check_cluster, partition_index, topic_name};
use crate::http::topic_lookup::{self, UNKNOWN_TOPIC};

/// Stands for the high watermark, as in Kafka's DeleteRecords.
const HIGH_WATERMARK: i64 = -1;

/// Deletes the records before an offset; answered when no in-sync replica keeps them.
pub(in crate::http) async fn truncate(
    State(app): State<Arc<App>>,
    ForClients(service): ForClients,
    path: PathParts,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    check_cluster(&service, path.at(0))?;
    let name = topic_name(path.at(1))?;
    let number = path.at(2).strip_suffix(":truncate").ok_or_else(|| {
        let message = "a partition can be sent ':truncate' alone, as in partitions/0:truncate";
        ApiError::new(405, message)
    })?;
    let partition = partition_index(number)?;
    let body = strict_body::read(&app, &headers, body).await?;
    let body = checked(body)?;
    let id = topic_lookup::topic(&service, &name, UNKNOWN_TOPIC)
        .await?
        .partition(partition)?;
    let timeout_max = service.request_timeout();
    let timeout = body.timeout_ms.map_or(timeout_max, Duration::from_millis);
    let deadline = Instant::now() + timeout.min(timeout_max);
    let before = match body.before_offset {
        // Looked up once: a second try must not delete what came in between.
        HIGH_WATERMARK => service.router().offsets(id, None).await?.high_watermark,
        offset => Offset(offset),
    };
    let log_start_offset = service.router().trim(id, before, deadline).await?;
    let below = format!("/topics/{name}/partitions/{partition}");
    let data = TruncationData {
        kind: "KafkaPartitionTruncation".to_owned(),
        metadata: Links(&service).resource(
            &format!("{below}:truncate"),
            &format!("/topic={name}/partition={partition}"),
        ),
        cluster_id: service.cluster_id(),
        topic_name: name,
        partition_id: partition,
        log_start_offset,
    };
    Ok(json(StatusCode::OK, &data)?)
}

fn checked(body: TruncateBody) -> Result<TruncateBody, ApiError> {
    if body.before_offset < HIGH_WATERMARK {
        let message = format!(
            "'before_offset' is {}: expected the first offset to keep, or -1 for the high watermark",
            body.before_offset
        );
        return Err(ApiError::kafka(KafkaError::InvalidRequest, message));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_what_to_keep() {
        let table: [(&str, Result<i64, u16>); 8] = [
            (r#"{"before_offset":7}"#, Ok(7)),
            (r#"{"before_offset":-1,"timeout_ms":5}"#, Ok(-1)),
            (r#"{"before_offset":-2}"#, Err(400)),
            (r#"{}"#, Err(400)),
            (r#"{"before_offset":"all"}"#, Err(400)),
            (r#"{"before_offset":1,"before":1}"#, Err(422)),
            ("[7, 5]", Err(400)),
            ("", Err(400)),
        ];
        for (text, expected) in table {
            let parsed = strict_body::parse(text.as_bytes()).and_then(checked);
            let found = parsed
                .map(|body| body.before_offset)
                .map_err(|error| error.status.as_u16());
            assert_eq!(found, expected, "{text}");
        }
    }
}
