//! [`MetadataRecord`] and its envelope: `{"type": .., "version": .., "data": {..}}`.
//!
//! The same three fields, in this order, in JSON and in MessagePack. Type and version come before
//! the data, so that a record is never read by the wrong rule; another order is refused.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{
    BrokerRegistrationChange, Config, FeatureLevel, NoOp, Partition, PartitionChange, ProducerIds,
    RegisterBroker, RemoveTopic, Topic, UnregisterBroker,
};

/// How much of an unknown type's name an error repeats, in characters.
const UNKNOWN_TYPE_CHARACTERS_MAX: usize = 64;

macro_rules! metadata_records {
    ($($(#[doc = $doc:literal])* $name:ident = $version:literal;)*) => {
        /// One fact that changed.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum MetadataRecord {
            $($(#[doc = $doc])* $name($name),)*
        }

        /// The kinds of records. The names are frozen: they are in every log.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum RecordType {
            $($(#[doc = $doc])* $name,)*
        }

        impl RecordType {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in the envelope.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// The newest version that this code reads, and the one that it writes.
            #[must_use]
            pub const fn version_max(self) -> u16 {
                match self { $(Self::$name => $version),* }
            }

            fn decode_data<'de, A: MapAccess<'de>>(
                self,
                map: &mut A,
            ) -> Result<MetadataRecord, A::Error> {
                match self {
                    $(Self::$name => map.next_value().map(MetadataRecord::$name),)*
                }
            }
        }

        impl MetadataRecord {
            /// The record's kind.
            #[must_use]
            pub const fn record_type(&self) -> RecordType {
                match self { $(Self::$name(_) => RecordType::$name),* }
            }
        }

        impl Serialize for MetadataRecord {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let record_type = self.record_type();
                let mut envelope = serializer.serialize_struct("MetadataRecord", 3)?;
                envelope.serialize_field("type", record_type.name())?;
                envelope.serialize_field("version", &record_type.version_max())?;
                match self {
                    $(Self::$name(data) => envelope.serialize_field("data", data)?,)*
                }
                envelope.end()
            }
        }

        $(impl From<$name> for MetadataRecord {
            fn from(record: $name) -> Self {
                Self::$name(record)
            }
        })*
    };
}

metadata_records! {
    /// A broker process registered.
    RegisterBroker = 0;
    /// A broker left the cluster for good.
    UnregisterBroker = 0;
    /// A broker was fenced, unfenced, began to shut down or lost a directory.
    BrokerRegistrationChange = 0;
    /// A topic was created.
    Topic = 0;
    /// A topic was deleted, with its partitions and its configuration.
    RemoveTopic = 0;
    /// A partition was created.
    Partition = 0;
    /// A partition's state changed.
    PartitionChange = 0;
    /// A configuration value was set or removed.
    Config = 0;
    /// A block of producer ids was handed out.
    ProducerIds = 0;
    /// A feature was switched to a level.
    FeatureLevel = 0;
    /// Nothing changed; the log lives.
    NoOp = 0;
}

/// A record as read: known, or too new for this code.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "almost every record is known; a box would cost each an allocation"
)]
pub(crate) enum DecodedRecord {
    Known(MetadataRecord),
    UnknownType {
        type_name: String,
        version: u16,
    },
    UnknownVersion {
        record_type: RecordType,
        version: u16,
    },
}

enum TypeTag {
    Known(RecordType),
    Unknown(String),
}

impl<'de> Deserialize<'de> for TypeTag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TagVisitor;

        impl Visitor<'_> for TagVisitor {
            type Value = TypeTag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a record type")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TypeTag, E> {
                let known = RecordType::ALL.iter().find(|known| known.name() == text);
                Ok(known.map_or_else(
                    || TypeTag::Unknown(text.chars().take(UNKNOWN_TYPE_CHARACTERS_MAX).collect()),
                    |known| TypeTag::Known(*known),
                ))
            }
        }

        deserializer.deserialize_str(TagVisitor)
    }
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum EnvelopeField {
    Type,
    Version,
    Data,
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = DecodedRecord;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a metadata record with the fields type, version and data, in this order")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DecodedRecord, A::Error> {
        let out_of_order = || de::Error::custom("expected the fields type, version, data in order");
        let Some(EnvelopeField::Type) = map.next_key()? else {
            return Err(out_of_order());
        };
        let tag: TypeTag = map.next_value()?;
        let Some(EnvelopeField::Version) = map.next_key()? else {
            return Err(out_of_order());
        };
        let version: u16 = map.next_value()?;
        let Some(EnvelopeField::Data) = map.next_key()? else {
            return Err(out_of_order());
        };
        let decoded = match tag {
            TypeTag::Known(record_type) if version <= record_type.version_max() => {
                DecodedRecord::Known(record_type.decode_data(&mut map)?)
            }
            TypeTag::Known(record_type) => {
                map.next_value::<IgnoredAny>()?;
                DecodedRecord::UnknownVersion {
                    record_type,
                    version,
                }
            }
            TypeTag::Unknown(type_name) => {
                map.next_value::<IgnoredAny>()?;
                DecodedRecord::UnknownType { type_name, version }
            }
        };
        match map.next_key::<EnvelopeField>()? {
            None => Ok(decoded),
            Some(_) => Err(out_of_order()),
        }
    }
}

impl<'de> Deserialize<'de> for DecodedRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct(
            "MetadataRecord",
            &["type", "version", "data"],
            EnvelopeVisitor,
        )
    }
}

impl<'de> Deserialize<'de> for MetadataRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match DecodedRecord::deserialize(deserializer)? {
            DecodedRecord::Known(record) => Ok(record),
            DecodedRecord::UnknownType { type_name, version } => Err(de::Error::custom(format!(
                "unknown record type '{type_name}' (version {version})"
            ))),
            DecodedRecord::UnknownVersion {
                record_type,
                version,
            } => Err(de::Error::custom(format!(
                "version {version} of record type '{}' is unknown; the newest known is {}",
                record_type.name(),
                record_type.version_max()
            ))),
        }
    }
}
