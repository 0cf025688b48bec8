//! Asks a node whether it is ready, and why not.

use std::time::Duration;

use tokio::sync::mpsc;
use trimaran_api::paths;

use super::event::{Event, Run};

/// Pause between two questions while the node starts: a start is measured in milliseconds.
const STARTING_PAUSE: Duration = Duration::from_millis(10);

/// Pause between two questions once it was ready.
const READY_PAUSE: Duration = Duration::from_millis(500);

/// How long one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Characters of an answer that are repeated.
const REASON_CHARACTERS_MAX: usize = 160;

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    /// Not yet, or no longer, for this reason.
    NotReady(String),
}

/// Asks the node at `address` until nobody listens; tells each change.
pub(super) async fn watch(
    http: reqwest::Client,
    address: String,
    run: Run,
    events: mpsc::Sender<Event>,
) {
    let mut last = None;
    loop {
        let now = ask(&http, &address).await;
        let pause = if now == Readiness::Ready {
            READY_PAUSE
        } else {
            STARTING_PAUSE
        };
        if last.as_ref() != Some(&now) {
            if events
                .send(Event::Readiness(run, now.clone()))
                .await
                .is_err()
            {
                return;
            }
            last = Some(now);
        }
        tokio::time::sleep(pause).await;
    }
}

async fn ask(http: &reqwest::Client, address: &str) -> Readiness {
    let url = format!("http://{address}{}", paths::READYZ);
    let answer = match http.get(url).timeout(ANSWER_TIMEOUT).send().await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => {
            return Readiness::NotReady("does not listen yet".to_owned());
        }
        Err(_) => return Readiness::NotReady("does not answer".to_owned()),
    };
    if answer.status().is_success() {
        return Readiness::Ready;
    }
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    Readiness::NotReady(reasons(&text).unwrap_or_else(|| format!("answers {status}")))
}

/// The reasons in the answer: its `reasons`, else its `message`, else its text.
fn reasons(text: &str) -> Option<String> {
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let listed = json
        .as_ref()
        .and_then(|json| json.get("reasons"))
        .and_then(|reasons| {
            let reasons: Vec<&str> = reasons
                .as_array()?
                .iter()
                .filter_map(|r| r.as_str())
                .collect();
            (!reasons.is_empty()).then(|| reasons.join("; "))
        });
    let message = || {
        json.as_ref()?
            .get("message")?
            .as_str()
            .map(ToOwned::to_owned)
    };
    let plain = || (json.is_none() && !text.trim().is_empty()).then(|| text.trim().to_owned());
    let reason = listed.or_else(message).or_else(plain)?;
    let printable = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
    Some(printable.take(REASON_CHARACTERS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_found_in_any_answer() {
        for (text, expected) in [
            (
                r#"{"ready":false,"reasons":["fenced","14 entries behind"]}"#,
                Some("fenced; 14 entries behind"),
            ),
            (
                r#"{"error_code":503,"message":"no quorum"}"#,
                Some("no quorum"),
            ),
            (
                "waiting for\ncontrollers\n",
                Some("waiting for controllers"),
            ),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(reasons(text).as_deref(), expected, "{text}");
        }
        assert_eq!(
            reasons(&"x".repeat(999)).unwrap().len(),
            REASON_CHARACTERS_MAX
        );
    }
}
