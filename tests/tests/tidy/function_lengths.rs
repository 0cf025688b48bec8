//! No function is longer than a screen.
//!
//! Counts on formatted code: a function ends at the first line that closes a brace in the column
//! where the function began.

use super::sources::{Source, sources};

/// Longest body, in lines that are neither blank nor comments.
const FUNCTION_LINES_MAX: usize = 70;

/// Functions that may be longer for now, as `path: name`. It only ever gets shorter.
const EXCEPTIONS: &[&str] = &[
    // Tables of cases: data, one row a rule.
    "controller/src/decide/brokers/control_state.rs: every_row_of_the_state_table",
    "controller/src/decide/brokers/register/register_test.rs: what_cannot_be_is_refused_in_order",
    "controller/src/decide/partitions/alter/alter_test.rs: each_wrong_alteration_has_its_error",
    "metadata/src/laws_test.rs: record",
];

/// What may stand before `fn`.
const QUALIFIERS: &[&str] = &["const", "async", "unsafe", "pub"];

struct Function {
    name: String,
    lines: usize,
}

#[test]
fn no_function_is_too_long() {
    let mut long = Vec::new();
    let mut known = Vec::new();
    for source in sources() {
        for function in functions(&source) {
            let name = format!("{}: {}", source.path.display(), function.name);
            if function.lines <= FUNCTION_LINES_MAX {
                continue;
            }
            if EXCEPTIONS.contains(&name.as_str()) {
                known.push(name);
            } else {
                long.push(format!("{name} has {} lines", function.lines));
            }
        }
    }
    assert!(
        long.is_empty(),
        "longer than {FUNCTION_LINES_MAX} lines:\n{}",
        long.join("\n")
    );
    let stale: Vec<_> = EXCEPTIONS
        .iter()
        .filter(|name| !known.iter().any(|it| it == *name))
        .collect();
    assert!(
        stale.is_empty(),
        "no longer too long, take them off the list: {stale:?}"
    );
}

fn functions(source: &Source) -> Vec<Function> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut functions = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let Some(body) = body(&lines[start..], indent) else {
            continue;
        };
        let counts = |line: &&&str| !line.trim().is_empty() && !line.trim().starts_with("//");
        functions.push(Function {
            name,
            lines: body.iter().filter(counts).count(),
        });
    }
    functions
}

/// The name of the function that begins in `line`.
fn function_name(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let first_other = words.find(|word| {
        let plain = word.split('(').next().unwrap_or(word);
        !QUALIFIERS.contains(&plain)
    })?;
    if first_other != "fn" {
        return None;
    }
    let rest = words.next()?;
    Some(rest.split(['(', '<']).next()?.to_owned())
}

/// The lines between the braces of the function whose signature begins `lines`.
fn body<'a>(lines: &'a [&'a str], indent: usize) -> Option<&'a [&'a str]> {
    let opens = lines
        .iter()
        .position(|line| line.ends_with('{') || line.ends_with([';', '}']))?;
    if !lines[opens].ends_with('{') {
        return None;
    }
    let closing = format!("{}}}", " ".repeat(indent));
    let length = lines[opens + 1..]
        .iter()
        .position(|line| **line == closing)?;
    Some(&lines[opens + 1..opens + 1 + length])
}

#[test]
fn functions_are_found_and_measured() {
    let text = "impl X {\n    pub(crate) const fn one() -> u8 {\n        // why\n        1\n    }\n\n    \
                fn two(\n        a: u8,\n    ) -> u8 {\n        if a > 0 {\n            a\n        } else \
                {\n            0\n        }\n    }\n    fn three();\n    fn four() {}\n}\n";
    let source = Source {
        path: "x.rs".into(),
        text: text.to_owned(),
    };
    let found: Vec<(String, usize)> = functions(&source)
        .into_iter()
        .map(|it| (it.name, it.lines))
        .collect();
    assert_eq!(found, [("one".to_owned(), 1), ("two".to_owned(), 5)]);
}
