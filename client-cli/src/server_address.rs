//! [`ServerAddress`]: a broker as people write it.

use std::str::FromStr;

/// The port of a broker's client listener by convention.
const PORT_DEFAULT: u16 = 8082;

/// `host:port` of a broker, read from `http://host:port/`, `host:port` or `host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress(String);

/// A text that names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidServerAddress {
    /// Another scheme than HTTP.
    #[error("'{0}': only http:// is spoken; there is no TLS yet")]
    Scheme(String),
    /// No host, a path, or a port that is none.
    #[error("'{0}' is not http://host:port")]
    Form(String),
}

impl ServerAddress {
    /// `host:port`.
    pub(crate) fn authority(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServerAddress {
    type Err = InvalidServerAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidServerAddress::Form(text.to_owned());
        let rest = match text.trim().split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(InvalidServerAddress::Scheme(text.to_owned())),
            None => text.trim(),
        };
        let rest = rest.trim_end_matches('/');
        let is_bracketed = rest.starts_with('[');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !is_bracketed || host.ends_with(']') => {
                (host, port.parse().map_err(|_| invalid())?)
            }
            _ => (rest, PORT_DEFAULT),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_legal = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(legal),
        };
        if is_legal {
            Ok(Self(format!("{host}:{port}")))
        } else {
            Err(invalid())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_server() {
        for (text, expected) in [
            ("http://127.0.0.1:8082", "127.0.0.1:8082"),
            ("http://localhost:1/", "localhost:1"),
            ("broker-1:18082", "broker-1:18082"),
            ("localhost", "localhost:8082"),
            ("[::1]:9", "[::1]:9"),
            ("http://[::1]", "[::1]:8082"),
        ] {
            assert_eq!(text.parse::<ServerAddress>().unwrap().authority(), expected);
        }
        for text in [
            "",
            "http://",
            ":80",
            "a:b",
            "a:70000",
            "a/b",
            "http://a:1/x",
            "u@h:1",
            "::1",
        ] {
            assert!(text.parse::<ServerAddress>().is_err(), "{text}");
        }
        let error = "https://a:1"
            .parse::<ServerAddress>()
            .unwrap_err()
            .to_string();
        assert!(error.contains("TLS"), "{error}");
    }
}
