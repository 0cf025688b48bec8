//! Which ports a development cluster listens on.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use crate::failure::Failure;

/// Where a block of ports is looked for first: the REST port that clients try by habit.
const BASE_FIRST: u16 = 8082;

/// Where it is looked for next. All lie below the range that Linux gives to outgoing connections,
/// so that a stopped cluster finds its ports free again.
const BASES_MORE: Range<u16> = 18_082..32_000;

/// Distance between two places to look.
const BASE_STEP: usize = 100;

/// `count` consecutive free ports, from `base` on if it is given.
///
/// # Errors
/// When a port of the block asked for is taken, or no block is free.
pub(super) fn choose(count: u16, base: Option<u16>) -> Result<Vec<u16>, Failure> {
    if let Some(base) = base {
        return block(base, count).map_err(|port| {
            Failure::failed(format!("port {port} is taken or not to be had"))
                .try_next("another --base-port, or none to have free ports chosen")
        });
    }
    std::iter::once(BASE_FIRST)
        .chain(BASES_MORE.step_by(BASE_STEP))
        .find_map(|base| block(base, count).ok())
        .ok_or_else(|| Failure::failed(format!("no {count} consecutive ports are free")))
}

/// The ports from `base` on if all are free, else the first that is not.
fn block(base: u16, count: u16) -> Result<Vec<u16>, u16> {
    // All are held until all are known to be free.
    let mut held = Vec::with_capacity(usize::from(count));
    let mut ports = Vec::with_capacity(usize::from(count));
    for step in 0..count {
        let port = base
            .checked_add(step)
            .filter(|port| *port != 0)
            .ok_or(u16::MAX)?;
        held.push(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|_| port)?);
        ports.push(port);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_or_avoided() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let failure = choose(1, Some(port)).unwrap_err();
        assert!(failure.message().contains(&port.to_string()), "{failure:?}");
        let ports = choose(9, None).unwrap();
        assert_eq!(ports.len(), 9);
        assert!(
            ports.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "{ports:?}"
        );
    }

    #[test]
    fn the_end_of_the_range_does_not_overflow() {
        assert!(choose(3, Some(u16::MAX)).is_err());
    }
}
