//! From nested TOML tables to dotted keys and text values.

use std::collections::BTreeMap;

use toml::Value;

use crate::ConfigError;

/// Every value under its dotted key; arrays become comma-separated text, as in Kafka's files.
pub(crate) fn flatten(table: toml::Table) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut flat = BTreeMap::new();
    descend(String::new(), Value::Table(table), &mut flat)?;
    Ok(flat)
}

fn descend(
    key: String,
    value: Value,
    flat: &mut BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                let inner = if key.is_empty() {
                    name
                } else {
                    format!("{key}.{name}")
                };
                descend(inner, value, flat)?;
            }
        }
        Value::Array(items) => {
            let mut texts = Vec::with_capacity(items.len());
            for item in items {
                texts.push(scalar(&key, item)?);
            }
            flat.insert(key, texts.join(","));
        }
        other => {
            let text = scalar(&key, other)?;
            flat.insert(key, text);
        }
    }
    Ok(())
}

fn scalar(key: &str, value: Value) -> Result<String, ConfigError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(flag) => Ok(flag.to_string()),
        other => Err(ConfigError::Value {
            key: key.to_owned(),
            value: other.to_string(),
            cause: "expected text, a number, true or false".to_owned(),
        }),
    }
}
