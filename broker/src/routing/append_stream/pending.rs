//! [`Pending`]: appends that were sent and wait for their answer.

use std::collections::HashMap;

use bytes::BytesMut;
use tokio::sync::oneshot;
use tokio::time::Instant;
use trimaran_api::client::CallError;
use trimaran_api::replica::append_stream::{AnswerFrame, AppendFrame, FrameError};

use super::{Answer, Outgoing};

/// What one connection owes. An append enters before its first byte can be written, and leaves with
/// its answer or with the end of the connection.
#[derive(Debug, Default)]
pub(super) struct Pending {
    last_id: u64,
    replies: HashMap<u64, oneshot::Sender<Answer>>,
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.replies.len()
    }

    /// Writes an append behind what `output` has. One whose caller has gone is left out: nobody
    /// would hear of it.
    pub(super) fn put(&mut self, outgoing: Outgoing, address: &str, output: &mut BytesMut) {
        if outgoing.reply.is_closed() {
            return;
        }
        let remaining = outgoing.deadline.saturating_duration_since(Instant::now());
        let id = self.last_id + 1;
        let frame = AppendFrame {
            id,
            partition: outgoing.partition,
            acks: outgoing.acks,
            timeout_ms: u32::try_from(remaining.as_millis()).unwrap_or(u32::MAX),
            batches: outgoing.batches,
        };
        match frame.put(output) {
            Ok(()) => {
                self.last_id = id;
                self.replies.insert(id, outgoing.reply);
            }
            Err(error) => {
                let _ = outgoing.reply.send(Err(unsent(address, &error)));
            }
        }
    }

    /// Hands out the answers at the front of `input`.
    ///
    /// # Errors
    /// The bytes are no answers.
    pub(super) fn answer(&mut self, input: &mut BytesMut) -> Result<(), FrameError> {
        while let Some(AnswerFrame { id, answer }) = AnswerFrame::take(input)? {
            if let Some(reply) = self.replies.remove(&id) {
                // A caller that is gone does not mind.
                let _ = reply.send(answer.map_err(CallError::Refused));
            }
        }
        Ok(())
    }

    /// The connection has ended: what was sent on it may be written or not.
    pub(super) fn end(self, address: &str, cause: &str) {
        for reply in self.replies.into_values() {
            let _ = reply.send(Err(CallError::Broken {
                address: address.to_owned(),
                cause: cause.to_owned(),
            }));
        }
    }
}

/// What an append is told that no connection has seen.
pub(super) fn unsent(address: &str, cause: &dyn std::fmt::Display) -> CallError {
    CallError::Unreachable {
        address: address.to_owned(),
        cause: cause.to_string(),
    }
}
