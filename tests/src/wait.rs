//! [`until`]: the only way a test waits, for a state and with a deadline.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

/// How long to pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `look` finds something; gives up after `patience`.
///
/// `look` answers `Ok(Some(found))`, `Ok(None)` for not yet, or an error, which also means not yet:
/// a cluster that is being hurt refuses many calls. The last error is told when time is up.
///
/// # Errors
/// Nothing was found in time.
pub async fn until<T, F>(what: &str, patience: Duration, mut look: F) -> Result<T>
where
    F: AsyncFnMut() -> Result<Option<T>>,
{
    let began = Instant::now();
    let deadline = began + patience;
    let mut last = anyhow!("not once answered");
    loop {
        match timeout_at(deadline, look()).await {
            Ok(Ok(Some(found))) => {
                tell_if_long(what, began.elapsed());
                return Ok(found);
            }
            Ok(Ok(None)) => last = anyhow!("not yet"),
            Ok(Err(error)) => last = error,
            Err(_) => last = last.context("the last look did not return"),
        }
        if Instant::now() >= deadline {
            return Err(last.context(format!("waited {patience:?} in vain for {what}")));
        }
        sleep(LOOK_PAUSE).await;
    }
}

/// Shows on failure, and with `--nocapture`, where a test spends its time.
fn tell_if_long(what: &str, waited: Duration) {
    if waited >= Duration::from_secs(2) {
        eprintln!("waited {:.1} s for {what}", waited.as_secs_f32());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_error_is_told() {
        let error = until("rain", Duration::from_millis(30), async || {
            Err::<Option<()>, _>(anyhow!("dry"))
        })
        .await
        .unwrap_err();
        let told = format!("{error:#}");
        assert!(told.contains("rain") && told.contains("dry"), "{told}");
    }

    #[tokio::test]
    async fn what_comes_later_is_found() {
        let mut looks = 0;
        let found = until("the third look", Duration::from_secs(5), async || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        })
        .await
        .unwrap();
        assert_eq!(found, 3);
    }
}
