//! [`Progress`]: a moving line on standard error, on a terminal only.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::summary::Summary;

/// The line; hidden where standard error is no terminal.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

/// Whole records a second; nobody reads decimals of a moving figure.
fn rate(state: &ProgressState, line: &mut dyn Write) {
    // A line that cannot be written is not shown.
    let _ = write!(line, "{:.0}/s", state.per_sec());
}

impl Progress {
    pub(super) fn start() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {rate}  {elapsed}") {
            bar.set_style(style.with_key("rate", rate));
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self(bar)
    }

    pub(super) fn show(&self, summary: &Summary) {
        self.0.set_position(summary.acknowledged());
        self.0.set_message(format!(
            "{} sent, {} acknowledged",
            summary.sent(),
            summary.acknowledged()
        ));
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
