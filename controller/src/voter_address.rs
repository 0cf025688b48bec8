//! [`VoterAddress`]: one entry of `controller.quorum.voters`.

use std::str::FromStr;

use trimaran_types::ControllerId;

/// A voter and where it listens, written `id@host:port` as in Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoterAddress {
    /// The voter's `node.id`.
    pub controller_id: ControllerId,
    /// `host:port` of its listener.
    pub address: String,
}

/// A text that is no `id@host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not id@host:port")]
pub struct InvalidVoterAddress(String);

impl FromStr for VoterAddress {
    type Err = InvalidVoterAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidVoterAddress(text.to_owned());
        let (id, address) = text.split_once('@').ok_or_else(invalid)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(invalid());
        }
        let id = id.trim().parse().map_err(|_| invalid())?;
        Ok(Self {
            controller_id: ControllerId(id),
            address: address.to_owned(),
        })
    }
}

impl std::fmt::Display for VoterAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.controller_id, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_kafkas_form_and_nothing_else() {
        let voter: VoterAddress = "2@127.0.0.1:9093".parse().unwrap();
        assert_eq!(voter.controller_id, ControllerId(2));
        assert_eq!(voter.to_string(), "2@127.0.0.1:9093");
        for text in [
            "",
            "1",
            "1@",
            "1@host",
            "x@host:1",
            "1@:5",
            "1@host:70000",
            "-1@host:1",
        ] {
            assert!(text.parse::<VoterAddress>().is_err(), "{text}");
        }
    }
}
