//! [`Report`]: figures for people as they come, and for programs at the end.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// One figure.
#[derive(Debug, Serialize)]
struct Figure {
    part: &'static str,
    what: String,
    value: f64,
    unit: &'static str,
}

/// All figures of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: BTreeMap<String, String>,
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn new(machine: BTreeMap<String, String>) -> Self {
        for (name, value) in &machine {
            println!("{name}: {value}");
        }
        Self {
            machine,
            figures: Vec::new(),
        }
    }

    /// Keeps a figure and prints it.
    pub(crate) fn add(&mut self, part: &'static str, what: String, value: f64, unit: &'static str) {
        println!("{part:<20} {what:<72} {value:>10.2} {unit}");
        self.keep(part, what, value, unit);
    }

    /// Keeps a figure that its part prints in a table of its own.
    pub(crate) fn keep(
        &mut self,
        part: &'static str,
        what: String,
        value: f64,
        unit: &'static str,
    ) {
        self.figures.push(Figure {
            part,
            what,
            value,
            unit,
        });
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}
