//! [`NoOp`].

use serde::{Deserialize, Serialize};

/// Nothing changed (Kafka's `NoOpRecord`): shows that the log moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoOp {}
