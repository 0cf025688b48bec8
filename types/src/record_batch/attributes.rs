//! [`Attributes`]: the 16 bits of a batch header that say how to read the rest.

use super::error::BatchError;

/// How the records of a batch are compressed, as one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, code 1.
    Gzip,
    /// Snappy in Kafka's xerial framing, code 2.
    Snappy,
    /// LZ4 frames, code 3.
    Lz4,
    /// Zstandard, code 4.
    Zstd,
}

impl Compression {
    /// Kafka's name of the codec (`compression.type`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The code in the attributes.
    const fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }
}

/// Who set the timestamps of a batch (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer; each record has its own.
    CreateTime,
    /// The leader, when it appended; every record has the batch's largest timestamp.
    LogAppendTime,
}

/// The attribute bits of a batch: 0-2 codec, 3 timestamp type, 4 transactional, 5 control,
/// 6 delete horizon. The others are kept as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attributes(i16);

impl Attributes {
    const CODEC: i16 = 0x07;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// Attributes of a plain batch with this kind of timestamps.
    #[must_use]
    pub const fn plain(timestamp_type: TimestampType) -> Self {
        match timestamp_type {
            TimestampType::CreateTime => Self(0),
            TimestampType::LogAppendTime => Self(Self::LOG_APPEND_TIME),
        }
    }

    /// The same attributes, of a batch that belongs to a transaction.
    #[must_use]
    pub const fn transactional(self) -> Self {
        Self(self.0 | Self::TRANSACTIONAL)
    }

    /// The same attributes, of a batch of markers.
    #[must_use]
    pub const fn control(self) -> Self {
        Self(self.0 | Self::CONTROL)
    }

    /// Takes the bits of a header.
    ///
    /// # Errors
    /// The codec is none of the five known ones.
    pub const fn from_bits(bits: i16) -> Result<Self, BatchError> {
        match bits & Self::CODEC {
            0..=4 => Ok(Self(bits)),
            _ => Err(BatchError::UnknownCompression { attributes: bits }),
        }
    }

    /// The same attributes under another codec.
    #[must_use]
    pub const fn with_compression(self, compression: Compression) -> Self {
        Self((self.0 & !Self::CODEC) | compression.code())
    }

    /// The same attributes with timestamps of another origin.
    #[must_use]
    pub const fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        match timestamp_type {
            TimestampType::CreateTime => Self(self.0 & !Self::LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Self(self.0 | Self::LOG_APPEND_TIME),
        }
    }

    /// The bits, as the header has them.
    #[must_use]
    pub const fn bits(self) -> i16 {
        self.0
    }

    /// The codec.
    #[must_use]
    pub const fn compression(self) -> Compression {
        match self.0 & Self::CODEC {
            1 => Compression::Gzip,
            2 => Compression::Snappy,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// Who set the timestamps.
    #[must_use]
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction.
    #[must_use]
    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the records are markers of the cluster itself; consumers skip them.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is the time after which tombstones may go (KIP-534).
    #[must_use]
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// The same, with or without a delete horizon in place of the base timestamp.
    #[must_use]
    pub const fn with_delete_horizon(self, has_horizon: bool) -> Self {
        let others = self.0 & !Self::DELETE_HORIZON;
        Self(if has_horizon {
            others | Self::DELETE_HORIZON
        } else {
            others
        })
    }
}
