//! [`scenario`]: runs one test on one cluster, and tells all when it fails.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{Cluster, ClusterSpec};

/// Asks for the long form of every test.
const LONG_RUN: &str = "TRIMARAN_LONG";

/// One cluster at a time: six processes keep a small machine busy enough, and a second cluster would
/// only make both slow.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A scenario that takes longer hangs.
const SCENARIO_PATIENCE: Duration = Duration::from_secs(240);

/// Whether the long forms were asked for.
#[must_use]
pub fn is_long_run() -> bool {
    std::env::var_os(LONG_RUN).is_some_and(|value| value != "0" && !value.is_empty())
}

/// Runs a future to its end on a runtime of its own.
///
/// # Errors
/// The runtime cannot be made, or the future fails.
pub fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot make a runtime")?;
    runtime.block_on(future)
}

/// Starts the cluster of `spec`, runs `body`, and checks that no process died or panicked.
///
/// # Panics
/// The body fails. The message has the reason and the ends of all logs; the folder stays.
pub fn scenario<F>(spec: &ClusterSpec, body: F)
where
    F: AsyncFnOnce(&mut Cluster) -> Result<()>,
{
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let started = Instant::now();
    let outcome = block_on(async {
        let mut cluster = Cluster::start(spec).await?;
        let patience = if is_long_run() {
            SCENARIO_PATIENCE * 4
        } else {
            SCENARIO_PATIENCE
        };
        let ran = match tokio::time::timeout(patience, body(&mut cluster)).await {
            Ok(ran) => ran,
            Err(_) => Err(anyhow::anyhow!(
                "the scenario took longer than {patience:?}"
            )),
        };
        let Err(error) = ran.and_then(|()| cluster.check_health()) else {
            return Ok(());
        };
        cluster.keep_folder();
        Err(error.context(cluster.report()))
    });
    let seconds = started.elapsed().as_secs_f32();
    if let Err(error) = outcome {
        // The report first, the reason last: the end is what people look at.
        let mut causes: Vec<String> = error.chain().map(ToString::to_string).collect();
        let report = if causes.len() > 1 {
            causes.remove(0)
        } else {
            String::new()
        };
        panic!(
            "{report}\nfailed after {seconds:.1} s: {}",
            causes.join(": ")
        );
    }
    eprintln!("passed in {seconds:.1} s");
}
