//! [`Progress`]: a moving line on standard error, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::summary::Summary;

/// The line; hidden where standard error is no terminal.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn start() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {per_sec}  {elapsed}") {
            bar.set_style(style);
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
