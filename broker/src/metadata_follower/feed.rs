//! The call for a page of the log.

use std::time::Duration;

use http::header::ACCEPT;
use trimaran_api::client::CallError;
use trimaran_api::controller::{MetadataLogPage, MetadataLogQuery};
use trimaran_api::{headers, paths};
use trimaran_types::ClusterId;

use crate::controller_link::ControllerLink;

/// How long a controller may keep a poll open while nothing happens. Short, so that one that hangs
/// is noticed within [`PAGE_TIMEOUT`].
const WAIT: Duration = Duration::from_millis(1_000);
const PAGE_TIMEOUT: Duration = Duration::from_millis(2_000);
const PAGE_BYTES: usize = 1024 * 1024;

/// A page, and who gave it.
pub(super) struct Page {
    pub(super) address: String,
    pub(super) page: MetadataLogPage,
}

/// Whether a page is waited for when there is nothing new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Poll {
    /// Answer at once: somebody waits to know whether there is anything.
    Now,
    /// Wait a moment.
    Long,
}

/// Asks for the log from `from` on.
pub(super) async fn page(
    link: &ControllerLink,
    cluster_id: Option<ClusterId>,
    from: u64,
    poll: Poll,
) -> Result<Page, CallError> {
    let wait = match poll {
        Poll::Now => Duration::ZERO,
        Poll::Long => WAIT,
    };
    let query = MetadataLogQuery {
        from: Some(from),
        max_bytes: Some(PAGE_BYTES),
        wait_ms: Some(wait.as_millis() as u64),
    };
    let (address, response) = link
        .open(|http, base| {
            let request = http
                .get(format!("{base}{}", paths::METADATA_LOG))
                .query(&query)
                .header(ACCEPT, headers::MSGPACK)
                .timeout(PAGE_TIMEOUT);
            of_cluster(request, cluster_id)
        })
        .await?;
    let page = link.read(response, &address).await?;
    Ok(Page { address, page })
}

/// A request that only a controller of this cluster answers.
pub(super) fn of_cluster(
    request: reqwest::RequestBuilder,
    cluster_id: Option<ClusterId>,
) -> reqwest::RequestBuilder {
    match cluster_id {
        Some(id) => request.header(headers::CLUSTER_ID, id.to_string()),
        None => request,
    }
}
