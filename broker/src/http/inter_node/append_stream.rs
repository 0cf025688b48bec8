//! Another broker's stream of small appends: frames in, answers out, each as soon as it is known.
//!
//! Bounds: streams at one time, appends of a stream without an answer, bytes of answers that the
//! other side does not take. The appends' bytes count against the budgets of waiting appends.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::BytesMut;
use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use trimaran_api::replica::append_stream::{AnswerFrame, AppendFrame, PROTOCOL};

use super::append::{TIMEOUT_MAX, batches, nothing_written};
use crate::http::Refusal;
use crate::http::app::{App, ForBrokers};
use crate::node_stream::{accept, make_room};
use crate::routing::{LocalPartitions, outcome_of, with_outcome};

/// Appends of one stream without an answer; above it no more are read.
const UNANSWERED_MAX: usize = 4_096;
/// Answers that wait to be written, in bytes; above it no more appends are read.
const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Room for appends that arrive together.
const INPUT_BYTES: usize = 128 * 1024;

/// Agrees to a stream, or refuses.
pub(super) async fn open(
    State(app): State<Arc<App>>,
    ForBrokers(service): ForBrokers,
    request: Request,
) -> Result<Response, Refusal> {
    let local = Arc::clone(service.router().local());
    let serve = |stream| async move { serve(stream, &*local).await };
    Ok(accept(request, PROTOCOL, &app.node_streams, serve)?)
}

/// Serves one stream until it ends; tells why it did. What was begun goes on without it.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite,
    local: &dyn LocalPartitions,
) -> String {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut appends = FuturesUnordered::new();
    loop {
        let takes = appends.len() < UNANSWERED_MAX && output.len() < OUTPUT_BYTES_MAX;
        if takes {
            make_room(&mut input, INPUT_BYTES);
        }
        tokio::select! {
            Some(answered) = appends.next(), if !appends.is_empty() => {
                // Answers that are there by now go out in the same write.
                let mut next = Some(answered);
                while let Some(answered) = next {
                    let frame: &AnswerFrame = &answered;
                    if let Err(error) = frame.put(&mut output) {
                        return error.to_string();
                    }
                    next = appends.next().now_or_never().flatten();
                }
            }
            written = writer.write_buf(&mut output), if !output.is_empty() => match written {
                Ok(0) => return "the other side takes no more".to_owned(),
                Ok(_) => {}
                Err(error) => return error.to_string(),
            },
            read = reader.read_buf(&mut input), if takes => match read {
                Ok(0) => return "the other side closed it".to_owned(),
                Ok(_) => loop {
                    match AppendFrame::take(&mut input) {
                        Ok(Some(frame)) => appends.push(append(local, frame)),
                        Ok(None) => break,
                        Err(error) => return error.to_string(),
                    }
                },
                Err(error) => return error.to_string(),
            },
        }
    }
}

async fn append(local: &dyn LocalPartitions, frame: AppendFrame) -> AnswerFrame {
    let timeout = Duration::from_millis(u64::from(frame.timeout_ms)).min(TIMEOUT_MAX);
    let answer = match batches(frame.batches) {
        Ok(batches) => {
            let appended = local.append(frame.partition, batches, frame.acks, timeout);
            appended.await.map_err(|refusal| {
                let outcome = outcome_of(&refusal);
                with_outcome(refusal, outcome)
            })
        }
        Err(damaged) => Err(nothing_written(damaged)),
    };
    AnswerFrame {
        id: frame.id,
        answer,
    }
}

#[cfg(test)]
mod append_stream_test;
