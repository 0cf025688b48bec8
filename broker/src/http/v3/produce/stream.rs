//! The stream itself: reads the body, sends waves, writes receipts, all at once.
//!
//! Bounds: the bytes read ahead, the records of a wave, one wave under way, the receipts that the
//! client has not read, and the time without a record.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tokio::time::Instant;
use trimaran_api::ApiError;

use super::receipt::push_error;
use super::splitter::{RECORD_TEXT_BYTES_MAX, SplitError, Splitter};
use super::wave::{Wave, WaveContext};
use crate::byte_budget::{ByteBudget, ByteShare};
use crate::http::Service;
use crate::metrics::Metrics;

/// Records under way at once.
const WAVE_RECORDS_MAX: usize = 1_000;
/// Bytes that are read while a wave is under way; at least one whole record.
const READ_AHEAD_BYTES: usize = RECORD_TEXT_BYTES_MAX + 1024 * 1024;
/// How long a stream may be silent.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// How long a client may leave its receipts unread.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(60);

/// One stream of records.
pub(super) struct ProduceStream {
    pub(super) service: Arc<Service>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) budget: Arc<ByteBudget>,
    pub(super) context: Arc<WaveContext>,
    pub(super) receipts: mpsc::Sender<Bytes>,
}

/// What is read and not sent yet.
struct Input {
    body: Body,
    share: ByteShare,
    splitter: Splitter,
    objects: VecDeque<Bytes>,
    /// The body has no more, or is read no more; records may still be cut off what came.
    body_is_over: bool,
    /// Why the body is over, unless it came to its end.
    cause: Option<ApiError>,
    /// No more records come.
    is_ended: bool,
    /// What is said at the end.
    end: Option<ApiError>,
    saw_records: bool,
}

impl ProduceStream {
    /// Runs until the body ends, the stream breaks, or the client is gone.
    pub(super) async fn run(self, body: Body) {
        let mut input = Input {
            body,
            share: self.budget.share(),
            splitter: Splitter::default(),
            objects: VecDeque::new(),
            body_is_over: false,
            cause: None,
            is_ended: false,
            end: None,
            saw_records: false,
        };
        let mut wave: Option<BoxFuture<'static, Vec<u8>>> = None;
        loop {
            if wave.is_none() {
                wave = self.next_wave(&mut input);
            }
            if wave.is_none() && input.is_ended && input.objects.is_empty() {
                break;
            }
            tokio::select! {
                () = self.receipts.closed() => return,
                receipts = under_way(&mut wave), if wave.is_some() => {
                    wave = None;
                    input.share.shrink_to(input.waiting_bytes());
                    if !self.write(receipts).await {
                        return;
                    }
                }
                () = input.read(), if input.has_room() => {}
            }
        }
        if !input.saw_records && input.end.is_none() {
            input.end = Some(empty_body());
        }
        if let Some(error) = input.end {
            let mut out = Vec::new();
            push_error(&mut out, error);
            self.write(out).await;
        }
    }

    /// Begins to send what waits.
    fn next_wave(&self, input: &mut Input) -> Option<BoxFuture<'static, Vec<u8>>> {
        input.cut(WAVE_RECORDS_MAX);
        let count = input.objects.len().min(WAVE_RECORDS_MAX);
        if count == 0 {
            return None;
        }
        let objects: Vec<Bytes> = input.objects.drain(..count).collect();
        let mut wave = Wave::prepare(&self.service, &self.context, &objects);
        if let Some(error) = wave.end.take() {
            input.stop(Some(error));
            input.objects.clear();
        }
        let (service, context) = (Arc::clone(&self.service), Arc::clone(&self.context));
        let metrics = Arc::clone(&self.metrics);
        let deadline = Instant::now() + service.request_timeout();
        let sending = async move {
            let (records, bytes) = wave.volume();
            let receipts = wave.send(&service, &context, deadline).await;
            metrics.produced(records, bytes);
            receipts
        };
        Some(sending.boxed())
    }

    /// Hands receipts to the client; whether it is still there.
    async fn write(&self, receipts: Vec<u8>) -> bool {
        if receipts.is_empty() {
            return true;
        }
        let sending = self.receipts.send(Bytes::from(receipts));
        matches!(
            tokio::time::timeout(UNREAD_TIMEOUT, sending).await,
            Ok(Ok(()))
        )
    }
}

async fn under_way(wave: &mut Option<BoxFuture<'static, Vec<u8>>>) -> Vec<u8> {
    match wave {
        Some(wave) => wave.await,
        None => std::future::pending().await,
    }
}

impl Input {
    fn waiting_bytes(&self) -> usize {
        let objects: usize = self.objects.iter().map(Bytes::len).sum();
        objects + self.splitter.buffered_bytes()
    }

    /// Whether more may be read now.
    fn has_room(&self) -> bool {
        !self.body_is_over && self.waiting_bytes() < READ_AHEAD_BYTES
    }

    /// Reads the next piece of the body.
    async fn read(&mut self) {
        let refusal = match tokio::time::timeout(IDLE_TIMEOUT, self.body.frame()).await {
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(piece) if self.share.grow(piece.len()) => {
                    self.splitter.push(&piece);
                    return;
                }
                Ok(_) => {
                    let message = "the memory for request bodies is in use; try again in a moment";
                    Some(ApiError::new(429, message).retriable())
                }
                // Trailers say nothing here.
                Err(_) => return,
            },
            Ok(Some(Err(error))) => {
                let message = format!("the stream broke off: {error}");
                Some(ApiError::new(400, message))
            }
            Ok(None) => None,
            Err(_) => {
                let message = "Streaming connection open for longer than allowed without a record";
                Some(ApiError::new(408, message))
            }
        };
        self.body_is_over = true;
        self.cause = refusal;
    }

    /// Cuts records off the front, until `count` of them wait.
    fn cut(&mut self, count: usize) {
        while !self.is_ended && self.objects.len() < count {
            match self.splitter.next() {
                Ok(Some(object)) => {
                    self.saw_records = true;
                    self.objects.push_back(object);
                }
                Ok(None) if self.body_is_over => {
                    let left = || self.splitter.finish().err().map(broken);
                    let end = self.cause.take().or_else(left);
                    self.stop(end);
                }
                Ok(None) => return,
                Err(error) => self.stop(Some(broken(error))),
            }
        }
    }

    fn stop(&mut self, end: Option<ApiError>) {
        self.body_is_over = true;
        self.is_ended = true;
        self.end = self.end.take().or(end);
    }
}

fn broken(error: SplitError) -> ApiError {
    let code = match error {
        SplitError::TooLong => 413,
        SplitError::NoObject { .. } | SplitError::Truncated => 400,
    };
    ApiError::new(code, error.to_string())
}

/// What Confluent says of a stream without a record.
pub(super) fn empty_body() -> ApiError {
    ApiError::new(
        42206,
        "Payload error. Request body is empty. Data is required.",
    )
}
