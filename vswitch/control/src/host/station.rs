//! The node on one uplink: a smoltcp interface that answers ARP and ICMP echo for the uplink's addresses; neighbour
//! solicitations are answered beside it.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use smoltcp::{
    iface::{Config, Interface, PollIngressSingleResult, SocketSet},
    time::Instant,
    wire::{
        EthernetAddress, EthernetFrame, EthernetProtocol, HardwareAddress, Icmpv4Message, Icmpv4Packet, Icmpv6Message,
        Icmpv6Packet, IpCidr, IpProtocol, Ipv4Packet, Ipv6Packet,
    },
};

use super::{Attachment, Refused, advertise, device::Link};

/// Frames that may wait for the station, and that it may have waiting to be sent.
const QUEUE_MAX: usize = 256;
/// Echo requests that may wait until the sender's MAC is known.
const PARKED_MAX: usize = 16;
/// How often a parked echo request is tried again before it is given up.
const PARKED_TRIES: u8 = 3;
/// Time between two tries: just longer than smoltcp's own pause between two questions for one neighbour.
const PARKED_PAUSE: Duration = Duration::from_millis(1100);

/// The node's own stack on one uplink.
pub(super) struct Station {
    attachment: Attachment,
    interface: Interface,
    link: Link,
    inbox: VecDeque<Vec<u8>>,
    parked: VecDeque<Parked>,
}

/// An echo request whose answer could not be sent, because smoltcp had to ask for the sender's MAC first and does not
/// keep the answer meanwhile. It is received again when a neighbour was heard, or after a pause.
struct Parked {
    frame: Vec<u8>,
    due: Duration,
    tries_left: u8,
}

/// What a frame is to the host stack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// ARP, or a neighbour advertisement.
    Neighbour,
    /// Who has an IPv6 address?
    Solicitation,
    EchoRequest,
    Icmp,
    Other,
}

fn instant(now: Duration) -> Instant {
    Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

fn kind_of(frame: &[u8]) -> Kind {
    let Ok(ethernet) = EthernetFrame::new_checked(frame) else { return Kind::Other };
    match ethernet.ethertype() {
        EthernetProtocol::Arp => Kind::Neighbour,
        EthernetProtocol::Ipv4 => match Ipv4Packet::new_checked(ethernet.payload()) {
            Ok(ip) if ip.next_header() == IpProtocol::Icmp => match Icmpv4Packet::new_checked(ip.payload()) {
                Ok(icmp) if icmp.msg_type() == Icmpv4Message::EchoRequest => Kind::EchoRequest,
                _ => Kind::Icmp,
            },
            _ => Kind::Other,
        },
        EthernetProtocol::Ipv6 => match Ipv6Packet::new_checked(ethernet.payload()) {
            Ok(ip) if ip.next_header() == IpProtocol::Icmpv6 => kind_of_icmpv6(ip.payload()),
            _ => Kind::Other,
        },
        EthernetProtocol::Unknown(_) => Kind::Other,
    }
}

fn kind_of_icmpv6(message: &[u8]) -> Kind {
    match Icmpv6Packet::new_checked(message).map(|message| message.msg_type()) {
        Ok(Icmpv6Message::NeighborSolicit) => Kind::Solicitation,
        Ok(Icmpv6Message::NeighborAdvert) => Kind::Neighbour,
        Ok(Icmpv6Message::EchoRequest) => Kind::EchoRequest,
        // No router is obeyed.
        Ok(Icmpv6Message::RouterSolicit | Icmpv6Message::RouterAdvert | Icmpv6Message::Redirect) => Kind::Other,
        _ => Kind::Icmp,
    }
}

impl Station {
    pub(super) fn new(attachment: &Attachment, now: Duration) -> Station {
        let mut link = Link::new(QUEUE_MAX, attachment.mtu);
        let hardware = HardwareAddress::Ethernet(EthernetAddress(attachment.mac.octets()));
        let mut config = Config::new(hardware);
        config.random_seed = attachment.mac.to_u64();
        let mut interface = Interface::new(config, &mut link, instant(now));
        address(&mut interface, attachment);
        Station { attachment: attachment.clone(), interface, link, inbox: VecDeque::new(), parked: VecDeque::new() }
    }

    pub(super) fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    pub(super) fn receive(&mut self, frame: &[u8]) -> Result<(), Refused> {
        if kind_of(frame) == Kind::Other {
            return Err(Refused::NotSpoken);
        }
        if self.inbox.len() >= QUEUE_MAX {
            return Err(Refused::QueueFull);
        }
        self.inbox.push_back(frame.to_vec());
        Ok(())
    }

    /// Works through everything that waits and sends the answers.
    pub(super) fn poll(&mut self, now: Duration, mut send: impl FnMut(&[u8])) {
        let mut heard_neighbour = false;
        while let Some(frame) = self.inbox.pop_front() {
            if kind_of(&frame) == Kind::Solicitation {
                advertise::answer(&self.attachment, &frame).iter().for_each(|answer| send(answer));
                continue;
            }
            heard_neighbour |= kind_of(&frame) == Kind::Neighbour;
            if !self.answer(&frame, now, &mut send) {
                self.park(frame, now, PARKED_TRIES);
            }
        }
        for _ in 0..self.parked.len() {
            let Some(parked) = self.parked.pop_front() else { break };
            if !heard_neighbour && parked.due > now {
                self.parked.push_back(parked);
            } else if !self.answer(&parked.frame, now, &mut send) && parked.tries_left > 1 {
                self.park(parked.frame, now, parked.tries_left - 1);
            }
        }
        self.interface.poll_maintenance(instant(now));
    }

    /// Whether something waits that only time can move.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.parked.iter().map(|p| p.due).min()
    }

    /// Lets smoltcp receive one frame and sends what it answers. `false` where the frame is an echo request and no
    /// answer came.
    fn answer(&mut self, frame: &[u8], now: Duration, send: &mut impl FnMut(&[u8])) -> bool {
        let expects_answer = kind_of(frame) == Kind::EchoRequest;
        self.link.arrived = Some(frame.to_vec());
        let mut no_sockets = SocketSet::new(Vec::new());
        while self.interface.poll_ingress_single(instant(now), &mut self.link, &mut no_sockets)
            != PollIngressSingleResult::None
        {}
        let mut answered = false;
        for reply in self.link.departed.drain(..) {
            answered |= kind_of(&reply) == Kind::Icmp;
            send(&reply);
        }
        answered || !expects_answer
    }

    fn park(&mut self, frame: Vec<u8>, now: Duration, tries_left: u8) {
        if self.parked.len() < PARKED_MAX {
            self.parked.push_back(Parked { frame, due: now + PARKED_PAUSE, tries_left });
        }
    }
}

/// Whether a station can have that address at all (smoltcp panics on others).
fn may_be_ours(address: IpAddr) -> bool {
    !address.is_multicast() && !address.is_unspecified() && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// Gives the interface its addresses and its way out.
fn address(interface: &mut Interface, attachment: &Attachment) {
    interface.update_ip_addrs(|list| {
        for &(address, prefix) in attachment.addresses.iter().filter(|(address, _)| may_be_ours(*address)) {
            let longest = if address.is_ipv4() { 32 } else { 128 };
            if list.push(IpCidr::new(address.into(), prefix.min(longest))).is_err() {
                log::warn!("the host stack answers for {} addresses of an uplink only; not for {address}", list.len());
            }
        }
    });
    let (routes, Attachment { gateway, gateway6, .. }) = (interface.routes_mut(), attachment);
    let added = gateway.is_none_or(|gateway| routes.add_default_ipv4_route(gateway).is_ok())
        && gateway6.is_none_or(|gateway| routes.add_default_ipv6_route(gateway).is_ok());
    debug_assert!(added, "a fresh interface has room for a route of each family");
}
