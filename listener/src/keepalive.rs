//! Notices that the other end of a silent connection is gone.
//!
//! A peer that loses power, or is cut off, closes nothing. Between requests the time for the next
//! head ends its connection; a stream that was upgraded has no such limit and would keep its place
//! for ever.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Silence after which the system asks the peer whether it is there.
const SILENCE: Duration = Duration::from_secs(30);
/// Time between questions.
const INTERVAL: Duration = Duration::from_secs(10);
/// Unanswered questions after which the connection has failed: a minute of silence in all.
const QUESTIONS: u32 = 3;

/// Has the system watch over the connection.
///
/// # Errors
/// The system does not take the option; the connection works without.
pub(crate) fn watch_over(stream: &TcpStream) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(INTERVAL)
        .with_retries(QUESTIONS);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_accepted_connection_is_watched_over() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_peer, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let stream = accepted.unwrap().0;
        assert!(!SockRef::from(&stream).keepalive().unwrap());
        watch_over(&stream).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), SILENCE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), INTERVAL);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), QUESTIONS);
    }
}
