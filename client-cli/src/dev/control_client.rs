//! Asks a running development cluster from another terminal.

use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::control::{ANSWER_TIMEOUT, LINE_BYTES_MAX, Request, Response, socket_path};
use super::node_view::NodeView;
use crate::failure::Failure;

/// Asks the cluster in `folder`.
///
/// # Errors
/// When no cluster runs there, or it refuses.
pub(super) async fn ask(folder: &Path, request: Request) -> Result<Vec<NodeView>, Failure> {
    let stream = UnixStream::connect(socket_path(folder))
        .await
        .map_err(|error| {
            Failure::failed(format!(
                "no development cluster runs in {} ({error})",
                folder.display()
            ))
            .try_next(format!("trimaran dev --data {}", folder.display()))
        })?;
    let lost = |error: std::io::Error| Failure::failed(format!("the cluster hung up: {error}"));
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, exchange(stream, request));
    let line = answer
        .await
        .map_err(|_| Failure::failed("the cluster did not answer in time"))?
        .map_err(lost)?;
    match serde_json::from_str(&line) {
        Ok(Response::Nodes(nodes)) => Ok(nodes),
        Ok(Response::Refused(reason)) => Err(Failure::failed(reason)
            .try_next(format!("trimaran dev status --data {}", folder.display()))),
        Err(error) => Err(Failure::failed(format!(
            "the answer is not understood: {error}"
        ))),
    }
}

async fn exchange(mut stream: UnixStream, request: Request) -> std::io::Result<String> {
    let mut bytes = serde_json::to_vec(&request)?;
    bytes.push(b'\n');
    stream.write_all(&bytes).await?;
    let mut line = String::new();
    stream
        .take(LINE_BYTES_MAX)
        .read_to_string(&mut line)
        .await?;
    Ok(line)
}
