//! Binding: loopback only, unless the configuration accepts that there is no protection yet.

use std::net::SocketAddr;

use tokio::net::{TcpListener, lookup_host};

/// Why a listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The text is no `host:port`, or the host has no address.
    #[error("'{address}' is not a usable host:port: {cause}")]
    Address {
        /// As configured.
        address: String,
        /// What is wrong with it.
        cause: String,
    },
    /// It would be reachable from other machines.
    #[error(
        "refusing to listen on {address}: there is no TLS and no authentication yet, so only loopback \
         is safe; set allow_insecure = true to accept that anyone who reaches this port owns the data"
    )]
    NotLoopback {
        /// As resolved.
        address: SocketAddr,
    },
    /// The system refused.
    #[error("cannot listen on {address}: {cause}")]
    Refused {
        /// As resolved.
        address: SocketAddr,
        /// The system's word.
        cause: std::io::Error,
    },
}

/// Opens a listener on `address` (`host:port`; port 0 takes a free one).
///
/// # Errors
/// When the address is unusable, taken, or not loopback without `allow_insecure`.
pub async fn bind(address: &str, allow_insecure: bool) -> Result<TcpListener, BindError> {
    let unusable = |cause: String| BindError::Address {
        address: address.to_owned(),
        cause,
    };
    let resolved = lookup_host(address)
        .await
        .map_err(|error| unusable(error.to_string()))?
        .next()
        .ok_or_else(|| unusable("the host has no address".to_owned()))?;
    if !resolved.ip().is_loopback() {
        if !allow_insecure {
            return Err(BindError::NotLoopback { address: resolved });
        }
        tracing::warn!(
            address = %resolved,
            "INSECURE: listening beyond loopback without TLS or authentication"
        );
    }
    TcpListener::bind(resolved)
        .await
        .map_err(|cause| BindError::Refused {
            address: resolved,
            cause,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_loopback_unless_told_otherwise() {
        assert!(bind("127.0.0.1:0", false).await.is_ok());
        let error = bind("0.0.0.0:0", false).await.unwrap_err().to_string();
        assert!(error.contains("allow_insecure"), "{error}");
        assert!(bind("0.0.0.0:0", true).await.is_ok());
        assert!(matches!(
            bind("nonsense", false).await,
            Err(BindError::Address { .. })
        ));
    }

    #[tokio::test]
    async fn a_taken_port_says_which() {
        let first = bind("127.0.0.1:0", false).await.unwrap();
        let address = first.local_addr().unwrap().to_string();
        let error = bind(&address, false).await.unwrap_err().to_string();
        assert!(error.contains(&address), "{error}");
    }
}
