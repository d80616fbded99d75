//! The packets a measurement sends: small, and of as many flows as it asks for.

use std::net::{IpAddr, Ipv4Addr};

use wire::{
    Dscp, Mac, OuterParams, OuterTemplate, Vni, ethernet, flow_hash, ipv4, parse, protocol, source_port, udp, vxlan,
};

use crate::random::Random;

/// Octets of an inner frame, without FCS.
pub(crate) const INNER_LEN: usize = 64;

/// The flows one load can tell apart: what fits the lower half of 10.0.0.0/8.
pub(crate) const FLOWS_MAX: u32 = 1 << 23;

/// Packets of a load with fewer flows; a replayed capture must fill bursts.
const PACKETS_MIN: u32 = 1024;

/// The VTEP a load of tunnel packets is sent to, and the one it comes from.
pub(crate) const LOCAL_VTEP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const REMOTE_VTEP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// The MACs of these VTEPs.
pub(crate) const LOCAL_VTEP_MAC: Mac = Mac::new([0x02, 0xff, 0, 0, 0, 1]);
pub(crate) const REMOTE_VTEP_MAC: Mac = Mac::new([0x02, 0xff, 0, 0, 0, 2]);

/// The network tunnel packets are for.
pub(crate) const NETWORK: u32 = 100;

/// What the packets look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shape {
    /// Frames as hosts send them: for switching and encap.
    Plain,
    /// The same frames inside VXLAN: for decap.
    Vxlan,
}

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Shape::Plain => "plain",
            Shape::Vxlan => "vxlan",
        }
    }
}

/// A reproducible set of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) shape: Shape,
    /// Different five-tuples, 1 to [`FLOWS_MAX`].
    pub(crate) flows: u32,
    /// Different pairs of MACs; at most one per flow is used.
    pub(crate) mac_pairs: u32,
    pub(crate) seed: u64,
}

impl Load {
    /// How many packets there are: each flow is in as many as any other, or in one more.
    pub(crate) fn packet_count(&self) -> u32 {
        self.flows.max(PACKETS_MIN)
    }

    /// The packets, flows in random order, so that neighbours share no cache line of a table.
    pub(crate) fn packets(&self) -> impl Iterator<Item = Vec<u8>> + use<> {
        self.part(0, 1)
    }

    /// Those of one of so many parts: what has the same MACs is in the same part, so that no station is behind two ports.
    pub(crate) fn part(&self, part: u32, parts: u32) -> impl Iterator<Item = Vec<u8>> + use<> {
        let load = *self;
        let mut random = Random::new(load.seed);
        let mut order: Vec<u32> = (0..load.packet_count()).map(|n| n % load.flows.clamp(1, FLOWS_MAX)).collect();
        random.shuffle(&mut order);
        let is_in_part = move |flow: &u32| load.pair(*flow) % parts.max(1) == part;
        order.into_iter().filter(is_in_part).map(move |flow| load.packet(flow))
    }

    /// Which pair of MACs a flow has.
    fn pair(&self, flow: u32) -> u32 {
        flow % self.mac_pairs.max(1)
    }

    fn packet(&self, flow: u32) -> Vec<u8> {
        let inner = self.inner(flow);
        match self.shape {
            Shape::Plain => inner,
            Shape::Vxlan => encapsulated(&inner),
        }
    }

    /// The frame of one flow. The flow's number is in the source address, so no two are the same; all else is random.
    fn inner(&self, flow: u32) -> Vec<u8> {
        let mut random = Random::new(self.seed ^ (u64::from(flow) << 32 | 0x6d69_6c6c));
        let pair = self.pair(flow);
        let src = Ipv4Addr::from(0x0a00_0000 | flow);
        let dst = Ipv4Addr::from(0x0a80_0000 | random.below(1 << 23) as u32);
        let port = |random: &mut Random| 1024 + random.below(64_512) as u16;
        let (src_port, dst_port) = (port(&mut random), port(&mut random));
        let mut frame = vec![0; INNER_LEN];
        let link = ethernet::Repr { dst: mac(2, pair), src: mac(1, pair), ethertype: ethernet::IPV4 };
        link.emit(&mut ethernet::Header::new_unchecked(&mut frame[..]));
        let packet = &mut frame[ethernet::HEADER_LEN..];
        let payload_len = (packet.len() - ipv4::HEADER_LEN) as u16;
        let (protocol, tos, ttl, id) = (protocol::UDP, 0, 64, 0);
        let network = ipv4::Repr { src, dst, protocol, payload_len, tos, ttl, id, dont_fragment: true };
        network.emit(&mut ipv4::Packet::new_unchecked(&mut packet[..]));
        let payload_len = payload_len - udp::HEADER_LEN as u16;
        let mut datagram = udp::Datagram::new_unchecked(&mut packet[ipv4::HEADER_LEN..]);
        udp::Repr { src_port, dst_port, payload_len }.emit(&mut datagram);
        datagram.fill_checksum(IpAddr::V4(src), IpAddr::V4(dst));
        frame
    }
}

/// One of the two hosts of a pair.
pub(crate) fn mac(side: u8, pair: u32) -> Mac {
    let [a, b, c, d] = pair.to_be_bytes();
    Mac::new([0x02 | side << 2, a, b, c, d, side])
}

/// The frame as the remote VTEP sends it to the local one.
fn encapsulated(inner: &[u8]) -> Vec<u8> {
    let params = OuterParams {
        dst_mac: LOCAL_VTEP_MAC,
        src_mac: REMOTE_VTEP_MAC,
        src: IpAddr::V4(REMOTE_VTEP),
        dst: IpAddr::V4(LOCAL_VTEP),
        udp_dst: vxlan::PORT,
        ttl: 64,
        dscp: Dscp::Fixed(0),
        df: true,
        checksum: false,
        vni: Vni::new(NETWORK).expect("the constant is below 2^24"),
    };
    let template = OuterTemplate::new(&params).expect("both VTEPs have an IPv4 address");
    let hash = flow_hash(inner, &parse(inner).expect("a generated frame is well-formed"));
    let mut frame = vec![0; template.len()];
    frame.extend(inner);
    assert!(template.write(&mut frame, source_port(hash), 0, 0), "a small frame fits an IPv4 packet");
    frame
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use wire::{L3, parse_outer};

    use super::*;

    const LOAD: Load = Load { shape: Shape::Plain, flows: 3000, mac_pairs: 64, seed: 1 };

    fn five_tuple(frame: &[u8]) -> (IpAddr, IpAddr, u16, u16) {
        let parsed = parse(frame).unwrap();
        assert_eq!((parsed.l3_kind, parsed.protocol), (L3::Ipv4, protocol::UDP));
        let ((src, dst), (from, to)) = (parsed.addresses(frame).unwrap(), parsed.ports(frame).unwrap());
        (src, dst, from, to)
    }

    #[test]
    fn parts_make_the_whole_and_share_no_mac() {
        let parts: Vec<Vec<_>> = (0..4).map(|part| LOAD.part(part, 4).collect()).collect();
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), LOAD.packets().count());
        let macs = |part: &Vec<Vec<u8>>| part.iter().map(|frame| frame[6..12].to_vec()).collect::<HashSet<_>>();
        let all: HashSet<_> = parts.iter().flat_map(macs).collect();
        assert_eq!((all.len(), parts.iter().map(|part| macs(part).len()).sum::<usize>()), (64, 64));
    }

    #[test]
    fn a_load_has_as_many_flows_and_macs_as_it_says() {
        let packets: Vec<_> = LOAD.packets().collect();
        assert_eq!(packets.len(), 3000);
        assert!(packets.iter().all(|packet| packet.len() == INNER_LEN));
        assert_eq!(packets.iter().map(|packet| five_tuple(packet)).collect::<HashSet<_>>().len(), 3000);
        let macs: HashSet<_> = packets.iter().map(|packet| packet[..12].to_vec()).collect();
        assert_eq!(macs.len(), 64);
        assert!(packets.iter().all(|p| parse(p).is_ok_and(|p| p.src.is_unicast() && p.dst.is_unicast())));
    }

    #[test]
    fn few_flows_still_fill_bursts() {
        let packets: Vec<_> = Load { flows: 1, ..LOAD }.packets().collect();
        assert_eq!(packets.len(), 1024);
        assert!(packets.iter().all(|packet| *packet == packets[0]));
    }

    #[test]
    fn a_seed_makes_the_same_load_again_and_another_seed_another() {
        assert!(LOAD.packets().eq(LOAD.packets()));
        assert!(!LOAD.packets().eq(Load { seed: 2, ..LOAD }.packets()));
    }

    #[test]
    fn tunnel_packets_carry_the_plain_ones_to_our_vtep() {
        let tunnelled = Load { shape: Shape::Vxlan, ..LOAD };
        for (outer, inner) in tunnelled.packets().zip(LOAD.packets()).take(100) {
            let parsed = parse(&outer).unwrap();
            let header = parse_outer(&outer, &parsed).unwrap().unwrap();
            assert_eq!(header.vni.get(), NETWORK);
            assert_eq!(outer[outer.len() - INNER_LEN..], inner);
        }
    }

    #[test]
    fn checksums_are_right() {
        for frame in LOAD.packets().take(100) {
            let (src, dst, ..) = five_tuple(&frame);
            let packet = ipv4::Packet::new_unchecked(&frame[ethernet::HEADER_LEN..]);
            assert!(packet.verify_checksum());
            assert!(udp::Datagram::new_unchecked(packet.payload()).verify_checksum(src, dst));
        }
    }
}
