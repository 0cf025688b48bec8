//! Base64 as clients write it: standard or URL-safe, with padding or without.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The bytes; `None` when the text is no base64.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    // Most text is of the standard alphabet; only what fails is looked at again.
    STANDARD
        .decode(text)
        .or_else(|error| match text.contains(['-', '_']) {
            true => URL_SAFE.decode(text),
            false => Err(error),
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_form_is_read_and_nothing_else() {
        for text in ["+/8=", "+/8", "-_8=", "-_8"] {
            assert_eq!(decode(text), Some(vec![0xfb, 0xff]), "{text}");
        }
        assert_eq!(decode(""), Some(Vec::new()));
        for text in ["!!", "A", "AAAA=", "+_8=", "A A="] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
