//! Opening a stream: one HTTP call that becomes the connection.

use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use reqwest::{Client, StatusCode, Upgraded};
use trimaran_api::client::{CallError, call_bytes};
use trimaran_api::headers;
use trimaran_types::{BrokerId, ClusterId};

/// How long the other broker may take to agree.
const OPENING_TIMEOUT: Duration = Duration::from_secs(3);

/// Which stream, and where to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) cluster_id: ClusterId,
    pub(crate) broker_id: BrokerId,
    /// `host:port`.
    pub(crate) address: &'a str,
    pub(crate) path: &'static str,
    pub(crate) protocol: &'static str,
}

/// Opens a stream.
///
/// # Errors
/// The broker cannot be reached, refuses, or does not answer in time. Nothing was said on the
/// stream in any case.
pub(crate) async fn open(http: &Client, opening: Opening<'_>) -> Result<Upgraded, CallError> {
    let Opening {
        cluster_id,
        broker_id,
        address,
        path,
        protocol,
    } = opening;
    let request = http
        .get(format!("http://{address}{path}"))
        .header(headers::CLUSTER_ID, cluster_id.to_string())
        .header(headers::TARGET_NODE, format!("broker-{broker_id}"))
        .header(headers::FORWARDED, "1")
        .header(CONNECTION, "upgrade")
        .header(UPGRADE, protocol);
    let opened = async {
        let response = call_bytes(request, address).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(CallError::Unreadable {
                address: address.to_owned(),
                cause: format!("{} instead of {protocol}", response.status()),
            });
        }
        response.upgrade().await.map_err(|error| CallError::Broken {
            address: address.to_owned(),
            cause: error.to_string(),
        })
    };
    match tokio::time::timeout(OPENING_TIMEOUT, opened).await {
        Ok(opened) => opened,
        Err(_) => Err(CallError::TimedOut {
            address: address.to_owned(),
        }),
    }
}
