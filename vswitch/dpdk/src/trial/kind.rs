//! The kinds of packets with work left that a driver is tried with, and what has to become of each.

use frame::{Frame, Offload, Takes, Transport};
use wire::{
    Dscp, Mac, OuterParams, OuterTemplate, Vni,
    gso::{Cut, Layout, complete},
};

/// Octets of payload in a segment, and in a packet that is not cut: less than 256 are refused by some devices, and the
/// smallest MTU leaves no more.
const SEGMENT: u16 = 400;

/// Octets of payload that are cut, where a buffer holds so many: more than 16 KiB, which are too many for some drivers, and more
/// segments than 64, likewise.
const PAYLOAD: usize = 60_000;

const VERSION_4_IHL_5: u8 = 0x45;

/// A MAC, in the order of the wire.
pub(crate) type MacOctets = [u8; 6];

/// A kind of packet that has work left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    transport: Transport,
    is_ipv6: bool,
    is_cut: bool,
    /// The addresses of a tunnel's ends.
    outer: Option<[&'static str; 2]>,
    /// Takes away what is not taken.
    pub(crate) without: fn(Takes) -> Takes,
}

/// Who a packet is from and to, so that none of the wire is taken for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) src: MacOctets,
    pub(crate) dst: MacOctets,
}

const fn nothing(_: Takes) -> Takes {
    Takes { checksum: false, tcp4: false, tcp6: false, udp: false, tunnel: false }
}

const fn sums(name: &'static str, transport: Transport, is_ipv6: bool) -> Kind {
    Kind { name, transport, is_ipv6, is_cut: false, outer: None, without: nothing }
}

const fn segments(name: &'static str, is_ipv6: bool, without: fn(Takes) -> Takes) -> Kind {
    Kind { name, transport: Transport::Tcp, is_ipv6, is_cut: true, outer: None, without }
}

const fn tunnelled(name: &'static str, outer: [&'static str; 2]) -> Kind {
    let without = |takes| Takes { tunnel: false, ..takes };
    Kind { outer: Some(outer), ..segments(name, false, without) }
}

pub(crate) const KINDS: [Kind; 8] = [
    sums("TCP checksums over IPv4", Transport::Tcp, false),
    sums("TCP checksums over IPv6", Transport::Tcp, true),
    sums("UDP checksums over IPv4", Transport::Udp, false),
    sums("UDP checksums over IPv6", Transport::Udp, true),
    segments("TCP segments over IPv4", false, |takes| Takes { tcp4: false, ..takes }),
    segments("TCP segments over IPv6", true, |takes| Takes { tcp6: false, ..takes }),
    tunnelled("TCP segments in VXLAN over IPv4", ["192.0.2.1", "192.0.2.2"]),
    tunnelled("TCP segments in VXLAN over IPv6", ["2001:db8::1", "2001:db8::2"]),
];

impl Kind {
    pub(crate) fn is_in(self, takes: Takes) -> bool {
        let is_cut = !self.is_cut || takes.super_frames(self.transport, self.is_ipv6);
        takes.checksum && is_cut && (self.outer.is_none() || takes.tunnel)
    }

    /// Whether a packet of it is as long as packets get, and so should the buffer be.
    pub(crate) fn is_long(self) -> bool {
        self.is_cut
    }

    /// Makes `frame` such a packet, as long as it has room for; `false` where that is too little.
    pub(crate) fn fill(self, frame: &mut Frame, ends: Ends) -> bool {
        let (long, short) = (PAYLOAD, usize::from(SEGMENT) * 3);
        match self.is_cut {
            true => self.fill_with(frame, ends, long) || self.fill_with(frame, ends, short),
            false => self.fill_with(frame, ends, usize::from(SEGMENT)),
        }
    }

    fn fill_with(self, frame: &mut Frame, ends: Ends, payload: usize) -> bool {
        let outer = self.outer.and_then(|vteps| outer(vteps, ends));
        let outer_len = outer.map_or(0, |outer| outer.len());
        let mut packet = vec![0; outer_len];
        packet.extend(self.packet(ends, payload));
        if outer.is_some_and(|outer| !outer.write_unsummed(&mut packet, 50_000, 1, 0)) || !frame.write(&packet) {
            return false;
        }
        let segment = if self.is_cut { SEGMENT } else { 0 };
        frame.set_offload(Some(Offload { transport: self.transport, segment }));
        frame.set_outer_len(outer_len as u8);
        true
    }

    fn packet(self, ends: Ends, payload: usize) -> Vec<u8> {
        let (protocol, ports) = (self.transport.protocol(), [0x0f, 0xa0, 0x13, 0x88]);
        let header = match self.transport {
            Transport::Tcp => [&ports[..], &[0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0]].concat(),
            Transport::Udp => [&ports[..], &(8 + payload as u16).to_be_bytes(), &[0, 0]].concat(),
        };
        let octets = (header.len() + payload) as u16;
        let network = if self.is_ipv6 {
            [&[0x60, 0, 0, 0][..], &octets.to_be_bytes(), &[protocol, 64], &[0xfd; 32]].concat()
        } else {
            let total = (20 + octets).to_be_bytes();
            [&[VERSION_4_IHL_5, 0][..], &total, &[0, 1, 0x40, 0, 64, protocol, 0, 0], &[10; 8]].concat()
        };
        let ethertype: [u8; 2] = if self.is_ipv6 { [0x86, 0xdd] } else { [8, 0] };
        // No two segments have the same payload.
        let payload: Vec<u8> = (0..payload).map(|at| (at + at / 251) as u8).collect();
        [&ends.dst[..], &ends.src, &ethertype, &network, &header, &payload].concat()
    }
}

/// What has to become of an unfinished frame: what the switch itself makes of it.
pub(crate) fn finished(frame: &Frame) -> Option<Vec<Vec<u8>>> {
    let offload = frame.offload()?;
    let layout = Layout::behind(frame.data(), frame.outer_len(), offload.transport.protocol()).ok()?;
    if offload.segment == 0 {
        let mut packet = frame.data().to_vec();
        complete(&mut packet, &layout);
        return Some(vec![packet]);
    }
    let cut = Cut::new(frame.data(), layout, offload.segment)?;
    let segment = |nth| {
        let mut packet = vec![0; cut.len_of(nth)];
        cut.write(nth, &mut packet).then_some(packet)
    };
    (0..cut.count()).map(segment).collect()
}

/// The outer header of a tunnel between two addresses, whose UDP checksum is left to the device, too.
fn outer([src, dst]: [&str; 2], ends: Ends) -> Option<OuterTemplate> {
    let (src, dst, dst_mac, src_mac) = (src.parse().ok()?, dst.parse().ok()?, Mac::new(ends.dst), Mac::new(ends.src));
    let (ttl, udp_dst, df, checksum, dscp) = (64, 4789, true, true, Dscp::Inherit);
    let params = OuterParams { dst_mac, src_mac, src, dst, udp_dst, ttl, dscp, df, checksum, vni: Vni::new(7)? };
    OuterTemplate::new(&params).ok()
}
