use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet},
    phy::ChecksumCapabilities,
    socket::icmp,
    time::Instant,
    wire::{EthernetAddress, HardwareAddress, Icmpv4Packet, Icmpv4Repr, IpAddress, IpCidr},
};

use super::{device::Link, *};

const UPLINK: PortId = PortId(3);
const OURS: Mac = Mac::new([2, 0, 0, 0, 0, 1]);
const PEER: [u8; 6] = [2, 0, 0, 0, 0, 2];
const OUR_IP: [u8; 4] = [192, 0, 2, 1];
const PEER_IP: [u8; 4] = [192, 0, 2, 2];
const IDENT: u16 = 0x22b;

fn attachments(address: [u8; 4]) -> BTreeMap<PortId, Attachment> {
    let attachment =
        Attachment { mac: OURS, mtu: 1500, addresses: vec![(address.into(), 24)], gateway: None, gateway6: None };
    BTreeMap::from([(UPLINK, attachment)])
}

fn host() -> Host {
    let mut host = Host::new();
    host.configure(&attachments(OUR_IP), Duration::ZERO);
    host
}

/// A smoltcp station on the uplink that pings.
struct Peer {
    interface: Interface,
    link: Link,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
}

impl Peer {
    fn new() -> Peer {
        let mut link = Link::new(64, 1500);
        let config = Config::new(HardwareAddress::Ethernet(EthernetAddress(PEER)));
        let mut interface = Interface::new(config, &mut link, Instant::ZERO);
        interface.update_ip_addrs(|list| list.push(IpCidr::new(IpAddr::from(PEER_IP).into(), 24)).unwrap());
        let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 16], vec![0; 32_768]);
        let mut socket = icmp::Socket::new(buffer(), buffer());
        socket.bind(icmp::Endpoint::Ident(IDENT)).unwrap();
        let mut sockets = SocketSet::new(vec![]);
        let socket = sockets.add(socket);
        Peer { interface, link, sockets, socket }
    }

    fn ping(&mut self, seq_no: u16, data: &[u8]) {
        let request = Icmpv4Repr::EchoRequest { ident: IDENT, seq_no, data };
        let socket = self.sockets.get_mut::<icmp::Socket>(self.socket);
        let room = socket.send(request.buffer_len(), IpAddress::from(IpAddr::from(OUR_IP))).unwrap();
        request.emit(&mut Icmpv4Packet::new_unchecked(room), &ChecksumCapabilities::default());
    }

    fn answered(&mut self) -> Vec<(u16, Vec<u8>)> {
        let socket = self.sockets.get_mut::<icmp::Socket>(self.socket);
        let mut answers = Vec::new();
        while socket.can_recv() {
            let (octets, from) = socket.recv().unwrap();
            assert_eq!(from, IpAddress::from(IpAddr::from(OUR_IP)));
            let packet = Icmpv4Packet::new_checked(octets).unwrap();
            match Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()).unwrap() {
                Icmpv4Repr::EchoReply { ident: IDENT, seq_no, data } => answers.push((seq_no, data.to_vec())),
                other => panic!("not an echo reply: {other:?}"),
            }
        }
        answers
    }

    fn send_all(&mut self, now: Duration) -> Vec<Vec<u8>> {
        self.interface.poll(Instant::from_micros(now.as_micros() as i64), &mut self.link, &mut self.sockets);
        self.link.departed.drain(..).collect()
    }

    fn receive(&mut self, frame: &[u8], now: Duration) -> Vec<Vec<u8>> {
        self.link.arrived = Some(frame.to_vec());
        self.send_all(now)
    }
}

/// Carries frames between host and peer until neither has anything to say; returns how many crossed.
fn converse(host: &mut Host, peer: &mut Peer, now: Duration) -> usize {
    let mut to_host = peer.send_all(now);
    let mut crossed = 0;
    loop {
        for frame in to_host.drain(..) {
            crossed += 1;
            host.receive(UPLINK, &frame).unwrap();
        }
        let mut to_peer = Vec::new();
        host.poll(now, |port, frame| {
            assert_eq!(port, UPLINK);
            to_peer.push(frame.to_vec());
        });
        crossed += to_peer.len();
        for frame in to_peer {
            to_host.extend(peer.receive(&frame, now));
        }
        if to_host.is_empty() {
            return crossed;
        }
    }
}

#[test]
fn a_ping_is_answered_octet_for_octet_after_arp() {
    let (mut host, mut peer) = (host(), Peer::new());
    let data: Vec<u8> = (0..1400).map(|i| i as u8).collect();
    peer.ping(7, &data);
    // ARP request, ARP reply, echo request, echo reply.
    assert_eq!(converse(&mut host, &mut peer, Duration::from_millis(1)), 4);
    assert_eq!(peer.answered(), [(7, data)]);
}

#[test]
fn an_echo_request_of_a_station_that_forgot_nothing_is_answered_although_we_forgot_it() {
    let (mut host, mut peer) = (host(), Peer::new());
    peer.ping(1, b"one");
    converse(&mut host, &mut peer, Duration::from_millis(1));
    assert_eq!(peer.answered().len(), 1);
    // A restarted host knows nobody; the peer still knows us and sends without asking.
    host = self::host();
    let now = Duration::from_secs(30);
    peer.ping(2, b"two");
    // Echo request, our ARP request, its reply, our echo reply.
    assert_eq!(converse(&mut host, &mut peer, now), 4);
    assert_eq!(peer.answered(), [(2, b"two".to_vec())]);
    assert_eq!(host.next_due(), None);
}

#[test]
fn an_echo_request_nobody_can_be_found_for_is_given_up() {
    let (mut host, mut peer) = (host(), Peer::new());
    peer.ping(1, b"one");
    converse(&mut host, &mut peer, Duration::from_millis(1));
    host = self::host();
    peer.ping(2, b"two");
    for frame in peer.send_all(Duration::from_secs(30)) {
        host.receive(UPLINK, &frame).unwrap();
    }
    let mut requests = 0;
    for second in 30..60 {
        host.poll(Duration::from_secs(second), |_, frame| {
            assert_eq!(frame[12..14], [8, 6], "only ARP requests");
            requests += 1;
        });
    }
    assert_eq!(requests, 4);
    assert_eq!(host.next_due(), None);
}

#[test]
fn a_new_address_is_answered_for_and_the_old_one_no_longer() {
    let (mut host, mut peer) = (host(), Peer::new());
    host.configure(&attachments([192, 0, 2, 77]), Duration::from_secs(1));
    peer.ping(1, b"old");
    converse(&mut host, &mut peer, Duration::from_secs(2));
    assert!(peer.answered().is_empty());
    host.configure(&attachments(OUR_IP), Duration::from_secs(3));
    converse(&mut host, &mut peer, Duration::from_secs(5));
    assert_eq!(peer.answered().len(), 1);
}

#[test]
fn what_the_node_does_not_speak_is_refused_and_the_queue_is_bounded() {
    let mut host = host();
    assert_eq!(host.receive(PortId(9), &[0; 60]), Err(Refused::NoUplink));
    assert_eq!(host.receive(UPLINK, &[0; 60]), Err(Refused::NotSpoken));
    let mut arp = [0; 60];
    arp[12..14].copy_from_slice(&[8, 6]);
    let taken = (0..10_000).take_while(|_| host.receive(UPLINK, &arp).is_ok()).count();
    assert_eq!(taken, 256);
    assert_eq!(host.receive(UPLINK, &arp), Err(Refused::QueueFull));
}

#[test]
fn impossible_addresses_do_no_harm() {
    let mut uplinks = attachments([255, 255, 255, 255]);
    for extra in ["0.0.0.0", "224.0.0.1", "ff02::1", "::", "10.0.0.1", "fe80::1"] {
        let Some(uplink) = uplinks.get_mut(&UPLINK) else { panic!("it is there") };
        uplink.addresses.push((extra.parse().unwrap(), 200));
    }
    for i in 0..20 {
        uplinks.get_mut(&UPLINK).unwrap().addresses.push((IpAddr::from([10, 1, 0, i]), 24));
    }
    let mut host = Host::new();
    host.configure(&uplinks, Duration::ZERO);
    uplinks.get_mut(&UPLINK).unwrap().mac = Mac::BROADCAST;
    host.configure(&uplinks, Duration::ZERO);
    assert_eq!(host.receive(UPLINK, &[0; 60]), Err(Refused::NoUplink));
}

#[test]
fn mutated_frames_never_stop_the_host() {
    let (mut host, mut peer) = (host(), Peer::new());
    peer.ping(1, &[0x55; 100]);
    let mut seeds = peer.send_all(Duration::ZERO);
    host.receive(UPLINK, &seeds[0]).unwrap();
    let mut replies = Vec::new();
    host.poll(Duration::ZERO, |_, frame| replies.push(frame.to_vec()));
    for reply in &replies {
        seeds.extend(peer.receive(reply, Duration::ZERO));
    }
    assert_eq!(seeds.len(), 2, "an ARP request and an echo request");
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    for round in 0..20_000_u64 {
        let mut frame = seeds[next() % seeds.len()].clone();
        for _ in 0..next() % 8 {
            let at = next() % frame.len();
            frame[at] = next() as u8;
        }
        frame.truncate(next() % (frame.len() + 1) + frame.len() / 2);
        let _taken_or_refused = host.receive(UPLINK, &frame);
        host.poll(Duration::from_millis(round), |_, reply| assert!(reply.len() >= 14));
    }
}
