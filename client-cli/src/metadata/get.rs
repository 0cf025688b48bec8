//! `trimaran metadata get`: a part of the image. A tree has no table: both formats are JSON.

use trimaran_api::paths;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Printer;

/// Writes the part of the image at `path`.
///
/// # Errors
/// When there is nothing at `path`, or no controller answers.
pub(super) async fn run(
    connection: &Connection,
    path: &str,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let whole = format!("{}/{path}", paths::METADATA_TREE);
    let tree: serde_json::Value = connection.get(&whole, &[]).await.map_err(|failure| {
        if path.trim_matches('/').is_empty() {
            failure
        } else {
            failure.try_next("trimaran metadata get   (the whole tree, to find the way)")
        }
    })?;
    printer.json(&tree)?;
    printer.flush()
}
