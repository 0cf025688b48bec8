//! [`ValueId`]: what makes every value of a run unique.

use serde_json::{Value, json};

/// A producer and its running number. No two records of a run are meant to share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId {
    /// Who sent it.
    pub producer: u32,
    /// Its number among what that producer sent.
    pub sequence: u64,
}

impl ValueId {
    /// The record's value as JSON, with `padding_bytes` of text beside the id.
    #[must_use]
    pub fn to_json(self, padding_bytes: usize) -> Value {
        json!({
            "producer": self.producer,
            "sequence": self.sequence,
            "padding": "x".repeat(padding_bytes),
        })
    }

    /// Reads the id back; `None` when the value is not one of a run's.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            producer: value.get("producer")?.as_u64()?.try_into().ok()?,
            sequence: value.get("sequence")?.as_u64()?,
        })
    }
}

impl std::fmt::Display for ValueId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.producer, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_json_and_strangers_are_no_ids() {
        let id = ValueId {
            producer: 3,
            sequence: u64::MAX,
        };
        assert_eq!(ValueId::from_json(&id.to_json(10)), Some(id));
        for stranger in [
            json!(null),
            json!({"producer": -1, "sequence": 0}),
            json!("3:7"),
        ] {
            assert_eq!(ValueId::from_json(&stranger), None);
        }
    }
}
