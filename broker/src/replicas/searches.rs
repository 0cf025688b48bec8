//! [`Searches`]: searches of logs, on threads that may wait for a disk.
//!
//! One may have to read a segment from end to end, in which the thread that serves could answer
//! thousands of requests. Few run at a time, which bounds the memory of what they read.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use trimaran_api::ApiError;

use crate::beside;

/// Searches that run at one time in a broker.
pub(super) const RUNNING_MAX: usize = 4;
/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(3);

/// A bound on searches.
#[derive(Debug)]
pub(super) struct Searches {
    pub(super) running: Arc<Semaphore>,
}

impl Default for Searches {
    fn default() -> Self {
        Self {
            running: Arc::new(Semaphore::new(RUNNING_MAX)),
        }
    }
}

impl Searches {
    /// Does `work` when others have done theirs.
    ///
    /// # Errors
    /// 429, retriable: they did not in time. Or the process stops, or `work` broke.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = Arc::clone(&self.running).acquire_owned();
        let permit = match tokio::time::timeout(PATIENCE, turn).await {
            Ok(permit) => permit.map_err(beside::failed)?,
            Err(_) => {
                let message = format!(
                    "{RUNNING_MAX} searches by time run on this broker, which is the bound"
                );
                return Err(ApiError::new(429, message).retriable());
            }
        };
        beside::run_with(permit, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;

    #[tokio::test]
    async fn no_more_run_than_the_bound_even_when_callers_go_away() {
        let searches = Searches::default();
        let here = std::thread::current().id();
        let there = searches.run(|| std::thread::current().id()).await;
        assert_ne!(there, Ok(here));
        let broken: Result<(), ApiError> = searches.run(|| panic!("on purpose")).await;
        assert!(broken.is_err());
        let (release, waits) = std::sync::mpsc::channel::<()>();
        let waits = Arc::new(std::sync::Mutex::new(waits));
        for _ in 0..RUNNING_MAX {
            let waits = Arc::clone(&waits);
            let mut search = Box::pin(searches.run(move || waits.lock().unwrap().recv().unwrap()));
            assert!(poll!(&mut search).is_pending());
        }
        let mut next = Box::pin(searches.run(|| 2));
        assert!(poll!(&mut next).is_pending());
        assert_eq!(searches.running.available_permits(), 0);
        for _ in 0..RUNNING_MAX {
            release.send(()).unwrap();
        }
        assert_eq!(next.await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_no_turn_is_told_to_come_again() {
        let searches = Searches::default();
        let all = u32::try_from(RUNNING_MAX).unwrap();
        let taken = searches.running.acquire_many(all).await.unwrap();
        let refusal = searches.run(|| 1).await.unwrap_err();
        assert_eq!(
            (refusal.status.as_u16(), refusal.body.retriable),
            (429, true)
        );
        drop(taken);
        assert_eq!(searches.run(|| 1).await, Ok(1));
    }
}
