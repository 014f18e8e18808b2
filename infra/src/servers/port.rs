//! Ports on the loopback address.

use std::net::{Ipv4Addr, TcpListener};

/// The first of these ports that nobody listens on, else any free one. Another process may take it
/// before the server does, so callers try again with a new one then.
pub(super) fn choose(preferred: &[u16]) -> std::io::Result<u16> {
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|l| l.local_addr());
    for &port in preferred {
        if free(port).is_ok() {
            return Ok(port);
        }
    }
    free(0).map(|address| address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(choose(&[port]).unwrap(), port);
        drop(taken);
        assert_eq!(choose(&[port]).unwrap(), port);
    }
}
