//! `show ports`: two tables, what they are and what went through them.

use api::{Link, PortRow, Ports};

use super::{
    counters::{Counter, Rates},
    grid::{Grid, Lean::Left, Lean::Right, joined, or_dash},
};
use crate::quantity::{Numbers, count, octets};

pub(super) fn tables(ports: &Ports, rates: &Rates<PortRow>, numbers: Numbers) -> String {
    format!("{}\n{}\n{}", nature(ports), gone(ports), traffic(ports, rates, numbers))
}

/// A line for each port whose device is not there.
fn gone(ports: &Ports) -> String {
    let line = |port: &PortRow| Some(format!("{}: {}; opened again when it is back\n", port.name, port.gone.as_ref()?));
    ports.ports.iter().filter_map(line).collect()
}

fn nature(ports: &Ports) -> Grid {
    let mut grid = Grid::new([
        ("PORT", Left),
        ("ROLE", Left),
        ("STATE", Left),
        ("NETWORK", Left),
        ("WHERE", Left),
        ("MAC", Left),
        ("MTU", Right),
        ("WORKERS", Left),
        ("GUARD", Left),
        ("ADDRESSES", Left),
    ]);
    for port in &ports.ports {
        grid.row([
            port.name.clone(),
            port.role.name().into(),
            state(port),
            or_dash(networks(port)),
            place(port),
            or_dash(port.mac),
            port.mtu.to_string(),
            joined(&port.workers),
            if port.anti_spoof { "on" } else { "off" }.into(),
            joined(&port.addresses),
        ]);
    }
    grid
}

const COUNTERS: [Counter<PortRow>; 7] = [
    Counter { title: "RX", value: |port| port.rx_frames, written: count },
    Counter { title: "RX-OCTETS", value: |port| port.rx_octets, written: octets },
    Counter { title: "TX", value: |port| port.tx_frames, written: count },
    Counter { title: "TX-OCTETS", value: |port| port.tx_octets, written: octets },
    Counter { title: "DROPPED", value: |port| port.dropped, written: count },
    Counter { title: "REFUSED", value: |port| port.refused, written: count },
    Counter { title: "DEV-LOST", value: device_lost, written: count },
];

/// What the device lost, in whichever way.
fn device_lost(port: &PortRow) -> u64 {
    [port.rx_missed, port.rx_no_buffer, port.rx_errors, port.tx_errors].into_iter().fold(0, u64::saturating_add)
}

fn traffic(ports: &Ports, rates: &Rates<PortRow>, numbers: Numbers) -> Grid {
    let name = [("PORT".to_owned(), Left)];
    let mut grid = Grid::wide(name.into_iter().chain(rates.columns(&COUNTERS)).collect());
    for port in &ports.ports {
        let cells = rates.cells(&COUNTERS, port, |then| then.name == port.name, numbers);
        grid.wide_row(std::iter::once(port.name.clone()).chain(cells));
    }
    grid
}

/// `--detail`: what was chosen for each device and why; what falls short is marked.
pub(super) fn choices(ports: &Ports) -> Grid {
    let mut grid =
        Grid::new([("PORT", Left), ("WHAT", Left), ("ASKED", Left), ("CHOSEN", Left), ("NOTE", Left), ("WHY", Left)]);
    for port in &ports.ports {
        for choice in &port.choices {
            grid.row([
                port.name.clone(),
                choice.what.clone(),
                or_dash(choice.asked.as_ref()),
                choice.chosen.clone(),
                if choice.falls_short { "SHORT" } else { "" }.into(),
                choice.why.clone(),
            ]);
        }
    }
    grid
}

/// `up`, `up/no-link`, `opening`, `gone`; and loudly where its ledger does not balance.
fn state(port: &PortRow) -> String {
    let mut state = if port.gone.is_some() { "gone" } else { port.state.name() }.to_owned();
    if port.link == Link::Down {
        state.push_str("/no-link");
    }
    if !port.balanced {
        state.push_str("/UNBALANCED");
    }
    state
}

/// `blue,10:red,20:green`: that of untagged frames first.
fn networks(port: &PortRow) -> Option<String> {
    let tagged = port.trunk.iter().map(|tagged| format!("{}:{}", tagged.vlan, tagged.network));
    let all: Vec<String> = port.network.iter().cloned().chain(tagged).collect();
    (!all.is_empty()).then(|| all.join(","))
}

/// `tap:pod-a1/eth0`, `eth:0000:3b:02.1`, or `vhost-user:/run/millrace/vhost/vm1.sock`.
fn place(port: &PortRow) -> String {
    let kind = port.kind.name();
    let device = port.device.as_ref().or(port.socket.as_ref());
    match (device, &port.netns, &port.interface) {
        (Some(device), ..) => format!("{kind}:{device}"),
        (None, Some(netns), Some(interface)) => format!("{kind}:{netns}/{interface}"),
        (None, None, Some(interface)) => format!("{kind}:{interface}"),
        _ => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use api::{PortKind, PortRole, PortState};

    use super::*;

    fn port() -> PortRow {
        PortRow {
            name: "a1".into(),
            kind: PortKind::Tap,
            role: PortRole::Access,
            device: None,
            netns: Some("pod-a1".into()),
            socket: None,
            interface: Some("eth0".into()),
            mac: "02:00:00:00:0a:01".parse().ok(),
            mtu: 1450,
            addresses: vec!["10.0.0.1/8".into(), "fd00::1/64".into()],
            state: PortState::Up,
            gone: None,
            link: Link::Up,
            network: Some("blue".into()),
            trunk: Vec::new(),
            vlan: None,
            storm_max: None,
            workers: vec![0, 1],
            anti_spoof: true,
            rx_frames: 12_345,
            rx_octets: 4_560_000,
            tx_frames: 1,
            tx_octets: 64,
            dropped: 2,
            refused: 0,
            rx_missed: 1,
            rx_no_buffer: 1,
            rx_errors: 0,
            tx_errors: u64::MAX,
            balanced: true,
            choices: Vec::new(),
        }
    }

    #[test]
    fn what_falls_short_stands_out_among_the_choices() {
        let choice = |what: &str, falls_short| api::ChoiceRow {
            what: what.into(),
            asked: Some("2".into()),
            chosen: "1".into(),
            why: "so".into(),
            falls_short,
        };
        let row = PortRow { choices: vec![choice("queues", false), choice("rss", true)], ..port() };
        let text = choices(&Ports { ports: vec![row, port()] }).to_string();
        let lines: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines, ["PORT WHAT ASKED CHOSEN NOTE WHY", "a1 queues 2 1 - so", "a1 rss 2 1 SHORT so"]);
    }

    #[test]
    fn a_port_is_one_line_in_both_tables() {
        let text = tables(&Ports { ports: vec![port()] }, &Rates::Unwatched, Numbers::Short);
        let line = |n: usize| text.lines().nth(n).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(line(1), "a1 access up blue tap:pod-a1/eth0 02:00:00:00:0a:01 1450 0,1 on 10.0.0.1/8,fd00::1/64");
        assert_eq!(line(4), "a1 12.3k 4.56 MB 1 64 B 2 0 18.4E");
    }

    #[test]
    fn networks_of_vlans_follow_that_of_untagged_frames() {
        let trunk = vec![api::TrunkRow { vlan: 10, network: "red".into() }];
        assert_eq!(networks(&PortRow { trunk: trunk.clone(), ..port() }).unwrap(), "blue,10:red");
        assert_eq!(networks(&PortRow { trunk, network: None, ..port() }).unwrap(), "10:red");
        assert_eq!(networks(&PortRow { network: None, ..port() }), None);
    }

    #[test]
    fn trouble_stands_in_the_state() {
        let broken = PortRow { link: Link::Down, balanced: false, state: PortState::Down, ..port() };
        assert_eq!(state(&broken), "down/no-link/UNBALANCED");
        let away = PortRow { gone: Some("interface \"vf0\" was deleted".into()), state: PortState::Down, ..port() };
        assert_eq!(state(&away), "gone");
        assert_eq!(
            gone(&Ports { ports: vec![port(), away] }),
            "a1: interface \"vf0\" was deleted; opened again when it is back\n"
        );
    }

    #[test]
    fn a_place_says_what_kind_of_device_it_is() {
        assert_eq!(place(&PortRow { netns: None, ..port() }), "tap:eth0");
        let eth = PortRow { kind: PortKind::Eth, device: Some("net_null0".into()), ..port() };
        assert_eq!(place(&eth), "eth:net_null0");
    }
}
