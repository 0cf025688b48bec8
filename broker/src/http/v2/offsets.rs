//! `/topics/{topic}/partitions/{partition}/offsets`: where a partition begins and ends.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use trimaran_api::rest::OffsetsV2;

use crate::http::Refusal;
use crate::http::app::ForClients;
use crate::http::content_type::V2;
use crate::http::path_names::{PathParts, partition_index, topic_name};
use crate::http::topic_lookup::{self, UNKNOWN_TOPIC};

/// The first offset kept and the high watermark, as the leader has them.
pub(in crate::http) async fn offsets(
    ForClients(service): ForClients,
    path: PathParts,
) -> Result<Response, Refusal> {
    let name = topic_name(path.at(0))?;
    let index = partition_index(path.at(1))?;
    let found = topic_lookup::topic(&service, &name, UNKNOWN_TOPIC).await?;
    let offsets = service.router().offsets(found.partition(index)?, None).await?;
    let answer = OffsetsV2 {
        beginning_offset: offsets.log_start,
        end_offset: offsets.high_watermark,
    };
    let bytes =
        serde_json::to_vec(&answer).map_err(|e| trimaran_api::ApiError::new(500, e.to_string()))?;
    Ok(([(CONTENT_TYPE, V2)], bytes).into_response())
}
