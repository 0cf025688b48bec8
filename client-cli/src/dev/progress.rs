//! [`Progress`]: how far each node is, on standard error: moving lines on a terminal, else one line
//! for each step.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::node_name::NodeName;
use super::node_view::{NodeState, NodeView};

/// Shows how far the nodes are; cleans up after itself.
#[derive(Debug)]
pub(super) struct Progress {
    bars: MultiProgress,
    by_node: BTreeMap<NodeName, ProgressBar>,
    said: BTreeMap<NodeName, String>,
}

impl Progress {
    pub(super) fn start() -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self {
            bars,
            by_node: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    /// Shows what is new; what was ready when we came is not.
    pub(super) fn show(&mut self, views: &[NodeView]) {
        let is_first = self.said.is_empty();
        for view in views {
            let text = text(view);
            let was_ready = is_first && view.state == NodeState::Ready;
            if was_ready || self.said.get(&view.node) == Some(&text) {
                self.said.insert(view.node, text);
                continue;
            }
            if self.bars.is_hidden() {
                // Who does not listen to progress misses nothing else.
                let _ = writeln!(std::io::stderr(), "{:<14}{text}", view.node.to_string());
            } else {
                self.bar(view).set_message(text.clone());
                if view.state == NodeState::Ready {
                    self.bar(view).finish();
                }
            }
            self.said.insert(view.node, text);
        }
    }

    fn bar(&mut self, view: &NodeView) -> &ProgressBar {
        let bars = &self.bars;
        self.by_node.entry(view.node).or_insert_with(|| {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:<14}{msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(view.node.to_string());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // What comes next stands in the same place; a terminal that is gone needs no cleaning.
        let _ = self.bars.clear();
    }
}

fn text(view: &NodeView) -> String {
    match (&view.detail, view.state) {
        (Some(detail), state) => format!("{}: {detail}", state.text()),
        (None, state) => state.text().to_owned(),
    }
}
