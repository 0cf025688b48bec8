//! The last line of a small text file of our own: the CRC-32C of all that stands before it.

use std::fmt::Write as _;

const NAME: &str = "#crc32c";

/// The text with its checksum behind it.
pub(crate) fn sealed(mut text: String) -> String {
    let checksum = crc32c::crc32c(text.as_bytes());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{NAME} {checksum}");
    text
}

/// What stands before the checksum; `None` when it is missing or wrong.
pub(crate) fn opened(text: &str) -> Option<&str> {
    let (content, line) = text.split_at(text.rfind(NAME)?);
    let expected = crc32c::crc32c(content.as_bytes());
    (line == format!("{NAME} {expected}\n")).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_opened() {
        let text = sealed("0\n1\nx\n".to_owned());
        assert_eq!(text, "0\n1\nx\n#crc32c 2047005233\n");
        assert_eq!(opened(&text), Some("0\n1\nx\n"));
        assert_eq!(opened(&sealed(String::new())), Some(""));
    }

    /// No single byte, and no cut, leaves something that is believed and is not what was sealed.
    #[test]
    fn no_damaged_byte_is_believed() {
        let good = sealed("0\n2\nt-0\nt-1\n".to_owned()).into_bytes();
        for at in 0..good.len() {
            for flip in 1..=u8::MAX {
                let mut damaged = good.clone();
                damaged[at] ^= flip;
                if let Ok(damaged) = std::str::from_utf8(&damaged) {
                    assert_eq!(opened(damaged), None, "{damaged:?}");
                }
            }
            let cut = std::str::from_utf8(&good[..at]).expect("ascii");
            assert_eq!(opened(cut), None, "{cut:?}");
        }
    }
}
