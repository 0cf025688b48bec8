//! How every HTTP client of the cluster is made.

use std::time::Duration;

/// A client for calls between nodes: no proxy, no redirects, short idle connections.
///
/// A peer that was killed and restarted leaves dead connections in the pool; a short idle time and
/// the caller's retry keep them from hiding the new process.
///
/// # Errors
/// When the system gives no resources for it.
pub fn http_client(connect_timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_secs(20))
        .pool_max_idle_per_host(64)
        .build()
}
