//! Serves the control socket of a running development cluster.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::control::{ANSWER_TIMEOUT, LINE_BYTES_MAX, Request, Response, socket_path};
use super::event::ActionResult;
use super::supervisor::Nodes;
use crate::failure::Failure;

/// Terminals served at once.
const CONNECTIONS_MAX: usize = 16;

/// Opens the socket in `folder` and serves it until the runtime ends.
///
/// The caller holds the folder's lock, so a socket found there is left over from a dead process.
///
/// # Errors
/// When the socket cannot be opened.
pub(super) fn spawn(folder: &Path, nodes: Nodes) -> Result<(), Failure> {
    let path = socket_path(folder);
    let failed = |error: std::io::Error| {
        Failure::failed(format!(
            "cannot open the control socket {}: {error}",
            path.display()
        ))
        .try_next("a folder with a shorter path: --data DIR")
    };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let nodes = nodes.clone();
                    tokio::spawn(async move {
                        // A terminal that leaves needs no answer.
                        let _ = tokio::time::timeout(ANSWER_TIMEOUT, answer(stream, nodes)).await;
                        drop(place);
                    });
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    });
    Ok(())
}

async fn answer(stream: UnixStream, nodes: Nodes) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    (&mut stream)
        .take(LINE_BYTES_MAX)
        .read_line(&mut line)
        .await?;
    let response = match serde_json::from_str::<Request>(&line) {
        Ok(request) => carry_out(request, &nodes).await,
        Err(error) => Response::Refused(format!("not understood: {error}")),
    };
    let mut bytes = serde_json::to_vec(&response)?;
    bytes.push(b'\n');
    stream.write_all(&bytes).await?;
    stream.shutdown().await
}

async fn carry_out(request: Request, nodes: &Nodes) -> Response {
    let one = |result: ActionResult| match result {
        Ok(view) => Response::Nodes(vec![view]),
        Err(reason) => Response::Refused(reason),
    };
    match request {
        Request::Kill { node } => one(nodes.kill(node).await),
        Request::Stop { node } => one(nodes.stop(node).await),
        Request::Start { node } => one(nodes.start(node).await),
        Request::Status => Response::Nodes(nodes.views()),
    }
}
