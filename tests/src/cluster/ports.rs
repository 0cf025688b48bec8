//! [`free_port`]: ports that nobody else is given.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

use anyhow::{Context as _, Result, bail};

/// Lowest port handed out.
const PORT_MIN: u16 = 10_240;

/// Handed out by this process before; a killed node's port must not go to another one.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port of the loopback address on which nobody listens.
///
/// It lies below the range from which the system draws the ports of outgoing connections: otherwise
/// such a connection could sit on a killed node's port when the node comes back. Between the look and
/// the node's own bind another process may take it; whoever starts nodes tries again.
///
/// # Errors
/// None is free.
pub fn free_port() -> Result<u16> {
    let end = outgoing_ports_start();
    let mut taken = TAKEN
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    for _ in 0..10_000 {
        let port = rand::random_range(PORT_MIN..end);
        if taken.contains(&port) || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            continue;
        }
        taken.insert(port);
        return Ok(port);
    }
    bail!("no free port between {PORT_MIN} and {end}")
}

/// First port of the system's range for outgoing connections; Linux's default when it does not say.
fn outgoing_ports_start() -> u16 {
    let read = || -> Result<u16> {
        let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
        let first = text.split_whitespace().next().context("empty range")?;
        Ok(first.parse()?)
    };
    match read() {
        Ok(start) if start > PORT_MIN + 1_000 => start,
        _ => 32_768,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
    }
}
