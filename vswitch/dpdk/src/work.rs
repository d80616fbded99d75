//! What is left of a frame to the device that sends it, as drivers want it told: flags and the length of every header.
//!
//! For tunnels this follows DPDK's documentation and has been run by no device: no virtual one takes them.

use dpdk_sys::{
    MILLRACE_TX_IP_CHECKSUM, MILLRACE_TX_IPV4, MILLRACE_TX_IPV6, MILLRACE_TX_OUTER_IP_CHECKSUM, MILLRACE_TX_OUTER_IPV4,
    MILLRACE_TX_OUTER_IPV6, MILLRACE_TX_OUTER_UDP_CHECKSUM, MILLRACE_TX_VXLAN,
};
use frame::Frame;
use wire::gso::{Layout, Lengths, OuterLengths};

/// Where the lengths lie in `rte_mbuf`'s `tx_offload`.
const L3_AT: u32 = 7;
const L4_AT: u32 = 16;
const SEGMENT_AT: u32 = 24;
const OUTER_L3_AT: u32 = 40;
const OUTER_L2_AT: u32 = 49;

/// What a driver is told of an unfinished frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// Flags beside those that the frame has.
    pub(crate) flags: u64,
    /// `tx_offload`.
    pub(crate) lengths: u64,
    /// Octets of the longest frame that comes of it.
    pub(crate) longest: usize,
}

impl Work {
    /// What is left of a frame; `None` where it is nothing that anybody could do. A device that does not write the checksum of
    /// IPv4 headers (`sums_ipv4`) is not told to: others behind it do, as behind virtio.
    pub(crate) fn of(frame: &Frame, sums_ipv4: bool) -> Option<Work> {
        let offload = frame.offload()?;
        let layout = Layout::behind(frame.data(), frame.outer_len(), offload.transport.protocol()).ok()?;
        let Lengths { outer, l2, l3, l4 } = layout.lengths();
        let is_summed = sums_ipv4 && offload.segment > 0;
        let mut work = Work {
            flags: match layout.is_ipv6() {
                true => MILLRACE_TX_IPV6,
                false => MILLRACE_TX_IPV4 | if is_summed { MILLRACE_TX_IP_CHECKSUM } else { 0 },
            },
            lengths: l2 as u64 | (l3 as u64) << L3_AT | (l4 as u64) << L4_AT | u64::from(offload.segment) << SEGMENT_AT,
            longest: layout.longest(frame.len(), offload.segment),
        };
        if let Some(OuterLengths { l2, l3, is_ipv6 }) = outer {
            let is_unsummed = frame.data().get(l2 + l3 + 6..l2 + l3 + 8).is_none_or(|sum| sum == [0, 0]);
            work.flags |=
                if is_ipv6 { MILLRACE_TX_OUTER_IPV6 } else { MILLRACE_TX_OUTER_IPV4 | MILLRACE_TX_OUTER_IP_CHECKSUM };
            work.flags |= MILLRACE_TX_VXLAN | if is_unsummed { 0 } else { MILLRACE_TX_OUTER_UDP_CHECKSUM };
            work.lengths |= (l3 as u64) << OUTER_L3_AT | (l2 as u64) << OUTER_L2_AT;
        }
        Some(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame::{HeapPool, Offload, Pool, Transport};
    use wire::{Dscp, Mac, OuterParams, OuterTemplate, Vni};

    /// A TCP packet of 100 octets of payload over IPv4 in an untagged frame.
    fn tcp() -> Vec<u8> {
        let mut frame = [&[2; 12][..], &[8, 0, 0x45, 0, 0, 140, 0, 1, 0x40, 0, 64, 6, 0, 0], &[10; 8]].concat();
        frame.extend([0x10, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
        frame.extend([7; 100]);
        frame
    }

    fn work(packet: &[u8], outer: u8, segment: u16, sums_ipv4: bool) -> Option<Work> {
        let mut pool = HeapPool::new(1, 2048);
        let mut frame = pool.alloc().unwrap();
        assert!(frame.write(packet));
        frame.set_offload(Some(Offload { transport: Transport::Tcp, segment }));
        frame.set_outer_len(outer);
        let work = Work::of(&frame, sums_ipv4);
        pool.release_one(frame);
        work
    }

    #[test]
    fn a_driver_is_told_where_the_headers_are_and_what_is_left() {
        let lengths = 14 | 20 << 7 | 20 << 16;
        let whole = Work { flags: MILLRACE_TX_IPV4, lengths, longest: 154 };
        assert_eq!(work(&tcp(), 0, 0, true), Some(whole), "the header's checksum is right");
        let cut = Work { lengths: lengths | 40 << 24, longest: 94, ..whole };
        assert_eq!(work(&tcp(), 0, 40, false), Some(cut));
        assert_eq!(work(&tcp(), 0, 40, true), Some(Work { flags: MILLRACE_TX_IPV4 | MILLRACE_TX_IP_CHECKSUM, ..cut }));
        assert_eq!(work(&tcp()[..60], 0, 40, true), None, "a packet that ends before it should");
    }

    #[test]
    fn behind_an_outer_header_a_driver_is_told_of_both() {
        for (checksum, src, dst, outer_l3, flags) in [
            (false, "192.0.2.1", "192.0.2.2", 20, MILLRACE_TX_OUTER_IPV4 | MILLRACE_TX_OUTER_IP_CHECKSUM),
            (true, "2001:db8::1", "2001:db8::2", 40, MILLRACE_TX_OUTER_IPV6 | MILLRACE_TX_OUTER_UDP_CHECKSUM),
        ] {
            let (src, dst) = (src.parse().unwrap(), dst.parse().unwrap());
            let (mac, dscp, vni) = (Mac::new([2; 6]), Dscp::Inherit, Vni::new(7).unwrap());
            let (ttl, udp_dst, df) = (64, 4789, true);
            let params = OuterParams { dst_mac: mac, src_mac: mac, src, dst, udp_dst, ttl, dscp, df, checksum, vni };
            let outer = OuterTemplate::new(&params).unwrap();
            let mut packet = [&vec![0; outer.len()][..], &tcp()].concat();
            assert!(outer.write_unsummed(&mut packet, 50_000, 1, 0));
            let told = work(&packet, outer.len() as u8, 40, true).unwrap();
            assert_eq!(told.flags, flags | MILLRACE_TX_VXLAN | MILLRACE_TX_IPV4 | MILLRACE_TX_IP_CHECKSUM);
            assert_eq!(told.lengths, 30 | 20 << 7 | 20 << 16 | 40 << 24 | outer_l3 << 40 | 14 << 49);
            assert_eq!(told.longest, outer.len() + 94);
        }
    }
}
