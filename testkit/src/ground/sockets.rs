//! Which server a host is talking to, by the kernel's account.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;

use crate::net::Host;

/// The one of `servers` that this host has heard from last over a connection that is open.
pub(super) fn server_in_touch(host: &Host, servers: &[IpAddr]) -> Result<Option<usize>> {
    let sockets = host.run("ss", &["-t", "-n", "-i", "-O", "-H", "state", "established"])?;
    Ok(last_heard(&sockets, servers))
}

fn last_heard(sockets: &str, servers: &[IpAddr]) -> Option<usize> {
    let heard = |line: &str| {
        // Lines such as `0 0 198.18.1.13:4711 198.18.1.10:2379 cubic … lastrcv:12 …`.
        let peer: SocketAddr = line.split_whitespace().nth(3)?.parse().ok()?;
        let server = servers.iter().position(|server| *server == peer.ip())?;
        let ago = line.split_whitespace().find_map(|word| word.strip_prefix("lastrcv:"));
        Some((ago?.parse::<u64>().ok()?, server))
    };
    sockets.lines().filter_map(heard).min().map(|(_, server)| server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_freshest_connection_to_a_server_counts() {
        let sockets = "0 0 198.18.1.13:4711 198.18.1.10:2379 cubic wscale:7,7 lastsnd:3 lastrcv:900 lastack:900\n\
                       0 0 198.18.1.13:4712 198.18.1.11:2379 cubic wscale:7,7 lastsnd:300 lastrcv:12 lastack:12\n\
                       0 0 198.18.1.13:4713 198.18.1.99:2379 cubic wscale:7,7 lastsnd:300 lastrcv:1 lastack:12\n";
        let servers = ["198.18.1.10".parse().unwrap(), "198.18.1.11".parse().unwrap()];
        assert_eq!(last_heard(sockets, &servers), Some(1));
        assert_eq!(last_heard("", &servers), None);
    }
}
