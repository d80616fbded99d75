//! `show mtu`.

use std::fmt::Write;

use api::{GuestMtu, Mtus, TooBig};

use super::grid::{Grid, Lean::Left, Lean::Right, joined, or_dash};
use crate::quantity::{Numbers, count, milliseconds};

/// All tables that have rows, and a line for each guest that goes by another MTU than its port.
pub(super) fn tables(mtus: &Mtus, numbers: Numbers) -> String {
    let mut text = format!("{}\n\n{}", networks(mtus), ports(mtus));
    for port in &mtus.ports {
        if let Some(GuestMtu { offered, .. }) = port.guest.filter(|guest| guest.offered != port.mtu) {
            let (name, mtu) = (&port.name, port.mtu);
            let _ =
                write!(text, "\n\n{name}: its guest connected at {offered} and learns of {mtu} when it connects again");
        }
    }
    if !mtus.paths.is_empty() {
        let _ = write!(text, "\n\nLowered by the underlay:\n{}", paths(mtus, numbers));
    }
    if !mtus.too_big.is_empty() {
        let _ = write!(text, "\n\nToo big for their way:\n{}", too_big(mtus, numbers));
    }
    if mtus.mss_clamped > 0 {
        let _ = write!(text, "\n\nTCP connections told of less room: {}", count(mtus.mss_clamped, numbers));
    }
    text
}

fn networks(mtus: &Mtus) -> Grid {
    let mut networks =
        Grid::new([("NETWORK", Left), ("MTU", Right), ("TAGGED", Right), ("MSS", Right), ("BECAUSE", Left)]);
    for network in &mtus.networks {
        networks.row([
            network.name.clone(),
            or_dash(network.mtu),
            or_dash(network.tagged),
            or_dash(network.mss),
            network.chain.clone(),
        ]);
    }
    networks
}

fn ports(mtus: &Mtus) -> Grid {
    let mut ports = Grid::new([
        ("PORT", Left),
        ("ROLE", Left),
        ("MTU", Right),
        ("GUEST", Right),
        ("NETWORKS", Left),
        ("BECAUSE", Left),
    ]);
    for port in &mtus.ports {
        ports.row([
            port.name.clone(),
            port.role.name().into(),
            port.mtu.to_string(),
            port.guest.as_ref().map_or_else(String::new, guest),
            joined(&port.networks),
            port.chain.clone(),
        ]);
    }
    ports
}

fn paths(mtus: &Mtus, numbers: Numbers) -> Grid {
    let mut paths = Grid::new([
        ("TUNNEL", Left),
        ("UPLINK", Left),
        ("MTU", Right),
        ("INNER", Right),
        ("FOR", Right),
        ("NETWORKS", Left),
    ]);
    for path in &mtus.paths {
        paths.row([
            path.tunnel.clone(),
            path.uplink.clone(),
            path.mtu.to_string(),
            path.inner.to_string(),
            milliseconds(path.left_s * 1_000, numbers),
            joined(&path.networks),
        ]);
    }
    paths
}

fn too_big(mtus: &Mtus, numbers: Numbers) -> Grid {
    let mut workers = Grid::new([
        ("WORKER", Right),
        ("ANSWERED", Right),
        ("LIMITED", Right),
        ("LAST-FROM", Left),
        ("OCTETS", Right),
        ("FIT", Right),
    ]);
    for TooBig { worker, answered, limited, port, octets, mtu } in &mtus.too_big {
        workers.row([
            worker.to_string(),
            count(*answered, numbers),
            count(*limited, numbers),
            port.clone(),
            octets.to_string(),
            mtu.to_string(),
        ]);
    }
    workers
}

/// What the guest was told, or that it was told nothing.
fn guest(guest: &GuestMtu) -> String {
    guest.told.map_or_else(|| "untold".to_owned(), |told| told.to_string())
}

#[cfg(test)]
mod tests {
    use api::{NetworkMtu, PathMtu, PortMtu, PortRole};

    use super::*;

    #[test]
    fn all_that_bounds_packets_is_told() {
        let port = |name: &str, guest| PortMtu {
            name: name.into(),
            role: PortRole::Access,
            mtu: 1450,
            networks: vec!["blue".into()],
            chain: "network `blue` says mtu 1450".into(),
            guest,
        };
        let network =
            NetworkMtu { name: "blue".into(), mtu: Some(1450), tagged: None, chain: "because".into(), mss: Some(1410) };
        let guests =
            [None, Some(GuestMtu { offered: 1450, told: Some(1400) }), Some(GuestMtu { offered: 1500, told: None })];
        let ports = guests.into_iter().zip(["a", "b", "c"]).map(|(guest, name)| port(name, guest)).collect();
        let path = PathMtu {
            tunnel: "to-b".into(),
            uplink: "up0".into(),
            networks: vec!["blue".into()],
            mtu: 1400,
            inner: 1350,
            left_s: 599,
        };
        let last = TooBig { worker: 0, answered: 12_000, limited: 1, port: "a".into(), octets: 1500, mtu: 1350 };
        let mtus = Mtus { networks: vec![network], ports, paths: vec![path], too_big: vec![last], mss_clamped: 3 };
        let text = tables(&mtus, Numbers::Short);
        let expected = "\
NETWORK   MTU  TAGGED   MSS  BECAUSE
blue     1450       -  1410  because

PORT  ROLE     MTU   GUEST  NETWORKS  BECAUSE
a     access  1450       -  blue      network `blue` says mtu 1450
b     access  1450    1400  blue      network `blue` says mtu 1450
c     access  1450  untold  blue      network `blue` says mtu 1450

c: its guest connected at 1500 and learns of 1450 when it connects again

Lowered by the underlay:
TUNNEL  UPLINK   MTU  INNER     FOR  NETWORKS
to-b    up0     1400   1350  9m 59s  blue

Too big for their way:
WORKER  ANSWERED  LIMITED  LAST-FROM  OCTETS   FIT
     0     12.0k        1  a            1500  1350

TCP connections told of less room: 3";
        assert_eq!(text, expected);
    }
}
