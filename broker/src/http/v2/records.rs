//! `GET /topics/{topic}/partitions/{partition}/records`: a stateless read, by long poll.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use trimaran_api::ApiError;
use trimaran_api::replica::{ReadQuery, TimestampQuery};
use trimaran_types::limits::{LONG_POLL_MS_MAX, READ_BYTES_MAX};
use trimaran_types::record_batch::{BatchHeader, Compression};
use trimaran_types::{Offset, TopicIdPartition};

use super::record_json::{Ask, write_records};
use super::time_query::wanted_time;
use crate::codec_work::CodecWork;
use crate::http::answer_body::{answer_body, take_room};
use crate::http::app::{App, ForClients};
use crate::http::content_type::EmbeddedFormat;
use crate::http::path_names::{PathParts, partition_index, topic_name};
use crate::http::query::{QueryArgs, bad};
use crate::http::topic_lookup::{self, UNKNOWN_TOPIC};
use crate::http::{Refusal, Service};

/// What is waited for a record where the query does not say.
const TIMEOUT_MS_DEFAULT: u64 = 1_000;
/// What is read at most where the query does not say.
const BYTES_DEFAULT: u64 = 1024 * 1024;
/// What is read at least after batches that had nothing to show.
const SKIPPED_BYTES: usize = 64 * 1024;

/// The records from an offset or a time on; waits for the first one.
pub(in crate::http) async fn records(
    State(app): State<Arc<App>>,
    ForClients(service): ForClients,
    path: PathParts,
    query: QueryArgs,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let name = topic_name(path.at(0))?;
    let partition = partition_index(path.at(1))?;
    let format = EmbeddedFormat::of_accept(&headers)?;
    let timeout_ms = query.number("timeout")?.unwrap_or(TIMEOUT_MS_DEFAULT);
    let bytes_max = query.number("max_bytes")?.unwrap_or(BYTES_DEFAULT);
    let bytes_max = usize::try_from(bytes_max)
        .unwrap_or(READ_BYTES_MAX)
        .clamp(1, READ_BYTES_MAX);
    let from = wanted(&query)?;
    let found = topic_lookup::topic(&service, &name, UNKNOWN_TOPIC).await?;
    let id = found.partition(partition)?;
    let offset = from.resolve(&service, id).await?;
    let wait = Duration::from_millis(timeout_ms.min(LONG_POLL_MS_MAX));
    let deadline = Instant::now() + wait;
    let (mut offset, mut read_bytes_max) = (offset, bytes_max);
    loop {
        let wait_ms = deadline
            .saturating_duration_since(Instant::now())
            .as_millis();
        let read = ReadQuery {
            offset,
            bytes_max: read_bytes_max,
            bytes_min: 1,
            wait_ms: u64::try_from(wait_ms).unwrap_or(LONG_POLL_MS_MAX),
        };
        let records = service.router().read(id, read).await?;
        let fetched_bytes = records.bytes.len();
        let room = 64 + fetched_bytes + fetched_bytes / 2;
        let share = take_room(&app.answer_budget, fetched_bytes + room)?;
        let (compressed, end) = survey(&records.bytes);
        let name = name.clone();
        let write = move || {
            let ask = Ask {
                topic: &name,
                partition,
                offset,
                bytes_max,
                format,
            };
            let mut body = Vec::with_capacity(room);
            write_records(&mut body, &ask, &records).map(|count| (body, count))
        };
        let effort = compressed + CodecWork::json_effort(fetched_bytes);
        let (body, count) = service.codecs.run(effort, write).await??;
        app.metrics.fetched(count, fetched_bytes);
        match end.filter(|end| count == 0 && *end > offset) {
            // Markers, and what compaction leaves of batches, have nothing to show. Who were told so
            // would ask for the same place for ever.
            Some(end) => (offset, read_bytes_max) = (end, bytes_max.max(SKIPPED_BYTES)),
            None => {
                drop(share);
                let share = take_room(&app.answer_budget, body.len())?;
                let body = answer_body(body.into(), share);
                return Ok(([(CONTENT_TYPE, format.content_type())], body).into_response());
            }
        }
    }
}

/// How many bytes of batches have to be decompressed, and where the last batch ends.
fn survey(batches: &[u8]) -> (usize, Option<Offset>) {
    let (mut rest, mut compressed, mut end) = (batches, 0, None);
    while let Ok(header) = BatchHeader::parse(rest) {
        if header.attributes.compression() != Compression::None {
            compressed += header.total_bytes();
        }
        end = Some(header.next_offset());
        rest = rest.get(header.total_bytes()..).unwrap_or_default();
    }
    (compressed, end)
}

/// Where the caller wants to begin.
enum From {
    At(Offset),
    Earliest,
    Latest,
    /// At the record that is asked for by its timestamp; where there is none, behind the last one.
    Time(TimestampQuery),
}

fn wanted(query: &QueryArgs) -> Result<From, ApiError> {
    let offset = query.text("offset");
    if let Some(time) = wanted_time(query)? {
        return match offset {
            None => Ok(From::Time(time)),
            Some(_) => Err(bad(
                "'offset' and 'timestamp' both say where to begin: give one of them".to_owned(),
            )),
        };
    }
    match offset {
        Some("earliest") => Ok(From::Earliest),
        Some("latest") => Ok(From::Latest),
        Some(text) => match text.parse() {
            Ok(offset) if offset >= 0 => Ok(From::At(Offset(offset))),
            _ => {
                let shown: String = text.chars().take(64).collect();
                Err(bad(format!(
                    "'offset' = '{shown}' is not usable: expected a number from 0 up, 'earliest' \
                     or 'latest'"
                )))
            }
        },
        None => Err(bad(
            "'offset' is missing: give a number from 0 up, 'earliest' or 'latest'; or give \
             'timestamp'"
                .to_owned(),
        )),
    }
}

impl From {
    async fn resolve(
        &self,
        service: &Service,
        partition: TopicIdPartition,
    ) -> Result<Offset, ApiError> {
        let time = match self {
            Self::At(offset) => return Ok(*offset),
            Self::Earliest | Self::Latest => None,
            Self::Time(time) => Some(*time),
        };
        let told = service.router().offsets(partition, time).await?;
        Ok(match self {
            Self::Earliest => told.log_start,
            _ => told.found.map_or(told.high_watermark, |found| found.offset),
        })
    }
}
