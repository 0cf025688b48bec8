//! A follower's stream of fetches from the partitions that this broker leads: question, answer,
//! question. A fetch is answered when there is something to say, or its wait is over.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use trimaran_api::replica::{REPLICA_FETCH_PROTOCOL, ReplicaFetchRequest};

use crate::http::Refusal;
use crate::http::app::{App, ForBrokers};
use crate::node_stream::{accept, make_room, read_message, write_message};
use crate::routing::LocalPartitions;

/// Some 100 bytes a partition: more partitions than one leader will ever have.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Room for questions that is kept from one to the next.
const INPUT_BYTES: usize = 16 * 1024;

/// Agrees to a stream, or refuses.
pub(super) async fn open(
    State(app): State<Arc<App>>,
    ForBrokers(service): ForBrokers,
    request: Request,
) -> Result<Response, Refusal> {
    let local = Arc::clone(service.router().local());
    let serve = |stream| async move { serve(stream, &*local).await };
    Ok(accept(
        request,
        REPLICA_FETCH_PROTOCOL,
        &app.node_streams,
        serve,
    )?)
}

/// Answers fetches until the stream ends; tells why it did.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    local: &dyn LocalPartitions,
) -> String {
    let (mut input, mut output) = (BytesMut::new(), Vec::new());
    loop {
        make_room(&mut input, INPUT_BYTES);
        let request: ReplicaFetchRequest =
            match read_message(&mut stream, &mut input, REQUEST_BYTES_MAX).await {
                Ok(request) => request,
                Err(error) => return error.to_string(),
            };
        let fetched = tokio::select! {
            fetched = local.fetch(request) => fetched,
            // A follower that waits says nothing, unless it is gone.
            read = stream.read_buf(&mut input) => match read {
                Ok(0) => return "the follower is gone".to_owned(),
                Ok(_) => return "the follower did not wait for its answer".to_owned(),
                Err(error) => return error.to_string(),
            },
        };
        let written = match fetched {
            Ok(response) => write_message(&mut stream, &mut output, &response).await,
            Err(refusal) => return refusal.to_string(),
        };
        if let Err(error) = written {
            return error.to_string();
        }
    }
}
