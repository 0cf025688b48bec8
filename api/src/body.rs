//! Bodies between nodes: one value, as JSON or as MessagePack with field names.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A body that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The value has no MessagePack form.
    #[error("cannot encode the body")]
    Encode(#[source] rmp_serde::encode::Error),
    /// The bytes are not the message expected.
    #[error("cannot decode the body")]
    Decode(#[source] rmp_serde::decode::Error),
}

/// Writes `value` as MessagePack with field names.
///
/// # Errors
/// When the value has a part that MessagePack cannot carry.
pub fn to_msgpack<T: Serialize>(value: &T) -> Result<Vec<u8>, BodyError> {
    rmp_serde::to_vec_named(value).map_err(BodyError::Encode)
}

/// Appends `value` to `output` as MessagePack with field names.
///
/// # Errors
/// When the value has a part that MessagePack cannot carry; `output` may end in a piece of it.
pub fn put_msgpack<T: Serialize>(value: &T, output: &mut Vec<u8>) -> Result<(), BodyError> {
    rmp_serde::encode::write_named(output, value).map_err(BodyError::Encode)
}

/// Reads a value from MessagePack.
///
/// # Errors
/// When the bytes are not such a value.
pub fn from_msgpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    rmp_serde::from_slice(bytes).map_err(BodyError::Decode)
}
