//! Two kernels that leave each other their segments and checksums, and a switch of ten lines between them.

use std::{
    net::IpAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use frame::{Burst, HeapPool, Port, SUPER_MAX, Takes, Transport};
use tap::{TapConfig, TapPort};

use crate::namespace::Namespace;

const DEADLINE: Duration = Duration::from_secs(60);

/// Sends 20 MB of random octets to, or receives them at, `address`, and prints their hash.
const STREAM: &str = "
import hashlib, os, random, socket, sys, time
role, address = sys.argv[1:]
family = socket.AF_INET6 if ':' in address else socket.AF_INET
digest = hashlib.sha256()
if role == 'receive':
    with socket.create_server((address, 5001), family=family) as server:
        stream = server.accept()[0]
        while octets := stream.recv(1 << 16):
            digest.update(octets)
else:
    for attempt in range(500):
        try:
            stream = socket.create_connection((address, 5001))
            break
        except OSError:
            time.sleep(0.02)
    for n in range(20):
        octets = random.randbytes(10 ** 6 + n)
        digest.update(octets)
        stream.sendall(octets)
    stream.close()
print(digest.hexdigest())
";

/// Sends datagrams of 1,000 octets, thirty at a time as one, and prints how many arrived at the other end.
const DATAGRAMS: &str = "
import socket, sys, time
role, address = sys.argv[1:]
family = socket.AF_INET6 if ':' in address else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
if role == 'receive':
    s.bind((address, 5001))
    s.settimeout(50)
    got = set()
    while len(got) < 30:
        octets = s.recv(65535)
        assert len(octets) == 1000, len(octets)
        got.add(octets)
else:
    s.setsockopt(socket.SOL_UDP, 103, 1000)
    for attempt in range(20):
        s.sendto(b''.join(bytes([n]) * 1000 for n in range(30)), (address, 5001))
        time.sleep(0.1)
print('done')
";

/// Two namespaces, and a port in each.
struct Pair {
    namespaces: [Namespace; 2],
    ports: [TapPort<HeapPool>; 2],
    frames: HeapPool,
    /// Frames seen that were longer than the MTU, and the longest one.
    long: usize,
    longest: usize,
    last_long: Option<Transport>,
}

impl Pair {
    fn new(offloads: [bool; 2]) -> Option<Pair> {
        Pair::with_buffers(offloads, 2048)
    }

    fn with_buffers(offloads: [bool; 2], octets: usize) -> Option<Pair> {
        let namespaces = [Namespace::new()?, Namespace::new()?];
        let frames = HeapPool::new(512, octets);
        let config = |end: usize| TapConfig {
            mac: Some([2, 0, 0, 0, 0, 1 + end as u8]),
            mtu: 1500,
            addresses: ["10.9.0.", "fd09::"]
                .map(|net| {
                    (format!("{net}{}", end + 1).parse::<IpAddr>().unwrap(), if net.contains(':') { 64 } else { 24 })
                })
                .to_vec(),
            offloads: offloads[end],
            ..namespaces[end].config()
        };
        let ports = [0, 1].map(|end| tap::open(config(end), frames.clone()).unwrap().remove(0));
        Some(Pair { namespaces, ports, frames, long: 0, longest: 0, last_long: None })
    }

    fn start(&self, end: usize, script: &str, role: &str, address: &str) -> Child {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespaces[end].0, "python3", "-c", script, role, address]);
        command.stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Passes frames on, both ways, until both children have ended; what they printed.
    fn pass_until_done(&mut self, mut children: [Child; 2]) -> [String; 2] {
        let start = Instant::now();
        while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
            if start.elapsed() > DEADLINE {
                children.iter_mut().for_each(|child| child.kill().unwrap());
            }
            let mut passed = 0;
            for end in [0, 1] {
                let mut burst = Burst::new();
                passed += self.ports[end].rx_burst(&mut burst, 32);
                for frame in burst.as_slice().iter().filter(|frame| frame.len() > 1518) {
                    self.long += 1;
                    self.longest = self.longest.max(frame.len());
                    self.last_long = frame.offload().filter(|offload| offload.segment > 0).map(|o| o.transport);
                }
                self.ports[1 - end].tx_burst(&mut burst);
            }
            if passed == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        children.map(|child| String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap())
    }

    fn stream(&mut self, address: &str) {
        let children = [(1, "receive"), (0, "send")].map(|(end, role)| self.start(end, STREAM, role, address));
        let [received, sent] = self.pass_until_done(children);
        assert!(sent.len() > 60 && sent == received, "sent {sent:?}, received {received:?}");
    }

    fn end(self) {
        let Pair { ports, frames, .. } = self;
        for port in &ports {
            assert!(port.control().faults().is_empty(), "{:?}", port.control().faults());
        }
        drop(ports);
        assert_eq!(frames.used(), 0, "a frame did not come back");
    }
}

#[test]
fn a_stream_crosses_in_super_frames_over_both_families_octet_by_octet() {
    let Some(mut pair) = Pair::new([true, true]) else { return };
    let agreed = pair.ports[0].control().offloads().unwrap();
    assert!(agreed.takes().tcp4 && agreed.takes().tcp6 && !agreed.falls_short(), "{agreed:?}");
    for address in ["10.9.0.2", "fd09::2"] {
        (pair.long, pair.longest) = (0, 0);
        pair.stream(address);
        assert!(pair.long > 100 && pair.longest > 40_000, "{} long frames, the longest {}", pair.long, pair.longest);
        assert!(pair.longest < SUPER_MAX);
        assert_eq!(pair.last_long, Some(Transport::Tcp));
    }
    pair.end();
}

#[test]
fn a_stream_crosses_whatever_the_length_of_buffers() {
    // Jumbo frames, and one in which every super-frame has room: that is read into, and nothing is copied.
    for octets in [9 << 10, SUPER_MAX] {
        let Some(mut pair) = Pair::with_buffers([true, true], octets) else { return };
        pair.stream("10.9.0.2");
        assert!(pair.long > 100 && pair.longest > 40_000, "{} long frames, the longest {}", pair.long, pair.longest);
        pair.end();
    }
}

#[test]
fn without_offloads_every_packet_is_whole_and_fits_the_mtu() {
    let Some(mut pair) = Pair::new([false, false]) else { return };
    assert_eq!(pair.ports[0].takes(), Takes::default());
    pair.stream("10.9.0.2");
    assert_eq!(pair.long, 0);
    pair.end();
}

#[test]
fn whoever_switches_them_off_inside_gets_and_sends_what_fits() {
    let Some(mut pair) = Pair::new([true, true]) else { return };
    assert!(pair.namespaces[0].run("ethtool -K eth0 tso off gso off tx off").status.success());
    pair.stream("10.9.0.2");
    assert_eq!(pair.long, 0);
    pair.stream("fd09::2");
    pair.end();
}

#[test]
fn datagrams_sent_as_one_cross_as_one_and_arrive_one_by_one() {
    let Some(mut pair) = Pair::new([true, true]) else { return };
    if !pair.ports[0].takes().udp {
        println!("skipped: this kernel does not leave datagrams to a TAP to be cut");
        return;
    }
    for address in ["10.9.0.2", "fd09::2"] {
        pair.last_long = None;
        let children = [(1, "receive"), (0, "send")].map(|(end, role)| pair.start(end, DATAGRAMS, role, address));
        assert_eq!(pair.pass_until_done(children), ["done\n", "done\n"]);
        assert_eq!(pair.last_long, Some(Transport::Udp));
    }
    pair.end();
}

#[test]
fn a_port_without_buffers_for_super_frames_gets_checksums_only_and_says_why() {
    let Some(ns) = Namespace::new() else { return };
    let port = tap::open(ns.config(), HeapPool::new(1, 2048)).unwrap().remove(0);
    let agreed = port.control().offloads().unwrap();
    assert_eq!(agreed.takes(), Takes { checksum: true, ..Takes::default() });
    assert!(agreed.falls_short() && agreed.why().contains("super_frames"), "{agreed:?}");
    assert_eq!(agreed.text(), "checksums");
}
