//! [`Options`]: what was asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use super::row::Row;

/// A part of the benchmark. They run in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// From six processes' start to the first acknowledged record.
    Start,
    /// Memory of a cluster that does nothing.
    Idle,
    /// Leaders of partitions killed, as a producer sees it.
    Failover,
    /// Active controllers killed, as a producer and an administrator see it.
    ControllerFailover,
    /// Produce over HTTP: rates, latencies, what the servers pay.
    Produce,
    /// One broker with ten thousand partitions.
    Many,
}

/// Measures a cluster of six real processes on this machine.
///
/// Absolute times differ between machines and moments: compare the ratios to the baseline of the
/// same run.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct Options {
    /// Few and short rounds
    #[arg(long)]
    quick: bool,
    /// Only this part
    #[arg(long, value_name = "PART")]
    only: Option<Part>,
    /// Only this row of produce, as RECORDS/ACKS/CONNECTIONS
    #[arg(long, value_name = "ROW", value_parser = Row::named, long_help = row_help())]
    row: Option<Row>,
    /// A setting of every broker of produce; may be repeated
    #[arg(long = "broker", value_name = "KEY=VALUE", value_parser = setting)]
    pub(crate) broker_settings: Vec<(String, String)>,
    /// Where the figures go for programs
    #[arg(long, value_name = "FILE", default_value_os_t = default_json())]
    pub(crate) json: PathBuf,
}

fn row_help() -> String {
    let known = Row::names();
    format!("Only this row of produce, as RECORDS/ACKS/CONNECTIONS: {known}")
}

fn default_json() -> PathBuf {
    std::env::temp_dir().join("trimaran-bench.json")
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

impl Options {
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }

    /// Whether the row is wanted: all are, unless one was named.
    pub(crate) fn wants_row(&self, row: Row) -> bool {
        self.row.is_none_or(|wanted| wanted == row)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        let line = [&["bench"], arguments].concat();
        Options::try_parse_from(line).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_asked_for_is_run_and_everything_without_a_word() {
        let all = parse(&[]).unwrap();
        let parts = Part::value_variants();
        assert!(parts.iter().all(|part| all.wants(*part)) && !all.quick);
        assert!(Row::all().into_iter().all(|row| all.wants_row(row)));
        let some = parse(&["--only", "controller-failover", "--row", "500/all/64"]).unwrap();
        let wanted: Vec<_> = parts.iter().filter(|part| some.wants(**part)).collect();
        assert_eq!(wanted, [&Part::ControllerFailover]);
        let rows: Vec<_> = Row::all()
            .into_iter()
            .filter(|row| some.wants_row(*row))
            .collect();
        assert_eq!(
            rows.iter().map(Row::to_string).collect::<Vec<_>>(),
            ["500/all/64"]
        );
        let set = parse(&["--broker", "a.b=1", "--broker", "c=x=y"]).unwrap();
        let told = [("a.b", "1"), ("c", "x=y")];
        assert_eq!(
            set.broker_settings,
            told.map(|(key, value)| (key.into(), value.into()))
        );
    }

    #[test]
    fn a_mistake_is_told_with_what_is_known() {
        for (arguments, part) in [
            (&["--row", "2/all/64"][..], "1/leader/1, 1/all/1"),
            (&["--row", "2/all/64"], "no row is called '2/all/64'"),
            (&["--only", "nothing"], "controller-failover"),
            (&["--broker", "a"], "expected KEY=VALUE"),
            (&["--fast"], "unexpected argument '--fast'"),
            (&["--help"], "--row <ROW>"),
            (&["--help"], "500/all/64"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.contains(part), "{arguments:?}: {error}");
        }
    }
}
