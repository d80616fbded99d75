//! What a driver offers is tried before anybody relies on it: it is shown one packet of each kind, none of which is sent.
//! What it refuses is done in software. A device that takes all of them and sends nonsense is not found out this way.

use frame::{Frame, Offload, Pool, Takes, Transport};
use wire::{Dscp, Mac, OuterParams, OuterTemplate, Vni};

/// Octets of the payload, and of a segment: less than 256 are refused by some devices.
const PAYLOAD: usize = 1200;
const SEGMENT: u16 = 536;

const VERSION_4_IHL_5: u8 = 0x45;

/// A kind of packet that has work left.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    transport: Transport,
    is_ipv6: bool,
    is_cut: bool,
    /// The addresses of a tunnel's ends.
    outer: Option<[&'static str; 2]>,
    /// Takes away what is not taken.
    without: fn(Takes) -> Takes,
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

const KINDS: [Kind; 8] = [
    sums("TCP checksums over IPv4", Transport::Tcp, false),
    sums("TCP checksums over IPv6", Transport::Tcp, true),
    sums("UDP checksums over IPv4", Transport::Udp, false),
    sums("UDP checksums over IPv6", Transport::Udp, true),
    segments("TCP segments over IPv4", false, |takes| Takes { tcp4: false, ..takes }),
    segments("TCP segments over IPv6", true, |takes| Takes { tcp6: false, ..takes }),
    tunnelled("TCP segments in VXLAN over IPv4", ["192.0.2.1", "192.0.2.2"]),
    tunnelled("TCP segments in VXLAN over IPv6", ["2001:db8::1", "2001:db8::2"]),
];

/// What is left of `claimed` when the driver has seen one packet of each kind, and the names of those that it refused.
pub(crate) fn hold(
    claimed: Takes,
    pool: &mut impl Pool,
    mut accepts: impl FnMut(&mut Frame) -> bool,
) -> (Takes, Vec<&'static str>) {
    let (mut takes, mut refused) = (claimed, Vec::new());
    for kind in KINDS {
        if !kind.is_in(takes) {
            continue;
        }
        let Some(mut frame) = pool.alloc() else { continue };
        if kind.fill(&mut frame) && !accepts(&mut frame) {
            takes = (kind.without)(takes);
            refused.push(kind.name);
        }
        pool.release_one(frame);
    }
    (takes, refused)
}

impl Kind {
    fn is_in(self, takes: Takes) -> bool {
        let is_cut = !self.is_cut || takes.super_frames(self.transport, self.is_ipv6);
        takes.checksum && is_cut && (self.outer.is_none() || takes.tunnel)
    }

    /// Makes `frame` such a packet; `false` where its buffer is too small for one.
    fn fill(self, frame: &mut Frame) -> bool {
        let outer = self.outer.and_then(outer);
        let outer_len = outer.map_or(0, |outer| outer.len());
        let mut packet = vec![0; outer_len];
        packet.extend(self.packet());
        if outer.is_some_and(|outer| !outer.write_unsummed(&mut packet, 50_000, 1, 0)) || !frame.write(&packet) {
            return false;
        }
        let segment = if self.is_cut { SEGMENT } else { 0 };
        frame.set_offload(Some(Offload { transport: self.transport, segment }));
        frame.set_outer_len(outer_len as u8);
        true
    }

    fn packet(self) -> Vec<u8> {
        let (protocol, ports) = (self.transport.protocol(), [0x0f, 0xa0, 0x13, 0x88]);
        let header = match self.transport {
            Transport::Tcp => [&ports[..], &[0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0]].concat(),
            Transport::Udp => [&ports[..], &(8 + PAYLOAD as u16).to_be_bytes(), &[0, 0]].concat(),
        };
        let octets = (header.len() + PAYLOAD) as u16;
        let network = if self.is_ipv6 {
            [&[0x60, 0, 0, 0][..], &octets.to_be_bytes(), &[protocol, 64], &[0xfd; 32]].concat()
        } else {
            let total = (20 + octets).to_be_bytes();
            [&[VERSION_4_IHL_5, 0][..], &total, &[0, 1, 0x40, 0, 64, protocol, 0, 0], &[10; 8]].concat()
        };
        let ethertype: [u8; 2] = if self.is_ipv6 { [0x86, 0xdd] } else { [8, 0] };
        [&[2; 12][..], &ethertype, &network, &header, &[0; PAYLOAD]].concat()
    }
}

/// The outer header of a tunnel between two addresses, whose UDP checksum is left to the device, too.
fn outer([src, dst]: [&str; 2]) -> Option<OuterTemplate> {
    let (src, dst, mac) = (src.parse().ok()?, dst.parse().ok()?, Mac::new([2; 6]));
    let (ttl, udp_dst, df, checksum, dscp) = (64, 4789, true, true, Dscp::Inherit);
    let params =
        OuterParams { dst_mac: mac, src_mac: mac, src, dst, udp_dst, ttl, dscp, df, checksum, vni: Vni::new(7)? };
    OuterTemplate::new(&params).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::Work;
    use frame::HeapPool;

    const ALL: Takes = Takes { checksum: true, tcp4: true, tcp6: true, udp: false, tunnel: true };

    /// What is left of `claimed` before a driver that refuses the shown packets of those numbers, and what was refused.
    fn held(claimed: Takes, refuses: &[usize]) -> (Takes, Vec<&'static str>, usize) {
        let (mut pool, mut shown) = (HeapPool::new(1, 2048), 0);
        let found = hold(claimed, &mut pool, |frame| {
            assert!(Work::of(frame, true).is_some_and(|work| work.longest <= 1500), "a packet as it should be");
            shown += 1;
            !refuses.contains(&(shown - 1))
        });
        assert_eq!(pool.used(), 0);
        (found.0, found.1, shown)
    }

    #[test]
    fn a_driver_that_takes_what_it_offers_is_left_all_of_it() {
        assert_eq!(held(ALL, &[]), (ALL, vec![], 8));
        let sums = Takes { checksum: true, ..Takes::default() };
        assert_eq!(held(sums, &[]), (sums, vec![], 4), "what it does not offer is not tried");
        assert_eq!(held(Takes::default(), &[]), (Takes::default(), vec![], 0));
    }

    #[test]
    fn what_a_driver_claims_and_refuses_is_found_out_by_name_and_not_left_to_it() {
        assert_eq!(held(ALL, &[5]), (Takes { tcp6: false, ..ALL }, vec!["TCP segments over IPv6"], 8));
        let without = Takes { tcp4: false, ..ALL };
        assert_eq!(held(ALL, &[4]), (without, vec!["TCP segments over IPv4"], 6), "tunnels are tried with IPv4");
        assert_eq!(held(ALL, &[7]), (Takes { tunnel: false, ..ALL }, vec!["TCP segments in VXLAN over IPv6"], 8));
        assert_eq!(held(ALL, &[2]), (Takes::default(), vec!["UDP checksums over IPv4"], 3), "all else rests on them");
    }

    #[test]
    fn where_no_buffer_is_large_enough_nothing_is_tried() {
        let mut pool = HeapPool::new(1, 100);
        assert_eq!(hold(ALL, &mut pool, |_| panic!("nothing to show")), (ALL, vec![]));
    }
}
