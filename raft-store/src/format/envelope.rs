//! The wrapper of every stored value.
//!
//! ```text
//! version u8 | body | crc32c u32 of key, version and body
//! ```
//! The key is in the sum, so a value found under a key that is not its own is seen as damage.

use super::{FormatError, VERSION};

const CHECKSUM_LENGTH: usize = 4;

/// Wraps `body`, to be stored under `key`.
pub(crate) fn seal(key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(1 + body.len() + CHECKSUM_LENGTH);
    value.push(VERSION);
    value.extend_from_slice(body);
    let sum = checksum(key, &value);
    value.extend_from_slice(&sum.to_be_bytes());
    value
}

/// The body of `value`, found under `key`.
pub(crate) fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], FormatError> {
    let Some((sealed, sum)) = value.split_last_chunk::<CHECKSUM_LENGTH>() else {
        return Err(FormatError::Short {
            wanted: CHECKSUM_LENGTH + 1,
            left: value.len(),
        });
    };
    let Some((version, body)) = sealed.split_first() else {
        return Err(FormatError::Short {
            wanted: CHECKSUM_LENGTH + 1,
            left: value.len(),
        });
    };
    let found = u32::from_be_bytes(*sum);
    let computed = checksum(key, sealed);
    if found != computed {
        return Err(FormatError::Checksum { found, computed });
    }
    if *version != VERSION {
        return Err(FormatError::Version {
            found: *version,
            known: VERSION,
        });
    }
    Ok(body)
}

fn checksum(key: &[u8], sealed: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_what_was_sealed_under_the_key() {
        let value = seal(b"key", b"body");
        assert_eq!(open(b"key", &value).unwrap(), b"body");
        assert!(matches!(
            open(b"other", &value),
            Err(FormatError::Checksum { .. })
        ));
        for at in 0..value.len() {
            let mut damaged = value.clone();
            damaged[at] ^= 1;
            assert!(open(b"key", &damaged).is_err(), "flip at {at}");
            assert!(open(b"key", &value[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut value = vec![9, 1, 2];
        let sum = checksum(b"k", &value);
        value.extend_from_slice(&sum.to_be_bytes());
        assert!(matches!(
            open(b"k", &value),
            Err(FormatError::Version { found: 9, known: 1 })
        ));
    }
}
