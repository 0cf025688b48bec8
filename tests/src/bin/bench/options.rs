//! [`Options`]: what was asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// The parts, in the order in which they run.
const PARTS: &[&str] = &[
    "start",
    "idle",
    "failover",
    "controller-failover",
    "produce",
    "many",
];

/// What to measure, and how long.
#[derive(Debug)]
pub(crate) struct Options {
    quick: bool,
    only: Option<String>,
    row: Option<String>,
    /// `--broker KEY=VALUE`: settings of every broker.
    pub(crate) broker_settings: Vec<(String, String)>,
    pub(crate) json: PathBuf,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let json = std::env::temp_dir().join("trimaran-bench.json");
        let mut options = Self {
            quick: false,
            only: None,
            row: None,
            broker_settings: Vec::new(),
            json,
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--json" => options.json = arguments.next().context("--json needs a file")?.into(),
                "--only" => {
                    let part = arguments.next().context("--only needs a part")?;
                    if !PARTS.contains(&part.as_str()) {
                        bail!("no part is called '{part}'; there are {}", PARTS.join(", "));
                    }
                    options.only = Some(part);
                }
                "--row" => {
                    options.row = Some(arguments.next().context("--row needs its name")?);
                }
                "--broker" => {
                    let setting = arguments.next().context("--broker needs KEY=VALUE")?;
                    let (key, value) = setting
                        .split_once('=')
                        .context("--broker needs KEY=VALUE")?;
                    let setting = (key.to_owned(), value.to_owned());
                    options.broker_settings.push(setting);
                }
                other => {
                    bail!(
                        "unknown argument '{other}'; known are --quick, --only, --row, --broker, --json"
                    )
                }
            }
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }

    /// Whether the row of this name is wanted: all are, unless one was named.
    pub(crate) fn wants_row(&self, name: &str) -> bool {
        self.row.as_deref().is_none_or(|row| row == name)
    }

    /// Cold starts.
    pub(crate) const fn starts(&self) -> usize {
        if self.quick { 2 } else { 7 }
    }

    /// Processes killed in each of the two failover parts.
    pub(crate) const fn kills(&self) -> usize {
        if self.quick { 3 } else { 20 }
    }

    /// Topics of a thousand partitions on one broker.
    pub(crate) const fn many_topics(&self) -> u32 {
        if self.quick { 1 } else { 10 }
    }

    /// How long one row of the produce table is measured.
    pub(crate) const fn row_length(&self) -> Duration {
        Duration::from_millis(if self.quick { 1_000 } else { 5_000 })
    }

    /// How long before that it runs unmeasured.
    pub(crate) const fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 1_500 })
    }

    /// Times that each row is measured; the median counts.
    pub(crate) const fn rounds(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }
}
