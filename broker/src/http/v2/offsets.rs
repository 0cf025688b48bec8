//! `/topics/{topic}/partitions/{partition}/offsets`: where a partition begins and ends, and where a
//! time lies in it.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use trimaran_api::ApiError;
use trimaran_api::rest::{OffsetsAtTimeV2, OffsetsV2};

use super::time_query::wanted_time;
use crate::http::Refusal;
use crate::http::app::ForClients;
use crate::http::content_type::V2;
use crate::http::path_names::{PathParts, partition_index, topic_name};
use crate::http::query::QueryArgs;
use crate::http::topic_lookup::{self, UNKNOWN_TOPIC};

/// The first offset kept and the high watermark, as the leader has them; with `timestamp=`, the first
/// record at that time or later too, or with `timestamp=max` the latest one.
pub(in crate::http) async fn offsets(
    ForClients(service): ForClients,
    path: PathParts,
    query: QueryArgs,
) -> Result<Response, Refusal> {
    let name = topic_name(path.at(0))?;
    let index = partition_index(path.at(1))?;
    let wanted = wanted_time(&query)?;
    let topic = topic_lookup::topic(&service, &name, UNKNOWN_TOPIC).await?;
    let partition = topic.partition(index)?;
    let told = service.router().offsets(partition, wanted).await?;
    let bounds = OffsetsV2 {
        beginning_offset: told.log_start,
        end_offset: told.high_watermark,
    };
    let body = match wanted {
        None => serde_json::to_vec(&bounds),
        Some(_) => serde_json::to_vec(&OffsetsAtTimeV2 {
            bounds,
            offset: told.found.map(|found| found.offset),
            timestamp: told.found.map(|found| found.timestamp),
        }),
    };
    let bytes = body.map_err(|error| ApiError::new(500, error.to_string()))?;
    Ok(([(CONTENT_TYPE, V2)], bytes).into_response())
}
