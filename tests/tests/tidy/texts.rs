//! Heads, lengths, names and words of source files.

use super::sources::sources;

/// Longest file, in lines.
const FILE_LINES_MAX: usize = 600;

/// Names of files and folders that say nothing.
const DRAWERS: &[&str] = &[
    "utils", "util", "common", "helpers", "helper", "impls", "misc",
];

/// What no source may contain, and why. Written in two parts, so that this file may contain it.
const BANNED: &[(&str, &str)] = &[
    (concat!("to", "do!("), "nothing unfinished is committed"),
    (
        concat!("unimplem", "ented!("),
        "nothing unfinished is committed",
    ),
    (concat!("db", "g!("), "for debugging at home"),
    (
        concat!("#[al", "low("),
        "use #[expect(.., reason)], which ends when its reason ends",
    ),
    (
        concat!("#![al", "low("),
        "use #[expect(.., reason)], which ends when its reason ends",
    ),
    (concat!("FIX", "ME"), "open an issue"),
    (concat!("TO", "DO"), "open an issue"),
];

#[test]
fn every_file_opens_with_what_it_owns() {
    let missing: Vec<_> = sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path)
        .collect();
    assert!(
        missing.is_empty(),
        "files that do not open with //!: {missing:#?}"
    );
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > FILE_LINES_MAX)
        .collect();
    assert!(
        long.is_empty(),
        "files of more than {FILE_LINES_MAX} lines: {long:#?}"
    );
}

#[test]
fn no_file_is_a_drawer() {
    let is_drawer = |name: &std::ffi::OsStr| {
        let name = name.to_string_lossy();
        DRAWERS.contains(&name.trim_end_matches(".rs"))
    };
    let drawers: Vec<_> = sources()
        .into_iter()
        .map(|source| source.path)
        .filter(|path| path.iter().any(is_drawer))
        .collect();
    assert!(drawers.is_empty(), "names that say nothing: {drawers:#?}");
}

#[test]
fn no_banned_word_is_used() {
    let mut found = Vec::new();
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            for (word, why) in BANNED.iter().filter(|(word, _)| line.contains(word)) {
                found.push(format!(
                    "{}:{}: {word} ({why})",
                    source.path.display(),
                    number + 1
                ));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
