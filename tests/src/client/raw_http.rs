//! [`exchange`]: bytes to a listener and bytes back, for requests that no HTTP client would send.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::answer::body_of;

/// Longest wait for the answer. A listener that hangs on bad input fails the test.
const PATIENCE: Duration = Duration::from_secs(20);

/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The first answer on a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct RawAnswer {
    /// The status; `None` when the listener closed the connection without a word.
    pub status: Option<u16>,
    /// The body, as JSON where it is.
    pub body: Value,
}

/// Sends `pieces` one by one and reads until the answer is complete or the connection closed.
///
/// Writing may fail when the listener has already answered and closed; then the answer counts.
///
/// # Errors
/// No connection, or no end of the answer in time.
pub async fn exchange(address: &str, pieces: &[&[u8]]) -> Result<RawAnswer> {
    let work = async {
        let stream = TcpStream::connect(address)
            .await
            .context("cannot connect")?;
        let (mut input, mut output) = stream.into_split();
        let send = async {
            for piece in pieces {
                if output.write_all(piece).await.is_err() {
                    return;
                }
            }
            // Not closed: the listener must judge by what it has.
            std::future::pending::<()>().await;
        };
        // One reader from beginning to end: what it has read must not go with a branch.
        let answer = read_answer(&mut input);
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            () = send => answer.await,
        }
    };
    tokio::time::timeout(PATIENCE, work)
        .await
        .context("no answer in time")?
}

/// Sends `pieces` and hangs up without waiting for anything.
///
/// # Errors
/// No connection.
pub async fn hang_up_after(address: &str, pieces: &[&[u8]]) -> Result<()> {
    let mut stream = TcpStream::connect(address)
        .await
        .context("cannot connect")?;
    for piece in pieces {
        stream.write_all(piece).await.context("cannot send")?;
    }
    Ok(())
}

async fn read_answer(input: &mut (impl tokio::io::AsyncRead + Unpin)) -> Result<RawAnswer> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        if let Some(answer) = parse(&bytes, false)? {
            return Ok(answer);
        }
        if bytes.len() > ANSWER_BYTES_MAX {
            bail!("the answer is longer than {ANSWER_BYTES_MAX} bytes");
        }
        // A reset after the answer is an end like another.
        let count = input.read(&mut piece).await.unwrap_or(0);
        if count == 0 {
            let ended = parse(&bytes, true)?;
            return Ok(ended.unwrap_or(RawAnswer {
                status: None,
                body: Value::Null,
            }));
        }
        bytes.extend_from_slice(&piece[..count]);
    }
}

/// The answer in `bytes`, once it is whole; `ended` says that nothing more will come.
fn parse(bytes: &[u8], ended: bool) -> Result<Option<RawAnswer>> {
    let Some(head_end) = find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).to_lowercase();
    let status: u16 = head
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok())
        .with_context(|| format!("no status in {head:?}"))?;
    let rest = &bytes[head_end + 4..];
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|length| length.trim().parse::<usize>().ok());
    let body = match length {
        Some(length) => rest.get(..length),
        None if head.contains("transfer-encoding: chunked") => match find(rest, b"\r\n0\r\n\r\n") {
            // Good enough for one short chunk, which is what refusals are.
            Some(end) => find(rest, b"\r\n").and_then(|start| rest.get(start + 2..end)),
            None => None,
        },
        None => None,
    };
    match body {
        Some(body) => Ok(Some(RawAnswer {
            status: Some(status),
            body: body_of(body),
        })),
        None if ended => Ok(Some(RawAnswer {
            status: Some(status),
            body: body_of(rest),
        })),
        None => Ok(None),
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_end_by_length_by_chunk_or_by_close() {
        let by_length = b"HTTP/1.1 400 Bad\r\nContent-Length: 8\r\n\r\n{\"a\": 1}";
        let expected = RawAnswer {
            status: Some(400),
            body: json!({ "a": 1 }),
        };
        assert_eq!(parse(by_length, false).unwrap(), Some(expected.clone()));
        assert_eq!(parse(&by_length[..45], false).unwrap(), None);
        let by_chunk =
            b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"a\": 1}\r\n0\r\n\r\n";
        assert_eq!(parse(by_chunk, false).unwrap(), Some(expected));
        let by_close = b"HTTP/1.1 431 Large\r\n\r\n";
        assert_eq!(parse(by_close, false).unwrap(), None);
        assert_eq!(parse(by_close, true).unwrap().unwrap().status, Some(431));
    }
}
