//! `/v1/partitions/alter`: ISR changes.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use trimaran_api::controller::AlterPartitionsRequest;

use super::forward::{ADMIN_WAIT, on_leader};
use super::{App, Refusal};
use crate::decide::partitions::alter_partitions;
use crate::proposer::Confirm;

/// A leader asks for other ISRs; answered when those that were granted are committed.
pub(super) async fn alter(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Refusal> {
    on_leader(&app, request, ADMIN_WAIT, |call| async move {
        let request: AlterPartitionsRequest = call.message()?;
        let decided = call.propose(Confirm::Quorum, move |view| {
            alter_partitions(view, &request)
        });
        call.answer(&decided.await?)
    })
    .await
}
