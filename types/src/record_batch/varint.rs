//! Zig-zag varints as records use them: at most 5 bytes for 32 bits, 10 for 64.
//!
//! Refuses an encoding that runs past those bounds or past the end of the input.

/// Why bytes are no varint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VarintError {
    /// The input ended inside it.
    #[error("input ends inside a varint")]
    Truncated,
    /// It does not fit the width that was asked for.
    #[error("varint is longer than its type allows")]
    TooLong,
}

const fn zig_zag_32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

const fn zig_zag_64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn length_of(raw: u64) -> usize {
    let bits = 64 - (raw | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// How many bytes `value` takes: 1 to 5.
#[must_use]
pub const fn varint_bytes(value: i32) -> usize {
    length_of(zig_zag_32(value) as u64)
}

/// How many bytes `value` takes: 1 to 10.
#[must_use]
pub const fn varlong_bytes(value: i64) -> usize {
    length_of(zig_zag_64(value))
}

/// Appends `value` to `into`.
pub fn put_varint(into: &mut Vec<u8>, value: i32) {
    put(into, u64::from(zig_zag_32(value)));
}

/// Appends `value` to `into`.
pub fn put_varlong(into: &mut Vec<u8>, value: i64) {
    put(into, zig_zag_64(value));
}

fn put(into: &mut Vec<u8>, mut raw: u64) {
    while raw >= 0x80 {
        into.push((raw & 0x7f) as u8 | 0x80);
        raw >>= 7;
    }
    into.push(raw as u8);
}

/// Takes a 32-bit varint off the front of `input`.
///
/// # Errors
/// The input ends too early, or the value does not fit 32 bits. `input` is then left anywhere.
pub fn read_varint(input: &mut &[u8]) -> Result<i32, VarintError> {
    let raw = read(input, 32)?;
    let raw = u32::try_from(raw).map_err(|_| VarintError::TooLong)?;
    Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
}

/// Takes a 64-bit varint off the front of `input`.
///
/// # Errors
/// The input ends too early, or the value does not fit 64 bits. `input` is then left anywhere.
pub fn read_varlong(input: &mut &[u8]) -> Result<i64, VarintError> {
    let raw = read(input, 64)?;
    Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
}

fn read(input: &mut &[u8], bits_max: u32) -> Result<u64, VarintError> {
    let mut raw = 0_u64;
    let mut shift = 0_u32;
    loop {
        let (&byte, rest) = input.split_first().ok_or(VarintError::Truncated)?;
        *input = rest;
        let low = u64::from(byte & 0x7f);
        if shift >= bits_max || (shift == 63 && low > 1) {
            return Err(VarintError::TooLong);
        }
        raw |= low << shift;
        if byte & 0x80 == 0 {
            return Ok(raw);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_encodings() {
        let table: [(i32, &[u8]); 7] = [
            (0, &[0]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[126]),
            (-64, &[127]),
            (64, &[128, 1]),
            (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ];
        for (value, bytes) in table {
            let mut written = Vec::new();
            put_varint(&mut written, value);
            assert_eq!(written, bytes, "{value}");
            assert_eq!(varint_bytes(value), bytes.len(), "{value}");
        }
        let mut written = Vec::new();
        put_varlong(&mut written, i64::MIN);
        assert_eq!(
            written,
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]
        );
    }

    #[test]
    fn too_long_and_truncated_are_refused() {
        assert_eq!(
            read_varint(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]),
            Err(VarintError::TooLong)
        );
        assert_eq!(read_varint(&mut &[0x80; 9][..]), Err(VarintError::TooLong));
        assert_eq!(
            read_varlong(&mut &[0xff; 11][..]),
            Err(VarintError::TooLong)
        );
        assert_eq!(
            read_varint(&mut &[0x80, 0x80][..]),
            Err(VarintError::Truncated)
        );
        assert_eq!(read_varlong(&mut &[][..]), Err(VarintError::Truncated));
    }

    proptest! {
        #[test]
        fn round_trip(small: i32, large: i64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, small);
            prop_assert_eq!(bytes.len(), varint_bytes(small));
            put_varlong(&mut bytes, large);
            prop_assert_eq!(bytes.len(), varint_bytes(small) + varlong_bytes(large));
            let mut rest = &bytes[..];
            prop_assert_eq!(read_varint(&mut rest), Ok(small));
            prop_assert_eq!(read_varlong(&mut rest), Ok(large));
            prop_assert!(rest.is_empty());
        }
    }
}
