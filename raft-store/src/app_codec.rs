//! [`AppCodec`]: the application's half of the stored formats.

use openraft::RaftTypeConfig;

/// Turns the application's entry data and nodes into bytes for the disk, and back.
///
/// The bytes live as long as the log: an implementation versions them. Decoding gets whatever the
/// disk holds (the store has checked the checksum) and must answer with an error, never panic.
pub trait AppCodec<C: RaftTypeConfig>: Send + Sync + 'static {
    /// Appends the bytes of `data` to `out`.
    ///
    /// # Errors
    /// When the data has no stored form.
    fn encode_data(data: &C::D, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Reads back what [`Self::encode_data`] wrote.
    ///
    /// # Errors
    /// When the bytes are not a stored form that this build knows.
    fn decode_data(bytes: &[u8]) -> Result<C::D, CodecError>;

    /// Appends the bytes of `node` to `out`.
    ///
    /// # Errors
    /// When the node has no stored form.
    fn encode_node(node: &C::Node, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Reads back what [`Self::encode_node`] wrote.
    ///
    /// # Errors
    /// When the bytes are not a stored form that this build knows.
    fn decode_node(bytes: &[u8]) -> Result<C::Node, CodecError>;
}

/// Why application bytes could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {cause}")]
pub struct CodecError {
    /// What was being encoded or decoded.
    pub what: &'static str,
    /// The codec's own complaint.
    pub cause: String,
}

impl CodecError {
    /// An error about `what`, in the codec's own words.
    pub fn new(what: &'static str, cause: impl std::fmt::Display) -> Self {
        Self {
            what,
            cause: cause.to_string(),
        }
    }
}
