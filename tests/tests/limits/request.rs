//! [`Request`]: the bytes of one request, exactly as they go over the wire.

/// The content type of v2 requests whose keys and values are JSON.
pub(crate) const JSON_V2: &str = "application/vnd.kafka.json.v2+json";

/// The content type of v2 requests whose keys and values are base64.
pub(crate) const BINARY_V2: &str = "application/vnd.kafka.binary.v2+json";

/// Head and body; the body may come in several pieces.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) pieces: Vec<Vec<u8>>,
}

impl Request {
    /// Any bytes at all.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            pieces: vec![bytes.into()],
        }
    }

    /// Without a body.
    pub(crate) fn bare(method: &str, path: &str) -> Self {
        Self::raw(format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::bare("GET", path)
    }

    /// With a body and its true length.
    pub(crate) fn post(path: &str, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\ncontent-length: \
             {}\r\n\r\n",
            body.len()
        );
        Self {
            pieces: vec![head.into_bytes(), body.to_vec()],
        }
    }

    /// With a body in chunks, its length untold.
    pub(crate) fn post_chunked(path: &str, content_type: &str, chunks: &[Vec<u8>]) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\ntransfer-encoding: \
             chunked\r\n\r\n"
        );
        let mut pieces = vec![head.into_bytes()];
        for chunk in chunks {
            let mut piece = format!("{:x}\r\n", chunk.len()).into_bytes();
            piece.extend_from_slice(chunk);
            piece.extend_from_slice(b"\r\n");
            pieces.push(piece);
        }
        pieces.push(b"0\r\n\r\n".to_vec());
        Self { pieces }
    }

    /// A v2 produce request to partition 0 of the table's topic.
    pub(crate) fn produce(content_type: &str, body: impl AsRef<[u8]>) -> Self {
        Self::post(
            &format!("/topics/{}/partitions/0", super::table::TOPIC),
            content_type,
            body,
        )
    }
}
