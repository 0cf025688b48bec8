//! `trimaran broker`: who is in service, and why not.

use clap::Subcommand;
use trimaran_api::controller::{BrokerState, BrokersResponse};
use trimaran_api::paths;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Printer, age, table};

/// What to do with brokers.
#[derive(Debug, Subcommand)]
pub(crate) enum BrokerCommand {
    /// List every registered broker with its state and the reason of it.
    #[command(visible_alias = "ls")]
    List,
}

impl BrokerCommand {
    /// # Errors
    /// When no broker or no controller answers.
    pub(crate) async fn run(
        self,
        connection: &Connection,
        mut printer: Printer,
    ) -> Result<(), Failure> {
        match self {
            Self::List => printer.result(&all(connection).await?, text),
        }
    }
}

/// Every registered broker.
///
/// # Errors
/// When no broker or no controller answers.
pub(crate) async fn all(connection: &Connection) -> Result<BrokersResponse, Failure> {
    connection.get(paths::BROKERS, &[]).await
}

/// The brokers as a table.
pub(crate) fn text(response: &BrokersResponse) -> String {
    let rows = response
        .brokers
        .iter()
        .map(|broker| {
            vec![
                format!("broker-{}", broker.broker_id),
                state(broker.state).to_owned(),
                broker.leaders.to_string(),
                format!("{}/{}", broker.in_sync, broker.replicas),
                age(broker.last_contact_ms),
                broker.broker_epoch.to_string(),
                broker.rack.clone().unwrap_or_else(|| "-".to_owned()),
                broker.client_address.clone(),
                broker.reason.clone(),
            ]
        })
        .collect();
    let header = [
        "NODE",
        "STATE",
        "LEADS",
        "IN-SYNC",
        "HEARTBEAT",
        "EPOCH",
        "RACK",
        "CLIENTS",
        "REASON",
    ];
    table(&header, rows)
}

const fn state(state: BrokerState) -> &'static str {
    match state {
        BrokerState::Fenced => "fenced",
        BrokerState::Active => "active",
        BrokerState::ControlledShutdown => "shutting down",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fenced_broker_says_why() {
        let response: BrokersResponse = serde_json::from_value(serde_json::json!({ "brokers": [{
            "broker_id": 2, "broker_epoch": 17, "state": "fenced",
            "reason": "connection-refused", "client_address": "127.0.0.1:8083",
            "inter_node_address": "127.0.0.1:8086", "rack": null, "leaders": 0, "replicas": 6,
            "in_sync": 0, "last_contact_ms": 1200, "metadata_end": 40,
        }]}))
        .unwrap();
        let text = text(&response);
        assert!(
            text.contains("broker-2  fenced  0      0/6      1.2s ago   17"),
            "{text}"
        );
        assert!(text.ends_with("connection-refused"), "{text}");
    }
}
