//! Packets that come in by an uplink.

use std::net::{IpAddr, Ipv6Addr};

use super::World;
use crate::{
    craft,
    plan::{Tunnel, Who},
};
use wire::{Mac, Vni};

/// The outer headers of a tunnel packet, before they are written.
struct Outer {
    remote: IpAddr,
    local: IpAddr,
    udp_port: u16,
    vni: Vni,
    dst: Mac,
}

impl World {
    /// A packet as a VTEP might send it to us, or as somebody else might.
    pub(super) fn underlay_frame(&mut self, uplink: u16) -> Vec<u8> {
        let own = self.plan.uplinks[&uplink].clone();
        let stranger = Mac::new([2, 0xdd, 0, 0, 0, 9]);
        let by_tunnel =
            self.plan.tunnels.iter().flat_map(|(&number, tunnel)| tunnel.paths.iter().map(move |way| (number, way)));
        let here: Vec<(u16, IpAddr)> =
            by_tunnel.filter(|(_, way)| way.uplink == uplink).map(|(number, way)| (number, way.local)).collect();
        let packet = match self.dice.pick_any(&here) {
            Some((number, local)) if self.dice.chance(85) => self.tunnelled(number, local, own.mac),
            _ => {
                let address = *self.dice.pick(&own.addresses);
                let dst = if self.dice.chance(80) { own.mac } else { Mac::BROADCAST };
                self.for_the_node(dst, stranger, address)
            }
        };
        let vlan = match self.dice.below(20) {
            0 => 0,
            1 => *self.dice.pick(&[100, 101, 0xfff]),
            _ => own.vlan.map_or(0, |vlan| vlan.get()),
        };
        // A tag of VLAN 0 is the same as none.
        let tagged = vlan > 0 || self.dice.chance(5);
        if tagged { craft::insert_tag(vlan, &packet) } else { packet }
    }

    fn for_the_node(&mut self, dst: Mac, src: Mac, address: IpAddr) -> Vec<u8> {
        let (ethertype, payload) = match (self.dice.below(4), address) {
            (0 | 1, IpAddr::V6(address)) => (craft::IPV6, self.for_the_neighbour(src, address)),
            (0, IpAddr::V4(address)) => (craft::ARP, craft::arp(1, (src, [192, 0, 2, 9].into()), (Mac::ZERO, address))),
            (1, IpAddr::V4(address)) => (craft::IPV4, craft::ipv4([192, 0, 2, 9].into(), address, 1, &[8; 16])),
            (2, IpAddr::V4(address)) => (craft::IPV4, craft::ipv4([192, 0, 2, 9].into(), address, 6, &[0x50; 24])),
            (_, IpAddr::V6(address)) => (craft::IPV6, craft::ipv6(address, address, 58, &[128, 0, 0, 0, 0, 0, 0, 0])),
            _ => (0x88cc, vec![0; 46]),
        };
        craft::ethernet(dst, src, ethertype, &payload)
    }

    /// Neighbour discovery about the node, to its group, to all nodes or to another group.
    fn for_the_neighbour(&mut self, src: Mac, address: Ipv6Addr) -> Vec<u8> {
        let [.., a, b] = address.segments();
        let solicited = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | a & 0xff, b);
        let [all, routers] = [1, 2].map(|group| Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, group));
        let dst = *self.dice.pick(&[solicited, all, routers, address]);
        let kind = *self.dice.pick(&[135, 136, 134, 128]);
        craft::neighbour(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9), dst, kind, address, Some(src))
    }

    fn tunnelled(&mut self, number: u16, local: IpAddr, own: Mac) -> Vec<u8> {
        let tunnel = self.plan.tunnels[&number].clone();
        let network = self.dice.pick_any(&tunnel.networks);
        let vni = network.map_or(Vni::MAX, |network| self.plan.networks[&network].vni);
        let from = network.map_or(Who::Port(u16::MAX), |network| Who::Tunnel(number, network));
        let inner = self.overlay_frame(from);
        let Tunnel { remote, udp_port, .. } = tunnel;
        let mut outer = Outer { remote, local, udp_port, vni, dst: own };
        if self.dice.chance(15) {
            self.spoil(&mut outer);
        }
        self.wrap(&outer, &inner)
    }

    /// Makes a tunnel packet one of somebody we do not know, or not for us.
    fn spoil(&mut self, outer: &mut Outer) {
        let stranger: IpAddr = match outer.remote {
            IpAddr::V4(_) => [203, 0, 113, 7].into(),
            IpAddr::V6(_) => [0x2001, 0xdb8, 0xee, 0, 0, 0, 0, 7].into(),
        };
        match self.dice.below(5) {
            0 => outer.remote = stranger,
            1 => outer.local = stranger,
            2 => outer.udp_port = *self.dice.pick(&[4789, 8472, 4790]),
            3 => outer.vni = Vni::new(self.dice.below(1 << 24) as u32).unwrap_or(Vni::MAX),
            _ => outer.dst = Mac::new([2, 0xee, 0, 0, 0, 9]),
        }
    }

    fn wrap(&mut self, outer: &Outer, inner: &[u8]) -> Vec<u8> {
        let reserved = if self.dice.chance(10) { 0xff } else { 0 };
        let source_port = 49_152 + self.dice.below(16_384) as u16;
        let mut tunnel = craft::vxlan(outer.vni, reserved, inner);
        if self.dice.chance(2) {
            tunnel[0] &= !0x08; // no VNI
        }
        let mut datagram = craft::udp(source_port, outer.udp_port, &tunnel);
        match self.dice.below(10) {
            0..4 => craft::seal_udp(&mut datagram, outer.remote, outer.local),
            4 => datagram[7] ^= 1, // no longer "no checksum"
            _ => {}
        }
        let Some((ethertype, mut packet)) = craft::ip_udp(outer.remote, outer.local, &datagram) else {
            return inner.to_vec();
        };
        if self.dice.chance(40) {
            craft::set_tos(ethertype, &mut packet, self.dice.any() as u8);
        }
        if ethertype == craft::IPV4 && self.dice.chance(4) {
            packet[6] |= 0x20; // more fragments
            craft::seal_ipv4(&mut packet);
        } else if ethertype == craft::IPV4 && self.dice.chance(3) {
            packet[10] ^= 1;
        }
        if self.dice.chance(5) {
            packet.extend_from_slice(&[0; 6]); // Ethernet padding
        }
        let sender = Mac::new([2, 0xdd, 0, 0, 0, 1]);
        craft::ethernet(outer.dst, sender, ethertype, &packet)
    }
}
