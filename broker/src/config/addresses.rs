//! [`ListenersConfig`]: where a broker listens and is reached, and where it finds controllers. Whether
//! a host exists is found out when it is used.

use std::net::SocketAddr;

use trimaran_config::{ConfigError, Settings};

/// The two listeners of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenersConfig {
    /// `listeners.client`: REST for clients; default `127.0.0.1:8082`.
    pub client: String,
    /// `listeners.inter_node`: for other brokers; default `127.0.0.1:8083`.
    pub inter_node: String,
    /// `advertised.listeners.client`: where clients reach it; default: where it listens.
    pub advertised_client: Option<String>,
    /// `advertised.listeners.inter_node`: where brokers reach it; default: where it listens.
    pub advertised_inter_node: Option<String>,
    /// `max.connections`: per listener; default 4,096.
    pub connections_max: usize,
    /// `allow_insecure`: listen beyond loopback although nothing is encrypted or authenticated.
    pub allow_insecure: bool,
}

impl ListenersConfig {
    pub(super) fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        let listeners = Self {
            client: settings.or("listeners.client", "127.0.0.1:8082".to_owned())?,
            inter_node: settings.or("listeners.inter_node", "127.0.0.1:8083".to_owned())?,
            advertised_client: settings.optional("advertised.listeners.client")?,
            advertised_inter_node: settings.optional("advertised.listeners.inter_node")?,
            connections_max: settings.bounded("max.connections", 4_096, 1, 1_000_000)?,
            allow_insecure: settings.or("allow_insecure", false)?,
        };
        check_address("listeners.client", &listeners.client)?;
        check_address("listeners.inter_node", &listeners.inter_node)?;
        listeners.check_together()?;
        let advertised = [
            ("advertised.listeners.client", &listeners.advertised_client),
            (
                "advertised.listeners.inter_node",
                &listeners.advertised_inter_node,
            ),
        ];
        for (key, address) in advertised {
            if let Some(address) = address {
                check_address(key, address)?;
            }
        }
        Ok(listeners)
    }
}

impl ListenersConfig {
    /// What is known without asking for a host's address: two listeners cannot share a port, and an
    /// address beyond loopback must be wanted.
    fn check_together(&self) -> Result<(), ConfigError> {
        let refused = |key: &str, value: &str, cause: &str| ConfigError::Value {
            key: key.to_owned(),
            value: value.to_owned(),
            cause: cause.to_owned(),
        };
        let is_any_port = self.client.ends_with(":0");
        if self.client == self.inter_node && !is_any_port {
            let cause = "it is the same as listeners.inter_node: each needs a port of its own";
            return Err(refused("listeners.client", &self.client, cause));
        }
        let listeners = [
            ("listeners.client", &self.client),
            ("listeners.inter_node", &self.inter_node),
        ];
        for (key, address) in listeners {
            let parsed = address.parse::<SocketAddr>();
            let is_open = parsed.is_ok_and(|address| !address.ip().is_loopback());
            if is_open && !self.allow_insecure {
                let cause = "it is not loopback, and nothing is encrypted or authenticated: set \
                             allow_insecure = true to accept that";
                return Err(refused(key, address, cause));
            }
        }
        Ok(())
    }
}

/// The controllers to ask; at least one.
pub(super) fn controllers(settings: &Settings) -> Result<Vec<String>, ConfigError> {
    let key = "controller.quorum.bootstrap.servers";
    let controllers: Vec<String> = settings.list(key)?;
    if controllers.is_empty() {
        return Err(ConfigError::Missing {
            key: key.to_owned(),
            purpose: "it says where controllers answer, as host:port, host:port".to_owned(),
        });
    }
    for address in &controllers {
        check_address(key, address)?;
    }
    Ok(controllers)
}

/// `host:port` and nothing else; whether the host exists is found out when it is used.
fn check_address(key: &str, address: &str) -> Result<(), ConfigError> {
    let is_address = address.rsplit_once(':').is_some_and(|(host, port)| {
        let plain = |c: char| !c.is_whitespace() && !matches!(c, '/' | '?' | '#' | '@');
        !host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok()
    });
    if is_address {
        return Ok(());
    }
    Err(ConfigError::Value {
        key: key.to_owned(),
        value: address.to_owned(),
        cause: "expected host:port".to_owned(),
    })
}
