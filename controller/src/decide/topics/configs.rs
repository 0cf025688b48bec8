//! The settings that a topic may have, by Kafka's names, and the values they may take.

use trimaran_api::controller::ConfigEntry;
use trimaran_types::KafkaError;
use trimaran_types::limits::BATCH_BYTES_MAX;

use crate::decide::Refusal;

/// How far from a known key a mistyped one may be to be recognised.
const SUGGESTION_DISTANCE_MAX: usize = 5;
/// How much of a wrong key or value an error repeats, in characters.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// What values a setting takes.
enum Kind {
    Integer {
        low: i64,
        high: i64,
    },
    /// A number from 0 to 1.
    Ratio,
    OneOf(&'static [&'static str]),
}

const BOOLEAN: Kind = Kind::OneOf(&["true", "false"]);
const INT_MAX: i64 = i32::MAX as i64;

const KNOWN: &[(&str, Kind)] = &[
    (
        "cleanup.policy",
        Kind::OneOf(&["delete", "compact", "delete,compact", "compact,delete"]),
    ),
    (
        "compression.gzip.level",
        Kind::OneOf(&["-1", "1", "2", "3", "4", "5", "6", "7", "8", "9"]),
    ),
    (
        "compression.type",
        Kind::OneOf(&["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]),
    ),
    (
        "compression.zstd.level",
        Kind::Integer {
            low: -131_072,
            high: 22,
        },
    ),
    (
        "delete.retention.ms",
        Kind::Integer {
            low: 0,
            high: i64::MAX,
        },
    ),
    (
        "file.delete.delay.ms",
        Kind::Integer {
            low: 0,
            high: i64::MAX,
        },
    ),
    (
        "flush.messages",
        Kind::Integer {
            low: 1,
            high: i64::MAX,
        },
    ),
    (
        "flush.ms",
        Kind::Integer {
            low: 0,
            high: i64::MAX,
        },
    ),
    (
        "index.interval.bytes",
        Kind::Integer {
            low: 0,
            high: INT_MAX,
        },
    ),
    (
        "max.compaction.lag.ms",
        Kind::Integer {
            low: 1,
            high: i64::MAX,
        },
    ),
    (
        "max.message.bytes",
        Kind::Integer {
            low: 0,
            high: BATCH_BYTES_MAX as i64,
        },
    ),
    (
        "message.timestamp.after.max.ms",
        Kind::Integer {
            low: 0,
            high: i64::MAX,
        },
    ),
    (
        "message.timestamp.before.max.ms",
        Kind::Integer {
            low: 0,
            high: i64::MAX,
        },
    ),
    (
        "message.timestamp.type",
        Kind::OneOf(&["CreateTime", "LogAppendTime"]),
    ),
    ("min.cleanable.dirty.ratio", Kind::Ratio),
    (
        "min.compaction.lag.ms",
        Kind::Integer {
            low: 0,
            high: i64::MAX,
        },
    ),
    (
        "min.insync.replicas",
        Kind::Integer {
            low: 1,
            high: INT_MAX,
        },
    ),
    ("preallocate", BOOLEAN),
    (
        "retention.bytes",
        Kind::Integer {
            low: -1,
            high: i64::MAX,
        },
    ),
    (
        "retention.ms",
        Kind::Integer {
            low: -1,
            high: i64::MAX,
        },
    ),
    (
        "segment.bytes",
        Kind::Integer {
            low: 14,
            high: INT_MAX,
        },
    ),
    (
        "segment.index.bytes",
        Kind::Integer {
            low: 4,
            high: INT_MAX,
        },
    ),
    (
        "segment.jitter.ms",
        Kind::Integer {
            low: 0,
            high: i64::MAX,
        },
    ),
    (
        "segment.ms",
        Kind::Integer {
            low: 1,
            high: i64::MAX,
        },
    ),
    ("unclean.leader.election.enable", BOOLEAN),
];

/// Checks the settings of a request; gives those that are set, in order.
pub(super) fn check(entries: &[ConfigEntry]) -> Result<Vec<(&str, &str)>, Refusal> {
    let mut set = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let name = entry.name.as_str();
        let (_, kind) = KNOWN
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| unknown(name))?;
        if entries
            .iter()
            .take(place)
            .any(|earlier| earlier.name == name)
        {
            return Err(invalid(format!("setting '{name}' is given twice")));
        }
        if let Some(value) = entry.value.as_deref() {
            check_value(name, kind, value)?;
            set.push((name, value));
        }
    }
    Ok(set)
}

fn check_value(name: &str, kind: &Kind, value: &str) -> Result<(), Refusal> {
    let shown = shorten(value);
    match kind {
        Kind::Ratio => match value.parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(()),
            _ => Err(invalid(format!("{name} is '{shown}', expected 0 to 1"))),
        },
        Kind::Integer { low, high } => match value.parse::<i64>() {
            Ok(number) if (*low..=*high).contains(&number) => Ok(()),
            Ok(_) => Err(invalid(format!(
                "{name} is {shown}, expected {low} to {high}"
            ))),
            Err(_) => Err(invalid(format!(
                "{name} is '{shown}', expected a whole number"
            ))),
        },
        Kind::OneOf(values) if values.contains(&value) => Ok(()),
        Kind::OneOf(values) => {
            let values = values.join("' or '");
            Err(invalid(format!("{name} is '{shown}', expected '{values}'")))
        }
    }
}

fn unknown(name: &str) -> Refusal {
    let name = shorten(name);
    let nearest = KNOWN
        .iter()
        .map(|(known, _)| (strsim::damerau_levenshtein(known, &name), *known))
        .filter(|(distance, _)| *distance <= SUGGESTION_DISTANCE_MAX)
        .min();
    match nearest {
        Some((_, known)) => invalid(format!(
            "unknown topic setting '{name}'; did you mean '{known}'?"
        )),
        None => invalid(format!("unknown topic setting '{name}'")),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS_MAX).collect()
}

fn invalid(message: String) -> Refusal {
    Refusal::new(KafkaError::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, value: Option<&str>) -> ConfigEntry {
        ConfigEntry {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        }
    }

    #[test]
    fn known_settings_with_values_in_bounds_pass() {
        let good = [
            ("cleanup.policy", "compact,delete"),
            ("compression.gzip.level", "9"),
            ("compression.type", "zstd"),
            ("compression.zstd.level", "-131072"),
            ("delete.retention.ms", "86400000"),
            ("file.delete.delay.ms", "0"),
            ("flush.messages", "1"),
            ("flush.ms", "0"),
            ("index.interval.bytes", "4096"),
            ("max.compaction.lag.ms", "9223372036854775807"),
            ("max.message.bytes", "1048588"),
            ("message.timestamp.after.max.ms", "3600000"),
            ("message.timestamp.before.max.ms", "9223372036854775807"),
            ("message.timestamp.type", "LogAppendTime"),
            ("min.cleanable.dirty.ratio", "0.5"),
            ("min.compaction.lag.ms", "0"),
            ("min.insync.replicas", "2"),
            ("preallocate", "false"),
            ("retention.bytes", "-1"),
            ("retention.ms", "-1"),
            ("segment.bytes", "1073741824"),
            ("segment.index.bytes", "10485760"),
            ("segment.jitter.ms", "0"),
            ("segment.ms", "604800000"),
            ("unclean.leader.election.enable", "true"),
        ];
        assert_eq!(good.len(), KNOWN.len());
        for (name, value) in good {
            assert_eq!(check(&[entry(name, Some(value))]), Ok(vec![(name, value)]));
        }
        assert_eq!(check(&[entry("retention.ms", None)]), Ok(vec![]));
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let refused = |entries: &[ConfigEntry]| {
            let refusal = check(entries).unwrap_err();
            assert_eq!(refusal.error, KafkaError::InvalidConfig);
            refusal.message
        };
        let one = |name, value| refused(&[entry(name, Some(value))]);
        assert_eq!(
            one("flush.messages", "0"),
            "flush.messages is 0, expected 1 to 9223372036854775807"
        );
        for value in ["1.01", "-0.1", "NaN", "half"] {
            assert_eq!(
                one("min.cleanable.dirty.ratio", value),
                format!("min.cleanable.dirty.ratio is '{value}', expected 0 to 1")
            );
        }
        assert_eq!(
            one("compression.type", "brotli"),
            "compression.type is 'brotli', expected 'producer' or 'uncompressed' or 'gzip' or \
             'snappy' or 'lz4' or 'zstd'"
        );
        assert_eq!(
            one("compression.zstd.level", "23"),
            "compression.zstd.level is 23, expected -131072 to 22"
        );
        assert_eq!(
            one("retention.ms", "-2"),
            "retention.ms is -2, expected -1 to 9223372036854775807"
        );
        assert_eq!(
            one("retention.ms", "7d"),
            "retention.ms is '7d', expected a whole number"
        );
        assert_eq!(
            one("message.timestamp.type", "now"),
            "message.timestamp.type is 'now', expected 'CreateTime' or 'LogAppendTime'"
        );
        assert_eq!(
            one("retention.msec", "1"),
            "unknown topic setting 'retention.msec'; did you mean 'retention.ms'?"
        );
        assert_eq!(one("x", "1"), "unknown topic setting 'x'");
        assert_eq!(
            refused(&[entry("flush.ms", Some("1")), entry("flush.ms", None)]),
            "setting 'flush.ms' is given twice"
        );
    }
}
