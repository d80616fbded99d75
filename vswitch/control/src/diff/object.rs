//! Ports, networks and tunnels.

use std::fmt;

use api::DiffOp;

use super::{
    Diff, Effect, Keys, Object, by_name,
    setting::{group, user},
};
use crate::config::{Behind, Config, Kind, Name, Network, Port, Role, SocketMode, Static, Tunnel};

/// Adds what differs in ports, networks and tunnels.
pub(super) fn compare(old: &Config, new: &Config, diff: &mut Diff) {
    let describe = Describe { name: |port: &Port| &port.name, object: Object::Port, word: "port", text: port_text };
    describe.compare(&old.ports, &new.ports, port_keys, diff);
    let describe = Describe {
        name: |network: &Network| &network.name,
        object: Object::Network,
        word: "network",
        text: network_text,
    };
    describe.compare(&old.networks, &new.networks, network_keys, diff);
    let describe =
        Describe { name: |tunnel: &Tunnel| &tunnel.name, object: Object::Tunnel, word: "tunnel", text: tunnel_text };
    describe.compare(&old.tunnels, &new.tunnels, tunnel_keys, diff);
}

/// Whether the device behind a port must be closed and opened anew for the port to become what `new` says.
pub fn must_reopen(old: &Port, new: &Port) -> bool {
    let is_tap = matches!(new.kind, Kind::Tap { .. });
    let is_same_device = (&old.kind, old.queues) == (&new.kind, new.queues) && (!is_tap || old.mac == new.mac);
    let has_same_rings = (old.rx_descriptors, old.tx_descriptors) == (new.rx_descriptors, new.tx_descriptors);
    let has_same_offloads = old.offloads == new.offloads;
    // Workers know an `eth` device's MTU by its queue pairs, and many drivers set one on a stopped device only.
    let is_resized = matches!(new.kind, Kind::Eth { .. }) && old.mtu != new.mtu;
    let is_same_role = (old.is_uplink(), old.is_promiscuous()) == (new.is_uplink(), new.is_promiscuous());
    !is_same_device || !has_same_rings || !has_same_offloads || is_resized || !is_same_role
}

/// How one kind of object is named and described.
struct Describe<T> {
    name: fn(&T) -> &Name,
    object: fn(Name) -> Object,
    word: &'static str,
    text: fn(&T) -> String,
}

impl<T> Describe<T> {
    fn compare(&self, old: &[T], new: &[T], keys: fn(&T, &T, &mut Keys) -> Effect, diff: &mut Diff) {
        let (before, after) = (by_name(old, self.name), by_name(new, self.name));
        let object = |thing: &T| (self.object)((self.name)(thing).clone());
        for thing in old.iter().filter(|thing| !after.contains_key((self.name)(thing))) {
            let text = format!("{} {}", self.word, (self.name)(thing));
            diff.push(DiffOp::Removed, object(thing), Effect::Live, text);
        }
        for thing in new {
            let name = (self.name)(thing);
            let Some(was) = before.get(name) else {
                let text = format!("{} {name} ({})", self.word, (self.text)(thing));
                diff.push(DiffOp::Added, object(thing), Effect::Live, text);
                continue;
            };
            let mut differs = Keys::default();
            let effect = keys(was, thing, &mut differs);
            if !differs.is_empty() {
                let note = if effect == Effect::Reopen { " (the device is opened anew)" } else { "" };
                let text = format!("{} {name}: {}{note}", self.word, differs.text());
                diff.push(DiffOp::Changed, object(thing), effect, text);
            }
        }
    }
}

/// "tap eth0 in pod-a3, network blue", or "eth 0000:3b:02.1, uplink in VLAN 100, trunk 10:red 20:green"
fn port_text(port: &Port) -> String {
    let uplink = match port.role {
        Role::Uplink { vlan: Some(vlan), .. } => Some(format!("uplink in VLAN {vlan}")),
        Role::Uplink { vlan: None, .. } => Some("uplink".to_owned()),
        Role::Access { .. } => None,
    };
    let network = port.vlans.untagged.as_ref().map(|network| format!("network {network}"));
    let tagged: Vec<String> = port.vlans.tagged.iter().map(ToString::to_string).collect();
    let trunk = if tagged.is_empty() { None } else { Some(format!("trunk {}", tagged.join(" "))) };
    let parts = [Some(Device(&port.kind).to_string()), uplink, network, trunk];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn network_text(network: &Network) -> String {
    let tunnels: Vec<&str> = network.tunnels.iter().map(Name::as_str).collect();
    match tunnels.as_slice() {
        [] => format!("vni {}", network.vni),
        tunnels => format!("vni {}, tunnels {}", network.vni, tunnels.join(" ")),
    }
}

fn tunnel_text(tunnel: &Tunnel) -> String {
    let Tunnel { remote, udp_port, multipath, .. } = tunnel;
    let uplinks = match tunnel.paths.len() {
        1 => format!("uplink {}", uplinks(tunnel)),
        _ => format!("uplinks {} {multipath}", uplinks(tunnel)),
    };
    format!("{} to {remote} on port {udp_port}, {uplinks}", locals(tunnel))
}

/// "up0 up1", in the order that counts.
fn uplinks(tunnel: &Tunnel) -> String {
    let names: Vec<&str> = tunnel.paths.iter().map(|path| path.uplink.as_str()).collect();
    names.join(" ")
}

/// Our addresses, by path; one where all are the same.
fn locals(tunnel: &Tunnel) -> String {
    let locals: Vec<String> = tunnel.paths.iter().map(|path| path.local.to_string()).collect();
    match locals.first() {
        Some(first) if locals.iter().all(|local| local == first) => first.clone(),
        _ => locals.join(" "),
    }
}

/// "tap eth0 in pod-a3", or "eth net_af_packet0,iface=ul0"
struct Device<'a>(&'a Kind);

impl fmt::Display for Device<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Eth { device } => write!(f, "eth {device}"),
            Kind::Tap { netns: None, interface } => write!(f, "tap {interface}"),
            Kind::Tap { netns: Some(netns), interface } => write!(f, "tap {interface} in {netns}"),
            Kind::VhostUser { socket, mode, access } => {
                write!(f, "vhost-user {}", socket.display())?;
                match (mode, &access.owner) {
                    (SocketMode::Server, owner) => {
                        let owner = owner.as_ref().map_or("own".to_owned(), user);
                        let group = access.group.as_ref().map_or("own".to_owned(), group);
                        write!(f, " as server, mode {:04o} of {owner}:{group}", access.permissions)
                    }
                    (SocketMode::Client, Some(owner)) => write!(f, " of {}", user(owner)),
                    (SocketMode::Client, None) => Ok(()),
                }
            }
        }
    }
}

fn port_keys(old: &Port, new: &Port, keys: &mut Keys) -> Effect {
    if old.kind != new.kind {
        keys.parts.push(format!("{} -> {}", Device(&old.kind), Device(&new.kind)));
    }
    keys.option("mac", old.mac.as_ref(), new.mac.as_ref(), "the device's own");
    keys.value("queues", &old.queues, &new.queues);
    let device = "the device's choice";
    keys.option("rx_descriptors", old.rx_descriptors.as_ref(), new.rx_descriptors.as_ref(), device);
    keys.option("tx_descriptors", old.tx_descriptors.as_ref(), new.tx_descriptors.as_ref(), device);
    keys.value("offloads", &old.offloads, &new.offloads);
    keys.value("mtu", &old.mtu, &new.mtu);
    keys.set("addresses", &old.addresses, &new.addresses);
    let holders = |port: &Port| {
        let workers = port.workers.as_ref()?;
        Some(workers.iter().map(|worker| worker.0.to_string()).collect::<Vec<_>>().join(" "))
    };
    keys.option("workers", holders(old).as_ref(), holders(new).as_ref(), "any");
    role_keys(&old.role, &new.role, keys);
    keys.option("network", old.vlans.untagged.as_ref(), new.vlans.untagged.as_ref(), "none");
    keys.set("trunk", &old.vlans.tagged, &new.vlans.tagged);
    keys.option("storm_max", old.storm_max.as_ref(), new.storm_max.as_ref(), "none");
    if must_reopen(old, new) { Effect::Reopen } else { Effect::Live }
}

fn role_keys(old: &Role, new: &Role, keys: &mut Keys) {
    match (old, new) {
        (
            Role::Uplink { gateway, gateway6, vlan },
            Role::Uplink { gateway: gateway_new, gateway6: gateway6_new, vlan: vlan_new },
        ) => {
            keys.option("gateway", gateway.as_ref(), gateway_new.as_ref(), "none");
            keys.option("gateway6", gateway6.as_ref(), gateway6_new.as_ref(), "none");
            keys.option("vlan", vlan.as_ref(), vlan_new.as_ref(), "none");
        }
        (
            Role::Access { anti_spoof, allow, allow_macs },
            Role::Access { anti_spoof: anti_spoof_new, allow: allow_new, allow_macs: macs_new },
        ) => {
            keys.value("anti_spoof", anti_spoof, anti_spoof_new);
            keys.set("allow", allow, allow_new);
            keys.set("allow_macs", allow_macs, macs_new);
        }
        (_, Role::Uplink { .. }) => keys.parts.push("role access -> uplink".to_owned()),
        (_, Role::Access { .. }) => keys.parts.push("role uplink -> access".to_owned()),
    }
}

fn network_keys(old: &Network, new: &Network, keys: &mut Keys) -> Effect {
    keys.value("vni", &old.vni, &new.vni);
    keys.option("mtu", old.mtu.as_ref(), new.mtu.as_ref(), "computed");
    keys.value("mss_clamp", &old.mss_clamp, &new.mss_clamp);
    keys.value("macs_max", &old.macs_max, &new.macs_max);
    keys.value("age_s", &old.age_s, &new.age_s);
    keys.value("flow_key", &old.flow_key, &new.flow_key);
    keys.set("tunnels", &old.tunnels, &new.tunnels);
    let texts = |network: &Network| network.statics.iter().map(static_text).collect::<Vec<String>>();
    keys.set("static", &texts(old), &texts(new));
    Effect::Live
}

fn static_text(entry: &Static) -> String {
    match &entry.behind {
        Behind::Port(port) => format!("{} at port {port}", entry.mac),
        Behind::Tunnel(tunnel) => format!("{} at tunnel {tunnel}", entry.mac),
    }
}

fn tunnel_keys(old: &Tunnel, new: &Tunnel, keys: &mut Keys) -> Effect {
    let uplinks_key = if old.paths.len() > 1 || new.paths.len() > 1 { "uplinks" } else { "uplink" };
    keys.value(uplinks_key, &uplinks(old), &uplinks(new));
    keys.value("multipath", &old.multipath, &new.multipath);
    keys.value("remote", &old.remote, &new.remote);
    keys.value("local", &locals(old), &locals(new));
    keys.value("port", &old.udp_port, &new.udp_port);
    keys.value("ttl", &old.ttl, &new.ttl);
    keys.value("df", &old.df, &new.df);
    keys.value("checksum", &old.checksum, &new.checksum);
    keys.value("udp6_zero_checksum_rx", &old.udp6_zero_checksum_rx, &new.udp6_zero_checksum_rx);
    keys.value("dscp", &old.dscp, &new.dscp);
    keys.option("next_hop_mac", old.next_hop_mac.as_ref(), new.next_hop_mac.as_ref(), "asked for");
    Effect::Live
}
