//! [`FormatError`].

use crate::app_codec::CodecError;

/// Why stored bytes are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The value ends before its last field.
    #[error("the value ends early: {wanted} more bytes wanted, {left} left")]
    Short {
        /// Bytes that the next field needs.
        wanted: usize,
        /// Bytes that are there.
        left: usize,
    },
    /// Bytes follow the last field.
    #[error("{0} bytes follow the last field")]
    Trailing(usize),
    /// A build newer than this one wrote the value.
    #[error("format version {found} is not known, the newest known is {known}")]
    Version {
        /// What the value says.
        found: u8,
        /// The newest version of this build.
        known: u8,
    },
    /// The bytes are not those that were written.
    #[error("checksum {found:08x} where {computed:08x} was expected")]
    Checksum {
        /// The stored sum.
        found: u32,
        /// The sum of the bytes.
        computed: u32,
    },
    /// A field holds a value that it cannot have.
    #[error("{field} cannot be {value}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// The application's codec refused.
    #[error(transparent)]
    App(#[from] CodecError),
}
