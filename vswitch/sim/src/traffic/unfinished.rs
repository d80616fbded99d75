//! Packets whose senders leave work to others.

use datapath::PortId;
use frame::{Offload, Takes, Transport};
use wire::Mac;

use super::{HOSTS, Host, Packet, World, mutate};
use crate::{craft, gso, plan::Who};

impl World {
    /// What a port does by itself.
    pub(super) fn takes(&mut self) -> Takes {
        let checksum = self.dice.chance(60);
        let [tcp4, tcp6, udp] = [(); 3].map(|()| checksum && self.dice.chance(60));
        Takes { checksum, tcp4, tcp6, udp, tunnel: false }
    }

    /// A packet as some host behind `from` leaves it to its device; sometimes it lies about it.
    pub(super) fn unfinished_frame(&mut self, from: Who) -> (Vec<u8>, Option<Offload>) {
        let (sender, receiver) = (self.host_at(from), Host::new(self.dice.below(HOSTS.into()) as u8));
        let transport = if self.dice.chance(70) { Transport::Tcp } else { Transport::Udp };
        let segment = self.segment_len();
        let payload = self.long_payload(segment);
        let (protocol, datagram) = match transport {
            Transport::Tcp => (6, self.tcp(&payload)),
            Transport::Udp => (17, craft::udp(1024, 53, &payload)),
        };
        let (ethertype, packet) = if self.dice.chance(50) {
            (craft::IPV4, craft::ipv4(sender.ipv4, receiver.ipv4, protocol, &datagram))
        } else {
            (craft::IPV6, craft::ipv6(sender.ipv6, receiver.ipv6, protocol, &datagram))
        };
        let dst = if self.dice.chance(5) { Mac::BROADCAST } else { receiver.mac };
        let frame = match self.dice.below(6) {
            0 => craft::ethernet(dst, sender.mac, craft::VLAN, &craft::tagged(7, ethertype, &packet)),
            _ => craft::ethernet(dst, sender.mac, ethertype, &packet),
        };
        let transport = match transport {
            Transport::Tcp if self.dice.chance(3) => Transport::Udp,
            other => other,
        };
        (frame, Some(Offload { transport, segment }))
    }

    /// The segments of such a packet, one behind the other, as a sender that leaves nothing to others sends them, or all but
    /// the checksum; now and then one of them is damaged.
    pub fn row(&mut self) -> Vec<Packet> {
        let access: Vec<u16> = self.plan.access.keys().copied().collect();
        let Some(port) = self.dice.pick_any(&access) else { return Vec::new() };
        let (frame, offload) = self.unfinished_frame(Who::Port(port));
        let Ok(headers) = wire::parse(&frame) else { return Vec::new() };
        if gso::check(&frame, &headers, offload).is_err() {
            return Vec::new();
        }
        let left = offload.filter(|_| self.dice.chance(20)).map(|offload| Offload { segment: 0, ..offload });
        let mut packets = gso::finish(&frame, &headers, offload);
        packets.truncate(40);
        if self.dice.chance(20) {
            let nth = self.dice.below(packets.len());
            mutate(&mut packets[nth], &mut self.dice);
            // In a row nobody keeps what is behind a packet.
            if let Ok(headers) = wire::parse(&packets[nth]) {
                packets[nth].truncate(usize::from(headers.l3 + headers.l3_len));
            }
        }
        packets.retain(|bytes| bytes.len() <= 2000);
        packets.into_iter().map(|bytes| Packet { port: PortId(port), bytes, offload: left }).collect()
    }

    fn host_at(&mut self, from: Who) -> Host {
        let locals = self.hosts_at(from);
        let any = self.dice.below(HOSTS.into()) as u8;
        Host::new(self.dice.pick_any(&locals).unwrap_or(any))
    }

    fn segment_len(&mut self) -> u16 {
        match self.dice.below(10) {
            0 => *self.dice.pick(&[1, 7, 8, 9, u16::MAX]),
            1 => self.dice.below(1600) as u16,
            2..4 => 0,
            _ => *self.dice.pick(&[536, 600, 1200, 1398, 1440, 1448]),
        }
    }

    /// Payload of some segments, often of a whole number of them.
    fn long_payload(&mut self, segment: u16) -> Vec<u8> {
        let whole = usize::from(segment.clamp(1, 1500));
        let len = match self.dice.below(8) {
            0 => self.dice.below(60_000),
            1 => whole * self.dice.below(4) + 1,
            2 => whole * self.dice.between(1, 4) - 1,
            _ => whole * self.dice.below(5),
        };
        // What is not to be cut takes an ordinary buffer.
        let len = if segment == 0 { len.min(1800) } else { len };
        (0..len).map(|_| self.dice.any() as u8).collect()
    }

    fn tcp(&mut self, payload: &[u8]) -> Vec<u8> {
        let (options, flags) = match self.dice.below(8) {
            0 => (self.tcp_options(), 0x02),
            _ => (vec![1; *self.dice.pick(&[0, 12, 40])], *self.dice.pick(&[0x10, 0x18, 0x19, 0x90])),
        };
        let words = (options.len() / 4) as u8;
        let ports = [1024 + self.dice.below(3) as u16, 80].map(u16::to_be_bytes);
        let sequence = (self.dice.any() as u32).to_be_bytes();
        let fixed = [0, 0, 0, 9, 0x50 + (words << 4), flags, 2, 0, 0xab, 0xcd, 0, 0];
        [&ports.concat()[..], &sequence, &fixed, &options, payload].concat()
    }
}
