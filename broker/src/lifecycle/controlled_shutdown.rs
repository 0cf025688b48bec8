//! Controlled shutdown: leaderships move away before anything stops.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::session::{SessionState, SessionWants};

/// Without an answer for so many session timeouts, the broker is fenced, and nothing is left to
/// hand over.
const SILENT_SESSIONS: u32 = 2;

/// Asks the controllers to take the leaderships, and waits for their word.
pub(super) async fn hand_over(
    wants: &watch::Sender<SessionWants>,
    state: &watch::Receiver<SessionState>,
    session_timeout: Duration,
    patience: Duration,
) {
    let started = Instant::now();
    wants.send_replace(SessionWants::STOPPING);
    let mut allowed = state.clone();
    let allowed = allowed.wait_for(|state| state.should_shut_down);
    let silence = silence(state.clone(), session_timeout * SILENT_SESSIONS);
    tokio::select! {
        word = allowed => match word {
            Ok(_) => tracing::info!(waited = ?started.elapsed(), "leaderships are handed over"),
            Err(_) => tracing::warn!("the session has ended before the leaderships were handed over"),
        },
        () = silence => tracing::warn!(
            waited = ?started.elapsed(),
            "the controllers do not answer; stopping without handing over"
        ),
        () = tokio::time::sleep(patience) => tracing::warn!(
            waited = ?patience,
            "the leaderships were not handed over in time; stopping all the same"
        ),
    }
}

/// Ends when no heartbeat was answered for `length`.
async fn silence(mut state: watch::Receiver<SessionState>, length: Duration) {
    loop {
        if state.wait_for(|state| !state.is_heard).await.is_err() {
            return std::future::pending().await;
        }
        let heard = state.wait_for(|state| state.is_heard);
        if tokio::time::timeout(length, heard).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_types::BrokerEpoch;

    const SESSION: Duration = Duration::from_millis(1_500);
    const PATIENCE: Duration = Duration::from_secs(30);

    fn channels() -> (watch::Sender<SessionState>, watch::Sender<SessionWants>) {
        let state = SessionState::registered(BrokerEpoch(1));
        (
            watch::Sender::new(state),
            watch::Sender::new(SessionWants::SERVING),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_the_word_and_asks_for_it() {
        let (state, wants) = channels();
        let mut asked = wants.subscribe();
        let controller = async {
            asked.wait_for(|wants| wants.shutdown).await.unwrap();
            tokio::time::sleep(Duration::from_millis(70)).await;
            state.send_modify(|state| state.should_shut_down = true);
        };
        let receiver = state.subscribe();
        let started = Instant::now();
        let ((), ()) = tokio::join!(hand_over(&wants, &receiver, SESSION, PATIENCE), controller);
        assert_eq!(started.elapsed(), Duration::from_millis(70));
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_wait_for_controllers_that_are_gone_nor_for_ever() {
        let (state, wants) = channels();
        let started = Instant::now();
        hand_over(&wants, &state.subscribe(), SESSION, PATIENCE).await;
        assert_eq!(started.elapsed(), PATIENCE);
        state.send_modify(|state| state.is_heard = false);
        let started = Instant::now();
        hand_over(&wants, &state.subscribe(), SESSION, PATIENCE).await;
        assert_eq!(started.elapsed(), SESSION * 2);
    }
}
