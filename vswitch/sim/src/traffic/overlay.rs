//! Frames that hosts send.

use std::net::Ipv6Addr;

use super::{HOSTS, Host, World};
use crate::{craft, plan::Who};
use wire::Mac;

/// Transport protocols frames carry.
const PROTOCOLS: [u8; 4] = [17, 6, 1, 132];

impl World {
    /// A frame as some host behind `from` might send it, or as somebody there should not.
    pub(super) fn overlay_frame(&mut self, from: Who) -> Vec<u8> {
        let sender = self.sender(from);
        let src = match self.dice.below(50) {
            0 => Mac::ZERO,
            1 => Mac::BROADCAST,
            2..6 => Host::new(self.dice.below(HOSTS.into()) as u8).mac,
            _ => sender.mac,
        };
        // Addresses mostly fit the MAC; a guard is there for when they do not.
        let claimed = if self.dice.chance(85) { sender } else { self.anybody() };
        let receiver = self.anybody();
        let (ethertype, mut payload) = self.packet(claimed, receiver);
        if self.dice.chance(40) {
            craft::set_tos(ethertype, &mut payload, self.dice.any() as u8);
        }
        let dst = self.destination(receiver);
        match self.dice.below(12) {
            0 => craft::ethernet(dst, src, craft::VLAN, &craft::tagged(7, ethertype, &payload)),
            1 => {
                let tags = (0..self.dice.between(2, 3)).fold((ethertype, payload), |(ethertype, payload), vid| {
                    (craft::VLAN, craft::tagged(vid as u16, ethertype, &payload))
                });
                craft::ethernet(dst, src, tags.0, &tags.1)
            }
            _ => craft::ethernet(dst, src, ethertype, &payload),
        }
    }

    fn anybody(&mut self) -> Host {
        Host::new(self.dice.below(HOSTS.into()) as u8)
    }

    fn sender(&mut self, from: Who) -> Host {
        let locals = self.hosts_at(from);
        match self.dice.pick_any(&locals) {
            Some(number) if self.dice.chance(85) => Host::new(number),
            _ => self.anybody(),
        }
    }

    fn destination(&mut self, receiver: Host) -> Mac {
        match self.dice.below(20) {
            0..2 => Mac::BROADCAST,
            2 => Mac::new([0x33, 0x33, 0, 0, 0, self.dice.below(3) as u8]),
            3 => Mac::new([0x01, 0x80, 0xc2, 0, 0, self.dice.below(0x12) as u8]),
            4 => Mac::new([2, 0, 0, 0, 9, self.dice.below(3) as u8]),
            _ => receiver.mac,
        }
    }

    fn packet(&mut self, from: Host, to: Host) -> (u16, Vec<u8>) {
        match self.dice.below(10) {
            0 => {
                let operation = self.dice.between(1, 2) as u16;
                let probing = self.dice.chance(10);
                let sender_ip = if probing { [0; 4].into() } else { from.ipv4 };
                (craft::ARP, craft::arp(operation, (from.mac, sender_ip), (to.mac, to.ipv4)))
            }
            1 => (craft::IPV6, self.neighbour_message(from, to)),
            2 => (0x88b5, self.filler(46)),
            3 | 4 => {
                let segment = self.segment();
                (craft::IPV6, craft::ipv6(from.ipv6, to.ipv6, segment.0, &segment.1))
            }
            _ => {
                let (protocol, segment) = self.segment();
                let mut packet = craft::ipv4(from.ipv4, to.ipv4, protocol, &segment);
                if self.dice.chance(10) {
                    let fragment = [0x2000u16, 0x2010, 0x0010][self.dice.below(3)];
                    packet[6..8].copy_from_slice(&fragment.to_be_bytes());
                    craft::seal_ipv4(&mut packet);
                }
                (craft::IPV4, packet)
            }
        }
    }

    fn neighbour_message(&mut self, from: Host, to: Host) -> Vec<u8> {
        let kind = self.dice.between(135, 136) as u8;
        let src = if self.dice.chance(10) { Ipv6Addr::UNSPECIFIED } else { from.ipv6 };
        let target = if kind == 136 { from.ipv6 } else { to.ipv6 };
        let lies = self.dice.chance(15);
        let (mac, target) = if lies { (to.mac, to.ipv6) } else { (from.mac, target) };
        let link_layer = self.dice.chance(80).then_some(mac);
        craft::neighbour(src, to.ipv6, kind, target, link_layer)
    }

    fn segment(&mut self) -> (u8, Vec<u8>) {
        let payload = self.filler(1500);
        let (src, dst) = (1024 + self.dice.below(8) as u16, 80 + self.dice.below(4) as u16);
        match *self.dice.pick(&PROTOCOLS) {
            17 => (17, craft::udp(src, dst, &payload)),
            6 => {
                let (flags, options) = if self.dice.chance(40) { (0x02, self.tcp_options()) } else { (0x10, vec![]) };
                let mut header = [src.to_be_bytes(), dst.to_be_bytes()].concat();
                let sum = self.dice.any().to_be_bytes();
                let words = (5 + options.len() / 4) as u8;
                header.extend_from_slice(&[
                    0,
                    0,
                    0,
                    1,
                    0,
                    0,
                    0,
                    0,
                    words << 4,
                    flags,
                    0xff,
                    0xff,
                    sum[0],
                    sum[1],
                    0,
                    0,
                ]);
                (6, [header, options, payload].concat())
            }
            other => (other, [vec![8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], payload].concat()),
        }
    }

    /// Options of an opening of a TCP connection: mostly a maximum segment size at some place, now and then nonsense.
    pub(super) fn tcp_options(&mut self) -> Vec<u8> {
        let [high, low] = (*self.dice.pick(&[9000u16, 1460, 1410, 1400, 560, 536, u16::MAX])).to_be_bytes();
        let in_front = self.dice.pick::<&[u8]>(&[&[], &[1], &[1, 1, 1], &[4, 2], &[3, 3, 7]]);
        let size = if self.dice.chance(90) { vec![2, 4, high, low] } else { vec![2, 3, high] };
        let mut options = [*in_front, &size[..]].concat();
        options.resize(options.len().next_multiple_of(4), 0);
        if self.dice.chance(10) {
            let at = self.dice.below(options.len());
            options[at] = self.dice.any() as u8;
        }
        options
    }

    /// Octets nobody looks at: mostly few, sometimes as many as an MTU lets through or more.
    fn filler(&mut self, most: usize) -> Vec<u8> {
        let len = match self.dice.below(10) {
            0 => self.dice.between(most.min(550), most),
            1 => most.min(1400 + self.dice.below(60)),
            _ => self.dice.below(64),
        };
        (0..len).map(|_| self.dice.any() as u8).collect()
    }
}
