//! On what machine the figures were taken.

use std::collections::BTreeMap;

/// Facts that a reader needs before comparing figures.
pub(crate) fn describe() -> BTreeMap<String, String> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let facts = [
        ("cores", cores.to_string()),
        ("processor", line_of("/proc/cpuinfo", "model name")),
        ("memory", line_of("/proc/meminfo", "MemTotal")),
        ("kernel", whole("/proc/sys/kernel/osrelease")),
        ("load before", whole("/proc/loadavg")),
    ];
    facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn whole(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// What stands behind the colon of the first line that begins with `name`.
fn line_of(path: &str, name: &str) -> String {
    let text = whole(path);
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value
        .map(|(_, value)| value.trim().to_owned())
        .unwrap_or_default()
}
