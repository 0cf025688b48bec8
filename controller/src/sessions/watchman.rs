//! [`watch_sessions`]: the task that fences the silent, and makes the elections that are owed.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::fencing::{Cause, elect_leaderless, fence};
use crate::node::Node;

/// How often the sessions are looked at, as a part of their length.
const CHECKS_PER_SESSION: u32 = 20;

/// Looks at the sessions while this controller is active, until `stop`.
pub(crate) async fn watch_sessions(node: Arc<Node>, stop: CancellationToken) {
    let session = node.config().broker_session_timeout;
    let pause = (session / CHECKS_PER_SESSION).max(Duration::from_millis(5));
    let mut wait = pause;
    let mut active_term = node.proposer().watch_active_term();
    loop {
        let before = node.clock().now();
        tokio::select! {
            () = stop.cancelled() => return,
            changed = active_term.changed() => if changed.is_err() { return },
            () = node.sessions().sweep_owed() => {}
            () = tokio::time::sleep(wait) => {}
        }
        wait = pause;
        let Some(term) = *active_term.borrow_and_update() else {
            continue;
        };
        let now = node.clock().now();
        let image = node.published().image();
        let overdue = {
            let mut sessions = node.sessions().lock();
            sessions.begin_term(term, &image, now);
            // This process stood still: what it did not hear may have been said.
            let slept_ms = now.ms_since(before);
            let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            let session_ms = u64::try_from(session.as_millis()).unwrap_or(u64::MAX);
            if slept_ms > pause_ms.saturating_add(session_ms / 3) {
                tracing::warn!(slept_ms, "this controller stood still; sessions begin anew");
                sessions.forgive(now);
            }
            sessions.overdue(&image, now)
        };
        if let Some((broker, epoch)) = overdue {
            match fence(&node, broker, epoch, Cause::SessionTimeout).await {
                // The next one at once, but by a decision of its own.
                Ok(()) => wait = Duration::ZERO,
                Err(error) => tracing::warn!(%broker, %error, "could not fence a silent broker"),
            }
        }
        if node.sessions().lock().take_sweep() {
            match elect_leaderless(&node).await {
                // The rest at once, but not before the silent were looked at again.
                Ok(()) if node.sessions().lock().is_sweep_due() => wait = Duration::ZERO,
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "could not make the elections that are owed"),
            }
        }
    }
}
