//! Whether a node says that it is ready.

use anyhow::{Context as _, Result, bail};
use trimaran_api::paths;

/// Asks the node at `address`; its reasons come back as an error.
///
/// # Errors
/// It does not answer, or is not ready.
pub async fn is_ready(http: &reqwest::Client, address: &str) -> Result<()> {
    let url = format!("http://{address}{}", paths::READYZ);
    let request = http.get(url).timeout(std::time::Duration::from_secs(2));
    let answer = request.send().await.context("cannot reach it")?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let reasons = answer.text().await.unwrap_or_default();
    bail!("{status}: {reasons}")
}
