//! `trimaran demo`: a cluster of six processes, real data, a killed leader, and the count afterwards.

mod check;
mod fresh_topic;
mod lanes;
mod report;
mod restore;
mod rows;
mod story;

use std::path::PathBuf;

use clap::Args;

use crate::dev::{self, Cluster, Layout, Programs, Signals, Wanted};
use crate::failure::Failure;
use crate::output::Printer;

/// Where the demonstration's cluster lies when nobody says otherwise.
pub(crate) const FOLDER_DEFAULT: &str = ".trimaran-demo";

/// What to show it on.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// The records: one JSON object a line, with a field `tailnum` that becomes the key.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Stop the cluster and end when the result stands, instead of leaving it to be used.
    #[arg(long)]
    once: bool,
    /// Where the cluster's data, configuration and logs lie. Its topic `flights` is made anew.
    #[arg(long, value_name = "DIR", default_value = FOLDER_DEFAULT)]
    dir: PathBuf,
}

impl DemoArguments {
    /// # Errors
    /// When the cluster cannot be started, or anything acknowledged is lost or differs.
    pub(crate) async fn run(self, mut printer: Printer) -> Result<(), Failure> {
        let rows = rows::read(&self.data)?;
        let programs = Programs::find()?;
        let layout = Layout::open_or_create(&self.dir, Wanted::default())?;
        let mut signals = Signals::catch()?;
        let cluster = Cluster::start(layout, programs).await?;
        let told = tokio::select! {
            told = story::tell(&cluster, &rows, &mut printer) => told,
            () = signals.next() => Err(Failure::failed("interrupted before the result stood")),
        };
        if told.is_ok() && !self.once {
            if let Err(failure) = story::leave_running(&cluster, &self.dir, &mut printer) {
                dev::stop(&cluster, &mut signals).await;
                return Err(failure);
            }
            dev::stay(&cluster, &mut signals).await;
        }
        dev::stop(&cluster, &mut signals).await;
        told
    }
}
