//! How many files and connections the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors beside those of connections: active logs, indexes that readers use, streams between
/// nodes, and some to spare.
const BESIDE_CONNECTIONS: u64 = 4_096;

/// Raises the process's limit as far as the system lets it, and says so when that is too low for
/// `connections_max` on each of two listeners: where descriptors run out, logs cannot roll.
pub(super) fn raise_limit(connections_max: usize) {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
    let limit = getrlimit(Resource::Nofile).current;
    let needed = needed(connections_max);
    // No limit at all is told as none.
    if limit.is_some_and(|limit| limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "the limit on open files is low: connections may take the descriptors that logs need; \
             raise it (ulimit -n, LimitNOFILE) or lower max.connections"
        );
    }
}

fn needed(connections_max: usize) -> u64 {
    u64::try_from(connections_max)
        .unwrap_or(u64::MAX)
        .saturating_mul(2)
        .saturating_add(BESIDE_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_what_the_system_allows() {
        raise_limit(1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(needed(4_096), 12_288);
        assert_eq!(needed(usize::MAX), u64::MAX);
    }
}
