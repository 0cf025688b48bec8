//! An error with everything behind it, on one line: what failed, and why.

use std::error::Error;

/// The messages from the error down to its last cause, each once.
pub(crate) fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        // Some messages repeat what their cause says.
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open: {0}")]
    struct Middle(#[source] io::Error);

    #[test]
    fn every_cause_is_told_once() {
        let error = Outer(Middle(io::Error::other("no such disk")));
        assert_eq!(
            error_chain(&error),
            "cannot start: cannot open: no such disk"
        );
    }
}
