//! [`Limits`].

use std::time::Duration;

/// The bounds of one listener.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at one time; a further one is answered 503 and closed.
    pub connections_max: usize,
    /// Time to send the head of a request, from its first byte or from the end of the last answer.
    pub header_timeout: Duration,
    /// Bytes of a request's head.
    pub header_bytes_max: usize,
    /// Headers of a request.
    pub headers_max: usize,
    /// Time in which a client that is sent something must take some of it.
    pub write_timeout: Duration,
    /// Time that a listener which ends goes on answering, with the word that each answer is the last on
    /// its connection: a connection that is closed while its client writes leaves the client in doubt.
    pub farewell: Duration,
    /// Time that open connections get to finish when the listener stops.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    /// 4,096 connections, 75 s for a head (which is also how long an idle connection is kept),
    /// 64 KiB and 100 headers, 30 s to take a byte, no farewell, 2 s to drain.
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            header_timeout: Duration::from_secs(75),
            header_bytes_max: 64 * 1024,
            headers_max: 100,
            write_timeout: Duration::from_secs(30),
            farewell: Duration::ZERO,
            drain_timeout: Duration::from_secs(2),
        }
    }
}
