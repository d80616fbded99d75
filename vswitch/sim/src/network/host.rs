//! A host: smoltcp on a wire, with ping and bulk TCP.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet},
    phy::{self, ChecksumCapabilities, DeviceCapabilities, Medium},
    socket::{icmp, tcp},
    time::Instant,
    wire::{EthernetAddress, HardwareAddress, Icmpv4Packet, Icmpv4Repr, IpAddress, IpCidr},
};
use wire::Mac;

/// Octets of an Ethernet header, which smoltcp counts into a link's MTU.
const ETHERNET_LEN: usize = 14;
/// Octets a socket buffers in each direction.
const BUFFER: usize = 32 * 1024;
/// How long a connection may be silent. Without it smoltcp 0.14 was seen, once in two thousand lossy runs, to sit on
/// octets that nobody had acknowledged and never send them again; the answers to its probes set it going.
const KEEP_ALIVE: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(1);
/// The identifier of all echo requests.
const IDENT: u16 = 0x4d52;

/// A host.
pub struct Host {
    address: Ipv4Addr,
    interface: Interface,
    cable: Cable,
    sockets: SocketSet<'static>,
    echo: SocketHandle,
    /// Echo requests to be sent.
    asking: VecDeque<(Ipv4Addr, u16)>,
    answered: BTreeSet<(Ipv4Addr, u16)>,
    receiving: BTreeMap<u16, Receiver>,
    sending: Vec<Sender>,
}

struct Receiver {
    socket: SocketHandle,
    received: Vec<u8>,
    /// Octets that are everything.
    whole: usize,
}

struct Sender {
    socket: SocketHandle,
    left: VecDeque<u8>,
}

impl Host {
    /// A host with that MAC and address in a network of 16 bits.
    pub fn new(mac: Mac, address: Ipv4Addr, mtu: usize) -> Host {
        let mut cable = Cable { arrived: VecDeque::new(), departed: VecDeque::new(), mtu };
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(mac.octets())));
        config.random_seed = mac.to_u64();
        let mut interface = Interface::new(config, &mut cable, Instant::ZERO);
        interface.update_ip_addrs(|all| {
            let full = all.push(IpCidr::new(IpAddress::Ipv4(address), 16)).is_err();
            assert!(!full, "an interface has room for one address");
        });
        let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 64], vec![0; 8192]);
        let mut sockets = SocketSet::new(Vec::new());
        let mut echo = icmp::Socket::new(buffer(), buffer());
        echo.bind(icmp::Endpoint::Ident(IDENT)).expect("a new socket is not bound");
        let echo = sockets.add(echo);
        let (receiving, sending) = (BTreeMap::new(), Vec::new());
        let (asking, answered) = (VecDeque::new(), BTreeSet::new());
        Host { address, interface, cable, sockets, echo, asking, answered, receiving, sending }
    }

    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A frame that has arrived.
    pub fn receive(&mut self, frame: Vec<u8>) {
        self.cable.arrived.push_back(frame);
    }

    /// Asks `target` for an echo.
    pub fn ping(&mut self, target: Ipv4Addr, number: u16) {
        self.asking.push_back((target, number));
    }

    /// Whether the echo of that number has come back from `target`.
    pub fn has_echo(&self, target: Ipv4Addr, number: u16) -> bool {
        self.answered.contains(&(target, number))
    }

    /// Waits for a connection on `port` and collects what comes, `whole` octets in all. The length says when that is
    /// everything, for nobody closes: smoltcp 0.14 was seen to sit in FIN-WAIT-1 for minutes without repeating a FIN
    /// that was lost.
    ///
    /// # Panics
    /// On port 0.
    pub fn listen(&mut self, port: u16, whole: usize) {
        let mut socket = new_socket();
        socket.listen(port).expect("the socket is new and the port not 0");
        let socket = self.sockets.add(socket);
        self.receiving.insert(port, Receiver { socket, received: Vec::new(), whole });
    }

    /// Connects to `port` of `target` and sends `bytes`.
    ///
    /// # Panics
    /// On port 0.
    pub fn transfer(&mut self, target: Ipv4Addr, port: u16, bytes: &[u8]) {
        let mut socket = new_socket();
        let local = 40_000 + self.sending.len() as u16;
        let remote = (IpAddress::Ipv4(target), port);
        socket.connect(self.interface.context(), remote, local).expect("the socket is new and the ports not 0");
        let socket = self.sockets.add(socket);
        self.sending.push(Sender { socket, left: bytes.iter().copied().collect() });
    }

    /// All that came in on `port`, once that is everything.
    pub fn whole(&self, port: u16) -> Option<&[u8]> {
        let receiver = self.receiving.get(&port)?;
        (receiver.received.len() >= receiver.whole).then_some(&receiver.received)
    }

    /// Octets that have come in on `port` so far.
    pub fn progress(&self, port: u16) -> usize {
        self.receiving.get(&port).map_or(0, |receiver| receiver.received.len())
    }

    /// The states of all its connections, for whoever wonders why nothing comes.
    pub fn states(&self) -> String {
        let sending = self.sending.iter().map(|s| {
            let socket = self.sockets.get::<tcp::Socket<'_>>(s.socket);
            format!(
                "sends {} {:?} left {}",
                socket.state(),
                socket.local_endpoint(),
                s.left.len() + socket.send_queue()
            )
        });
        let receiving = self.receiving.values().map(|r| {
            let socket = self.sockets.get::<tcp::Socket<'_>>(r.socket);
            format!("receives {} {} queued {}", socket.state(), r.received.len(), socket.recv_queue())
        });
        sending.chain(receiving).collect::<Vec<_>>().join(", ")
    }

    /// Does what can be done now and gives every frame to be sent to `send`.
    pub fn poll(&mut self, now: Duration, mut send: impl FnMut(&[u8])) {
        let now = Instant::from_micros(now.as_micros() as i64);
        self.speak();
        self.interface.poll(now, &mut self.cable, &mut self.sockets);
        self.listen_for_echoes();
        self.move_streams();
        self.cable.departed.drain(..).for_each(|frame| send(&frame));
    }

    fn speak(&mut self) {
        let socket = self.sockets.get_mut::<icmp::Socket<'_>>(self.echo);
        while let Some(&(target, number)) = self.asking.front() {
            let request = Icmpv4Repr::EchoRequest { ident: IDENT, seq_no: number, data: b"millrace" };
            let Ok(room) = socket.send(request.buffer_len(), IpAddress::Ipv4(target)) else { return };
            request.emit(&mut Icmpv4Packet::new_unchecked(room), &ChecksumCapabilities::default());
            self.asking.pop_front();
        }
    }

    fn listen_for_echoes(&mut self) {
        let socket = self.sockets.get_mut::<icmp::Socket<'_>>(self.echo);
        while let Ok((message, from)) = socket.recv() {
            let Ok(packet) = Icmpv4Packet::new_checked(message) else { continue };
            let reply = Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default());
            if let (Ok(Icmpv4Repr::EchoReply { seq_no, data: b"millrace", .. }), IpAddr::V4(from)) =
                (reply, from.into())
            {
                self.answered.insert((from, seq_no));
            }
        }
    }

    fn move_streams(&mut self) {
        for sender in &mut self.sending {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(sender.socket);
            while socket.can_send() && !sender.left.is_empty() {
                let sent = socket.send_slice(sender.left.make_contiguous()).unwrap_or(0);
                sender.left.drain(..sent);
            }
        }
        for receiver in self.receiving.values_mut() {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(receiver.socket);
            while socket.can_recv() {
                let taken = socket.recv(|octets| (octets.len(), octets.to_vec()));
                receiver.received.extend(taken.unwrap_or_default());
            }
        }
    }
}

fn new_socket() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.set_keep_alive(Some(KEEP_ALIVE));
    socket
}

/// The host's end of its wire.
struct Cable {
    arrived: VecDeque<Vec<u8>>,
    departed: VecDeque<Vec<u8>>,
    mtu: usize,
}

impl phy::Device for Cable {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + ETHERNET_LEN;
        capabilities
    }

    fn receive(&mut self, _now: Instant) -> Option<(Rx, Tx<'_>)> {
        let frame = self.arrived.pop_front()?;
        Some((Rx(frame), Tx(&mut self.departed)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.departed))
    }
}

struct Rx(Vec<u8>);

impl phy::RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

struct Tx<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut frame = vec![0; len];
        let result = write(&mut frame);
        self.0.push_back(frame);
        result
    }
}
