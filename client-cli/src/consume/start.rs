//! [`Start`]: where in a partition to begin.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use trimaran_api::rest::OffsetsV2;
use trimaran_types::{Offset, PartitionIndex, Timestamp, TopicName};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::partition_reader::{offsets, offsets_at_time};

/// A place to begin, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The first record kept.
    Earliest,
    /// Behind the last record.
    Latest,
    /// This offset, in each partition.
    At(Offset),
    /// The first record of this time or later; behind the last record where there is none.
    Since(Timestamp),
}

impl Start {
    /// The bounds of a partition, and the offset to begin at.
    ///
    /// # Errors
    /// When the partition does not exist, or nobody answers for it.
    pub(super) async fn find(
        self,
        connection: &Connection,
        topic: &TopicName,
        partition: PartitionIndex,
    ) -> Result<(OffsetsV2, Offset), Failure> {
        if let Self::Since(time) = self {
            let told = offsets_at_time(connection, topic, partition, time).await?;
            let first = told.offset.unwrap_or(told.bounds.end_offset);
            return Ok((told.bounds, first));
        }
        let bounds = offsets(connection, topic, partition).await?;
        let first = self.in_bounds(&bounds);
        Ok((bounds, first))
    }

    /// The offset to begin at in a partition with these bounds, which say nothing of times.
    fn in_bounds(self, bounds: &OffsetsV2) -> Offset {
        match self {
            Self::Earliest => bounds.beginning_offset,
            Self::Latest | Self::Since(_) => bounds.end_offset,
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
                _ => Err(
                    "expected earliest, latest or an offset from 0 on; --from-time takes a time"
                        .to_owned(),
                ),
            },
        }
    }
}

/// A time as typed for `--from-time`, on this machine's clock where it is told by its distance.
///
/// # Errors
/// What could be typed instead.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    time_at(text, since_1970.unwrap_or_default()).ok_or_else(|| {
        "expected UTC such as 2026-11-21T10:00:00Z or 2026-11-21, milliseconds since 1970, or how \
         long ago such as -1h or -90s"
            .to_owned()
    })
}

fn time_at(text: &str, now: Duration) -> Option<Timestamp> {
    let since_1970 = if let Some(ago) = text.strip_prefix('-') {
        now.saturating_sub(humantime::parse_duration(ago).ok()?)
    } else if let Ok(ms) = text.parse() {
        Duration::from_millis(ms)
    } else {
        let is_date = text.len() == "2026-11-21".len();
        let midnight = if is_date { "T00:00:00Z" } else { "" };
        let time = humantime::parse_rfc3339_weak(&format!("{text}{midnight}")).ok()?;
        time.duration_since(UNIX_EPOCH).ok()?
    };
    i64::try_from(since_1970.as_millis()).ok().map(Timestamp)
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

    #[test]
    fn times_and_how_long_ago() {
        let now = Duration::from_millis(1_795_255_200_123);
        for (text, ms) in [
            ("0", 0),
            ("1795252558605", 1_795_252_558_605),
            ("2026-11-21T10:00:00Z", 1_795_255_200_000),
            ("2026-11-21 10:00:00", 1_795_255_200_000),
            ("2026-11-21T10:00:00.123Z", 1_795_255_200_123),
            ("2026-11-21", 1_795_219_200_000),
            ("-1h", 1_795_251_600_123),
            ("-1h30m", 1_795_249_800_123),
            ("-250ms", 1_795_255_199_873),
            ("-0s", 1_795_255_200_123),
            ("-99999days", 0),
        ] {
            assert_eq!(time_at(text, now), Some(Timestamp(ms)), "{text}");
        }
        for text in [
            "",
            "-",
            "-1",
            "--1h",
            "1h",
            "soon",
            "2026-13-01",
            "1969-12-31T23:59:59Z",
            "2026-11-21T10:00:00+01:00",
            "18446744073709551615",
            "é026-11-2",
        ] {
            assert_eq!(time_at(text, now), None, "{text}");
        }
        assert!(time("soon").unwrap_err().contains("-1h"));
    }
}
