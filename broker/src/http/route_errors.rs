//! Answers to paths that do not exist and methods that a path does not know.

use axum::extract::Request;
use trimaran_api::ApiError;

use super::Refusal;

/// 404.
pub(super) async fn unknown_path(request: Request) -> Refusal {
    let path: String = request.uri().path().chars().take(256).collect();
    ApiError::new(404, format!("there is nothing at {path}")).into()
}

/// 404, on the listener that is not for clients.
pub(super) async fn path_for_clients(request: Request) -> Refusal {
    let path: String = request.uri().path().chars().take(256).collect();
    let message = format!(
        "there is nothing at {path}: this port is for other brokers, clients use that of \
         listeners.client"
    );
    ApiError::new(404, message).into()
}

/// 405.
pub(super) async fn unknown_method(request: Request) -> Refusal {
    let path: String = request.uri().path().chars().take(256).collect();
    ApiError::new(
        405,
        format!("{} is not possible on {path}", request.method()),
    )
    .into()
}
