//! [`Controllers`]: the quorum as its callers see it, a list of addresses of which some answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde::de::DeserializeOwned;

use super::{CallError, call};

/// Calls any controller that answers; a follower forwards what only the active one can do.
///
/// Remembers which one answered last, so a healthy quorum costs one connection.
#[derive(Debug)]
pub struct Controllers {
    http: Client,
    addresses: Vec<String>,
    preferred: AtomicUsize,
}

/// Pause after every address was tried without success.
const ROUND_PAUSE: Duration = Duration::from_millis(50);

impl Controllers {
    /// Over these `host:port` addresses; at least one.
    #[must_use]
    pub fn new(http: Client, addresses: Vec<String>) -> Self {
        Self {
            http,
            addresses,
            preferred: AtomicUsize::new(0),
        }
    }

    /// All addresses.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The address to try first now.
    #[must_use]
    pub fn preferred(&self) -> &str {
        let place = self.preferred.load(Ordering::Relaxed);
        self.addresses
            .get(place % self.addresses.len().max(1))
            .map_or("", String::as_str)
    }

    /// Prefers another address from now on, if `failed` is still the preferred one.
    pub fn avoid(&self, failed: &str) {
        if self.preferred() == failed {
            self.preferred.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The pooled client, for calls that do not fit [`Controllers::call`].
    #[must_use]
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// One try at the preferred address; on failure the next try goes elsewhere.
    ///
    /// `request` gets the client and the base URL (`http://host:port`).
    ///
    /// # Errors
    /// As the call says.
    pub async fn try_once<T: DeserializeOwned>(
        &self,
        request: impl Fn(&Client, &str) -> RequestBuilder,
    ) -> Result<T, CallError> {
        let address = self.preferred().to_owned();
        let answer = call(request(&self.http, &format!("http://{address}")), &address).await;
        if let Err(error) = &answer
            && error.is_retriable()
        {
            self.avoid(&address);
        }
        answer
    }

    /// Tries every controller in turn until one answers, the refusal is final, or `patience` ends.
    ///
    /// Only for requests that may be carried out twice.
    ///
    /// # Errors
    /// The last error met.
    pub async fn call<T: DeserializeOwned>(
        &self,
        patience: Duration,
        request: impl Fn(&Client, &str) -> RequestBuilder,
    ) -> Result<T, CallError> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut tries = 0_usize;
        loop {
            match self.try_once(&request).await {
                Err(error) if error.is_retriable() && tokio::time::Instant::now() < deadline => {
                    tries += 1;
                    if tries.is_multiple_of(self.addresses.len().max(1)) {
                        tokio::time::sleep(ROUND_PAUSE).await;
                    }
                }
                answer => return answer,
            }
        }
    }
}
