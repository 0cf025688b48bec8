//! [`is_refused`]: whether a process that was there is surely gone.
//!
//! A process that dies closes its connections one after the other, so its listener may still take
//! a connection when another one has broken already. Such a connection is cut within moments; one
//! that stays open is a sign of life.

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Most knocks at a peer that takes connections and cuts them.
const KNOCKS_MAX: usize = 20;
/// Most knocks that nobody answers.
const SILENCES_MAX: usize = 3;
const KNOCK_TIMEOUT: Duration = Duration::from_millis(50);
const KNOCK_PAUSE: Duration = Duration::from_millis(10);
/// A connection that is open for so long was taken by a living process.
const LISTEN_TIMEOUT: Duration = Duration::from_millis(50);

/// What one knock met.
enum Echo {
    Refused,
    Alive,
    /// The connection was cut: the peer is going away, or takes no more connections.
    Cut,
    Silence,
}

/// Knocks at `host:port`. A refusal is the system's own word that nobody listens; a connection
/// that stays, or silence, proves nothing.
pub(crate) async fn is_refused(address: &str) -> bool {
    let mut silences = 0;
    for _ in 0..KNOCKS_MAX {
        match knock(address).await {
            Echo::Refused => return true,
            Echo::Alive => return false,
            Echo::Cut => {}
            Echo::Silence => {
                silences += 1;
                if silences == SILENCES_MAX {
                    return false;
                }
            }
        }
        sleep(KNOCK_PAUSE).await;
    }
    false
}

async fn knock(address: &str) -> Echo {
    let mut stream = match timeout(KNOCK_TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return match error.kind() {
                io::ErrorKind::ConnectionRefused => Echo::Refused,
                io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Echo::Cut,
                _ => Echo::Silence,
            };
        }
        Err(_) => return Echo::Silence,
    };
    let mut byte = [0_u8; 1];
    match timeout(LISTEN_TIMEOUT, stream.read(&mut byte)).await {
        // Nobody speaks first here, but who does lives.
        Err(_) | Ok(Ok(1..)) => Echo::Alive,
        Ok(Ok(0) | Err(_)) => Echo::Cut,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn only_a_refusal_is_a_refusal() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(!is_refused(&address).await);
        drop(listener);
        assert!(is_refused(&address).await);
        assert!(!is_refused("no such host:1").await);
    }

    #[tokio::test]
    async fn a_listener_that_goes_away_is_knocked_at_until_it_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let dying = tokio::spawn(async move {
            // Two connections are cut after they were taken, then the listener is closed.
            for _ in 0..2 {
                drop(listener.accept().await.unwrap());
            }
        });
        assert!(is_refused(&address).await);
        dying.await.unwrap();
    }

    #[tokio::test]
    async fn a_listener_that_cuts_every_connection_is_not_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let full = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream);
            }
        });
        assert!(!is_refused(&address).await);
        full.abort();
    }
}
