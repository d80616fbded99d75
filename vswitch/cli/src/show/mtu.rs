//! `show mtu`.

use std::fmt::Write;

use api::{GuestMtu, Mtus};

use super::grid::{Grid, Lean::Left, Lean::Right, joined, or_dash};

/// Both tables, and a line for each guest that goes by another MTU than its port.
pub(super) fn tables(mtus: &Mtus) -> String {
    let mut networks = Grid::new([("NETWORK", Left), ("MTU", Right), ("TAGGED", Right), ("BECAUSE", Left)]);
    for network in &mtus.networks {
        networks.row([network.name.clone(), or_dash(network.mtu), or_dash(network.tagged), network.chain.clone()]);
    }
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
    let mut text = format!("{networks}\n\n{ports}");
    for port in &mtus.ports {
        if let Some(GuestMtu { offered, .. }) = port.guest.filter(|guest| guest.offered != port.mtu) {
            let (name, mtu) = (&port.name, port.mtu);
            let _ =
                write!(text, "\n\n{name}: its guest connected at {offered} and learns of {mtu} when it connects again");
        }
    }
    text
}

/// What the guest was told, or that it was told nothing.
fn guest(guest: &GuestMtu) -> String {
    guest.told.map_or_else(|| "untold".to_owned(), |told| told.to_string())
}

#[cfg(test)]
mod tests {
    use api::{NetworkMtu, PortMtu, PortRole};

    use super::*;

    #[test]
    fn a_guest_that_goes_by_an_old_mtu_is_named() {
        let port = |name: &str, guest| PortMtu {
            name: name.into(),
            role: PortRole::Access,
            mtu: 1450,
            networks: vec!["blue".into()],
            chain: "network `blue` says mtu 1450".into(),
            guest,
        };
        let network = NetworkMtu { name: "blue".into(), mtu: Some(1450), tagged: None, chain: "because".into() };
        let guests =
            [None, Some(GuestMtu { offered: 1450, told: Some(1400) }), Some(GuestMtu { offered: 1500, told: None })];
        let ports = guests.into_iter().zip(["a", "b", "c"]).map(|(guest, name)| port(name, guest)).collect();
        let text = tables(&Mtus { networks: vec![network], ports });
        let expected = "\
NETWORK   MTU  TAGGED  BECAUSE
blue     1450       -  because

PORT  ROLE     MTU   GUEST  NETWORKS  BECAUSE
a     access  1450       -  blue      network `blue` says mtu 1450
b     access  1450    1400  blue      network `blue` says mtu 1450
c     access  1450  untold  blue      network `blue` says mtu 1450

c: its guest connected at 1500 and learns of 1450 when it connects again";
        assert_eq!(text, expected);
    }
}
