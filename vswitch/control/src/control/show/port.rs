//! `show_ports`.

use api::{Link, PortKind, PortRole, PortRow, PortState, Ports, RpcError, TrunkRow};
use datapath::PortReading;
use wire::vlan::VlanId;

use super::{Control, PortFactory};
use crate::config::{Kind, Port, Role, Tagged};

fn trunk_row(tagged: &Tagged) -> TrunkRow {
    TrunkRow { vlan: tagged.vlan.get(), network: tagged.network.to_string() }
}

/// Where a port is: what of a row depends on its kind.
struct Place {
    kind: PortKind,
    device: Option<String>,
    netns: Option<String>,
    interface: Option<String>,
    socket: Option<String>,
}

impl Place {
    fn of(kind: &Kind) -> Place {
        let nowhere = |kind| Place { kind, device: None, netns: None, interface: None, socket: None };
        match kind {
            Kind::Eth { device } => Place { device: Some(device.clone()), ..nowhere(PortKind::Eth) },
            Kind::Tap { netns, interface } => Place {
                netns: netns.as_ref().map(ToString::to_string),
                interface: Some(interface.clone()),
                ..nowhere(PortKind::Tap)
            },
            Kind::VhostUser { socket, .. } => {
                Place { socket: Some(socket.display().to_string()), ..nowhere(PortKind::VhostUser) }
            }
        }
    }
}

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_ports(&self) -> Result<Ports, RpcError> {
        let reading = self.read_books()?;
        let row = |port: &Port| {
            let read = reading.ports.iter().find(|(other, _)| other.name == port.name).map(|(_, reading)| reading);
            self.port_row(port, read.unwrap_or(&PortReading::default()))
        };
        Ok(Ports { ports: self.config.ports.iter().map(row).collect() })
    }

    fn port_row(&self, port: &Port, reading: &PortReading) -> PortRow {
        let open = self.ports.get(&port.name);
        let spec = open.and_then(|open| self.compiled.snapshot.port(open.id?));
        let place = Place::of(&port.kind);
        PortRow {
            name: port.name.to_string(),
            kind: place.kind,
            role: if port.is_uplink() { PortRole::Uplink } else { PortRole::Access },
            device: place.device,
            netns: place.netns,
            interface: place.interface,
            socket: place.socket,
            mac: open.and_then(|open| open.mac).or(port.mac),
            mtu: port.mtu,
            addresses: port.addresses.iter().map(ToString::to_string).collect(),
            state: self.port_state(port),
            gone: self.gone.why(&port.name),
            link: open.map_or(Link::Unknown, |_| self.factory.link(port.name.as_str())),
            network: port.vlans.untagged.as_ref().map(ToString::to_string),
            trunk: port.vlans.tagged.iter().map(trunk_row).collect(),
            vlan: match port.role {
                Role::Uplink { vlan, .. } => vlan.map(VlanId::get),
                Role::Access { .. } => None,
            },
            storm_max: port.storm_max,
            workers: spec.map_or_else(Vec::new, |spec| spec.workers.iter().map(|worker| worker.0).collect()),
            anti_spoof: matches!(port.role, Role::Access { anti_spoof: true, .. }),
            rx_frames: reading.rx,
            rx_octets: reading.rx_bytes,
            tx_frames: reading.tx,
            tx_octets: reading.tx_bytes,
            dropped: reading.dropped_total(),
            refused: reading.refused,
            rx_missed: reading.rx_missed,
            rx_no_buffer: reading.rx_no_buffer,
            rx_errors: reading.rx_errors,
            tx_errors: reading.tx_errors,
            balanced: reading.balanced(),
            choices: open.map_or_else(Vec::new, |_| self.factory.choices(port.name.as_str())),
        }
    }

    fn port_state(&self, port: &Port) -> PortState {
        match self.ports.get(&port.name) {
            Some(open) if open.is_served() => PortState::Up,
            Some(open) if self.transaction.is_some() && !open.is_leaving => PortState::Opening,
            _ => PortState::Down,
        }
    }
}
