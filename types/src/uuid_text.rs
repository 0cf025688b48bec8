//! The text form of 128-bit ids: base64url without padding, 22 characters, as Kafka prints them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// A text that is not a 22-character base64url id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not an id: expected 22 base64url characters")]
pub struct InvalidUuidText {
    /// The offending text.
    pub text: String,
}

pub(crate) fn encode(id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

pub(crate) fn decode(text: &str) -> Result<Uuid, InvalidUuidText> {
    let invalid = || InvalidUuidText {
        text: text.chars().take(64).collect(),
    };
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| invalid())?;
    Ok(Uuid::from_bytes(bytes))
}

/// Gives a 128-bit id newtype its text form, in `Display`, `FromStr` and serde alike.
///
/// The text is used in every encoding, the binary ones too, so that a record reads the same
/// wherever it is met.
macro_rules! uuid_id {
    ($name:ident) => {
        impl $name {
            /// Wraps 128 bits that the caller drew.
            #[must_use]
            pub const fn from_uuid(id: uuid::Uuid) -> Self {
                Self(id)
            }

            /// The 128 bits.
            #[must_use]
            pub const fn as_uuid(self) -> uuid::Uuid {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::uuid_text::encode(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::InvalidUuidText;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::uuid_text::decode(text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use uuid_id;
