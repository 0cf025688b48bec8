//! Whether a node says that it is ready, and what a broker says of its replicas.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use trimaran_api::paths;

use super::{Cluster, NodeName};

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

impl Cluster {
    /// The replicas that a broker hosts and cannot serve, as it says itself.
    ///
    /// # Errors
    /// It does not answer, or with something else.
    pub async fn out_of_service(&self, broker: NodeName) -> Result<Vec<String>> {
        let url = format!("http://{}{}", self.node(broker)?.address(), paths::READYZ);
        let text = self.http().get(url).send().await?.text().await?;
        let page: Value = serde_json::from_str(&text)?;
        let names = page.get("replicas_out_of_service").context("not told")?;
        Ok(serde_json::from_value(names.clone())?)
    }
}
