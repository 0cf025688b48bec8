//! [`Connection`]: the cluster as a command sees it, some brokers of which any one will do.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use trimaran_api::client::{CallError, Controllers, http_client};
use trimaran_api::rest::ClusterList;
use trimaran_types::ClusterId;

use crate::failure::Failure;

/// How long to wait for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one call may take, beyond what it asks the cluster to wait.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a read goes on trying while the cluster says "later".
const READ_PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer to a change may take: a topic is answered when its leaders serve.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(45);
/// Pause between rounds over all servers.
const ROUND_PAUSE: Duration = Duration::from_millis(100);

/// Calls brokers by their client listener. Remembers which one answered last.
#[derive(Debug)]
pub(crate) struct Connection {
    servers: Controllers,
}

impl Connection {
    /// Over these `host:port` addresses, at least one.
    ///
    /// # Errors
    /// When the system gives no resources for a client.
    pub(crate) fn open(addresses: Vec<String>) -> Result<Self, Failure> {
        let http = http_client(CONNECT_TIMEOUT)
            .map_err(|error| Failure::failed(format!("cannot make an HTTP client: {error}")))?;
        Ok(Self {
            servers: Controllers::new(http, addresses),
        })
    }

    /// The same cluster with the server at `place` (modulo their number) as the first choice.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub(crate) fn starting_at(&self, place: usize) -> Result<Self, Failure> {
        let mut addresses = self.servers.addresses().to_vec();
        let first = place % addresses.len().max(1);
        addresses.rotate_left(first);
        Self::open(addresses)
    }

    /// Every server, `host:port`.
    pub(crate) fn addresses(&self) -> &[String] {
        self.servers.addresses()
    }

    /// One call at the preferred server, no second try; the next one goes elsewhere if it fails.
    ///
    /// # Errors
    /// As the call says.
    pub(crate) async fn try_once<T: DeserializeOwned>(
        &self,
        request: impl Fn(&Client, &str) -> RequestBuilder,
    ) -> Result<T, CallError> {
        self.servers.try_once(request).await
    }

    /// Reads `path` (its segments, unescaped) with `query`.
    ///
    /// # Errors
    /// When no server answers, or the cluster refuses for good or for longer than we wait.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        self.get_waiting(path, query, Duration::ZERO).await
    }

    /// Reads as [`Connection::get`] does, where the cluster may take up to `wait` to answer.
    ///
    /// # Errors
    /// As [`Connection::get`].
    pub(crate) async fn get_waiting<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        wait: Duration,
    ) -> Result<T, Failure> {
        self.read(path, query, wait, None).await.map_err(Into::into)
    }

    /// Reads with an `Accept` of its own, and leaves the error as it came.
    ///
    /// # Errors
    /// As the last call tried says.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        wait: Duration,
        accept: Option<&str>,
    ) -> Result<T, CallError> {
        let deadline = Instant::now() + READ_PATIENCE;
        let mut tries = 0_usize;
        let mut unreachable = 0_usize;
        loop {
            let answer = self
                .try_once(|http, base| {
                    let mut request = http
                        .get(url(base, path))
                        .query(query)
                        .timeout(CALL_TIMEOUT.saturating_add(wait));
                    if let Some(accept) = accept {
                        request = request.header(reqwest::header::ACCEPT, accept);
                    }
                    request
                })
                .await;
            let Err(error) = answer else { return answer };
            tries += 1;
            unreachable += usize::from(matches!(error, CallError::Unreachable { .. }));
            let is_round_over = tries.is_multiple_of(self.servers.addresses().len().max(1));
            let is_nobody_there = is_round_over && unreachable == tries;
            let is_final = !error.is_retriable() || is_missing(&error);
            if is_final || is_nobody_there || Instant::now() >= deadline {
                return Err(error);
            }
            if is_round_over {
                tokio::time::sleep(ROUND_PAUSE).await;
            }
        }
    }

    /// Sends a change. Another server is tried only where the first has surely done nothing.
    ///
    /// # Errors
    /// As the last call says.
    pub(crate) async fn change<B, T>(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, Failure>
    where
        B: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        let mut tries = 0_usize;
        loop {
            let answer = self
                .try_once(|http, base| {
                    let request = http
                        .request(method.clone(), url(base, path))
                        .timeout(CHANGE_TIMEOUT);
                    match body {
                        Some(body) => request.json(body),
                        None => request,
                    }
                })
                .await;
            tries += 1;
            match answer {
                Err(CallError::Unreachable { .. }) if tries < self.servers.addresses().len() => {}
                answer => return answer.map_err(Into::into),
            }
        }
    }

    /// The cluster's id.
    ///
    /// # Errors
    /// As [`Connection::get`], and when no cluster is named in the answer.
    pub(crate) async fn cluster_id(&self) -> Result<ClusterId, Failure> {
        let clusters: ClusterList = self.get("v3/clusters", &[]).await?;
        clusters
            .data
            .first()
            .map(|cluster| cluster.cluster_id)
            .ok_or_else(|| Failure::failed("the broker belongs to no cluster yet"))
    }
}

/// What does not exist is an answer, though Kafka calls it retriable.
fn is_missing(error: &CallError) -> bool {
    matches!(error, CallError::Refused(refusal) if refusal.status == reqwest::StatusCode::NOT_FOUND)
}

/// `base` with the segments of `path` escaped, so that nothing typed can leave its place.
fn url(base: &str, path: &str) -> String {
    let Ok(mut url) = Url::parse(base) else {
        return format!("{base}/{path}");
    };
    if let Ok(mut segments) = url.path_segments_mut() {
        segments
            .clear()
            .extend(path.split('/').filter(|segment| !segment.is_empty()));
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_stays_in_its_segment() {
        let base = "http://127.0.0.1:8082";
        assert_eq!(url(base, "/v1/quorum"), "http://127.0.0.1:8082/v1/quorum");
        assert_eq!(
            url(base, "a b/c?d#e"),
            "http://127.0.0.1:8082/a%20b/c%3Fd%23e"
        );
        assert_eq!(url(base, "v1//x/"), "http://127.0.0.1:8082/v1/x");
    }

    #[tokio::test]
    async fn nobody_there_fails_at_once() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let connection = Connection::open(vec![address.clone(), address]).unwrap();
        let failure = connection.get::<()>("v1/quorum", &[]).await.unwrap_err();
        assert!(
            failure.message().starts_with("cannot reach 127.0.0.1:"),
            "{failure:?}"
        );
    }
}
