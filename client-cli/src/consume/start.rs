//! [`Start`]: where in a partition to begin.

use std::str::FromStr;

use trimaran_api::rest::OffsetsV2;
use trimaran_types::Offset;

/// A place to begin, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The first record kept.
    Earliest,
    /// Behind the last record.
    Latest,
    /// This offset, in each partition.
    At(Offset),
}

impl Start {
    /// The offset to begin at in a partition with these bounds.
    pub(crate) fn in_bounds(self, bounds: &OffsetsV2) -> Offset {
        match self {
            Self::Earliest => bounds.beginning_offset,
            Self::Latest => bounds.end_offset,
            Self::At(offset) => offset,
        }
    }
}

impl FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "earliest" | "beginning" | "start" => Ok(Self::Earliest),
            "latest" | "end" => Ok(Self::Latest),
            number => match number.parse() {
                Ok(offset) if offset >= 0 => Ok(Self::At(Offset(offset))),
                _ => Err("expected earliest, latest or an offset from 0 on".to_owned()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers() {
        let bounds = OffsetsV2 {
            beginning_offset: Offset(3),
            end_offset: Offset(9),
        };
        for (text, offset) in [("earliest", 3), ("latest", 9), ("0", 0), ("7", 7)] {
            assert_eq!(
                text.parse::<Start>().unwrap().in_bounds(&bounds),
                Offset(offset)
            );
        }
        for text in ["", "-1", "1.5", "middle", "9223372036854775808"] {
            assert!(text.parse::<Start>().is_err(), "{text}");
        }
    }
}
