//! A request's body, read whole within its bounds: 8 MiB, a share of the memory budget, and time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use trimaran_api::ApiError;
use trimaran_types::limits::REQUEST_BODY_BYTES_MAX;

use crate::byte_budget::{ByteBudget, ByteShare};

/// How long a body may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How much of a refused body is still taken off the connection, and for how long.
const DISCARDED_BYTES_MAX: usize = 4 * REQUEST_BODY_BYTES_MAX;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// A whole body. Its share of the memory budget is held as long as this is.
#[derive(Debug)]
pub(super) struct WholeBody {
    pub(super) bytes: Bytes,
    share: ByteShare,
}

impl WholeBody {
    /// The bytes, and the share, which may stand for what is made of them.
    pub(super) fn into_parts(self) -> (Bytes, ByteShare) {
        (self.bytes, self.share)
    }
}

/// Reads a body. One whose declared length is over the bound is refused unread.
pub(super) async fn read(
    budget: &Arc<ByteBudget>,
    headers: &HeaderMap,
    body: Body,
) -> Result<WholeBody, ApiError> {
    if let Err(refusal) = check_coding(headers) {
        discard(body);
        return Err(refusal);
    }
    let declared = declared_bytes(headers);
    if declared.is_some_and(|bytes| bytes > REQUEST_BODY_BYTES_MAX as u64) {
        discard(body);
        return Err(too_large());
    }
    let mut share = budget.share();
    let expected = declared
        .and_then(|bytes| usize::try_from(bytes).ok())
        .unwrap_or_default();
    let reading = collect(&mut share, body, expected);
    let bytes = tokio::time::timeout(READ_TIMEOUT, reading)
        .await
        .map_err(|_| {
            let seconds = READ_TIMEOUT.as_secs();
            ApiError::new(408, format!("the body did not arrive within {seconds} s"))
        })??;
    Ok(WholeBody { bytes, share })
}

async fn collect(share: &mut ByteShare, body: Body, expected: usize) -> Result<Bytes, ApiError> {
    // Room for the declared length is taken as it arrives, not before: a length is only a claim.
    let mut body = body;
    let Some(first) = next_piece(&mut body).await? else {
        return Ok(Bytes::new());
    };
    if let Err(refusal) = account(share, 0, first.len()) {
        discard(body);
        return Err(refusal);
    }
    if first.len() >= expected && is_ended(&body) {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len().saturating_mul(2));
    whole.extend_from_slice(&first);
    drop(first);
    while let Some(piece) = next_piece(&mut body).await? {
        if let Err(refusal) = account(share, whole.len(), piece.len()) {
            discard(body);
            return Err(refusal);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// Takes a body that was refused off its connection, within bounds, while the refusal goes out.
///
/// A client that is still sending when the connection closes may never see the answer: the system
/// throws it away together with what was not read.
pub(super) fn discard(body: Body) {
    if is_ended(&body) {
        return;
    }
    let reading = async move {
        let (mut body, mut taken) = (body, 0_usize);
        while let Some(Ok(frame)) = body.frame().await {
            taken = taken.saturating_add(frame.data_ref().map_or(0, Bytes::len));
            if taken > DISCARDED_BYTES_MAX {
                return;
            }
        }
    };
    tokio::spawn(tokio::time::timeout(DISCARD_TIMEOUT, reading));
}

fn is_ended(body: &Body) -> bool {
    axum::body::HttpBody::is_end_stream(body)
}

async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| ApiError::new(400, format!("the body broke off: {error}")))?;
        if let Ok(piece) = frame.into_data()
            && !piece.is_empty()
        {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

fn account(share: &mut ByteShare, have: usize, more: usize) -> Result<(), ApiError> {
    if have.saturating_add(more) > REQUEST_BODY_BYTES_MAX {
        return Err(too_large());
    }
    if share.grow(more) {
        return Ok(());
    }
    Err(ApiError::new(
        429,
        "the bodies of other requests fill the memory set aside for them; try again in a moment",
    )
    .retriable())
}

/// Bodies are taken as they are: one that says it is compressed would be read as what it is not.
///
/// # Errors
/// 415.
pub(super) fn check_coding(headers: &HeaderMap) -> Result<(), ApiError> {
    let codings = headers.get_all(header::CONTENT_ENCODING);
    let is_identity = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    match codings.iter().find(|coding| !is_identity(coding)) {
        None => Ok(()),
        Some(coding) => {
            let shown: String = String::from_utf8_lossy(coding.as_bytes())
                .chars()
                .take(64)
                .collect();
            let message = format!(
                "Content-Encoding '{shown}' is not supported: send the body without it (the topic's \
                 compression.type compresses what is stored)"
            );
            Err(ApiError::new(415, message))
        }
    }
}

/// The length in the head, where it is a number.
pub(super) fn declared_bytes(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn too_large() -> ApiError {
    ApiError::new(
        413,
        format!("the body is larger than {REQUEST_BODY_BYTES_MAX} bytes"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_says_it_is_compressed_is_not_taken_for_plain() {
        let coded = |coding: &[u8]| {
            let mut headers = HeaderMap::new();
            let coding = HeaderValue::from_bytes(coding).unwrap();
            headers.append(header::CONTENT_ENCODING, coding);
            headers
        };
        assert!(check_coding(&HeaderMap::new()).is_ok());
        assert!(check_coding(&coded(b"Identity")).is_ok());
        for coding in [&b"gzip"[..], b"br", b"identity, gzip", b"\xff", b""] {
            assert_eq!(
                check_coding(&coded(coding)).unwrap_err().body.error_code,
                415
            );
        }
        let mut two = coded(b"identity");
        two.append(header::CONTENT_ENCODING, HeaderValue::from_static("zstd"));
        assert!(check_coding(&two).is_err());
    }
}
