//! An answer's bytes, with their share of a memory budget for as long as they wait to be sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use trimaran_api::ApiError;

use crate::byte_budget::{ByteBudget, ByteShare};

/// What the connection is handed at once; the rest counts until the client has taken that.
const PIECE_BYTES_MAX: usize = 256 * 1024;

/// Takes room for an answer, which waits for as long as its client takes to read it.
///
/// # Errors
/// None is left; retriable.
pub(super) fn take_room(budget: &Arc<ByteBudget>, bytes: usize) -> Result<ByteShare, ApiError> {
    let mut share = budget.share();
    if share.grow(bytes) {
        return Ok(share);
    }
    let message = "records that others have read and not yet taken fill the memory set aside for \
                   them; try again in a moment";
    Err(ApiError::new(429, message).retriable())
}

/// A body that gives its share back as it is sent, and all of it when its connection breaks.
pub(super) fn answer_body(bytes: Bytes, share: ByteShare) -> Body {
    Body::new(Held { bytes, share })
}

#[derive(Debug)]
struct Held {
    bytes: Bytes,
    share: ByteShare,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let held = self.get_mut();
        if held.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let piece = held.bytes.split_to(held.bytes.len().min(PIECE_BYTES_MAX));
        held.share.shrink_to(held.bytes.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_sent_is_given_back_and_what_is_dropped_too() {
        let bytes = Bytes::from(vec![7; 600 * 1024]);
        let budget = ByteBudget::new(bytes.len());
        let share = || take_room(&budget, bytes.len()).unwrap();
        let mut body = answer_body(bytes.clone(), share());
        assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(budget.used_bytes(), bytes.len() - first.len());
        assert!(take_room(&budget, bytes.len()).is_err());
        drop(body);
        assert_eq!(budget.used_bytes(), 0);
        let whole = answer_body(bytes.clone(), share()).collect().await.unwrap();
        assert_eq!(whole.to_bytes(), bytes);
        assert_eq!(budget.used_bytes(), 0);
    }
}
