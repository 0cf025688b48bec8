//! Work that may take long, on threads beside the runtime's own.

use tokio::sync::OwnedSemaphorePermit;
use trimaran_api::ApiError;
use trimaran_types::KafkaError;

/// Does `work`, which holds `permit` to its end: a caller that goes away does not make room for another.
///
/// # Errors
/// The process stops, or `work` broke.
pub(crate) async fn run_with<T: Send + 'static>(
    permit: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let running = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    running.await.map_err(failed)
}

/// What to say when there is nobody to do the work, or it broke.
pub(crate) fn failed(cause: impl std::fmt::Display) -> ApiError {
    ApiError::kafka(KafkaError::UnknownServerError, cause.to_string())
}
