//! [`Connection`]: the cheapest HTTP client that can be, so that the server is what is measured.
//!
//! One request at a time over one kept connection, sent as bytes made before. It reads only what our
//! servers answer: a head with a length, and a body.

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A kept connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(64 * 1024),
        })
    }

    /// Sends `request` and reads the answer to its end.
    ///
    /// # Errors
    /// The connection broke, or the answer is no success, or a record in it failed.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (head_end, length) = loop {
            let count = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(count > 0, "the connection was closed");
            if let Some(head_end) = find(&self.buffer, b"\r\n\r\n") {
                break (head_end + 4, content_length(&self.buffer[..head_end])?);
            }
        };
        while self.buffer.len() < head_end + length {
            let count = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(count > 0, "the connection was closed within an answer");
        }
        let succeeded = self.buffer.starts_with(b"HTTP/1.1 200")
            && find(&self.buffer, b"\"error_code\":5").is_none();
        ensure!(
            succeeded,
            "{}",
            String::from_utf8_lossy(&self.buffer[..self.buffer.len().min(600)])
        );
        Ok(())
    }
}

fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?.to_ascii_lowercase();
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    Ok(line
        .with_context(|| format!("an answer without a length: {head}"))?
        .trim()
        .parse()?)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
