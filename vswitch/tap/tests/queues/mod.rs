//! The kernel's queues in front of a TAP's ports: who wakes whom, and which flow comes by which.

use std::{num::NonZero, time::Instant};

use frame::{Burst, Frame, Pool, Port};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use tap::{TapConfig, TapPort};

use crate::{DEADLINE, HeapPool, Namespace, answer_until_done, open, open_one, pool, send};

/// Longer than any machine takes to wake a thread.
const LONG: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

#[test]
fn a_packet_wakes_whoever_sleeps_on_the_port_and_nothing_does_not() {
    let Some(ns) = Namespace::new() else { return };
    let (mut port, mut pool) = open(ns.config());
    let mut burst = Burst::new();
    let wakes = |port: &TapPort<HeapPool>, timeout: &Timespec| {
        let descriptor = port.wakes_by().unwrap();
        poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(timeout)).unwrap() == 1
    };
    let none = Timespec::default();
    let ping = ns.spawn("ping -n -c 1 -W 5 10.9.0.2");
    assert!(wakes(&port, &LONG), "whoever pings asks for a MAC first");
    assert!(answer_until_done(&mut port, &mut pool, ping));
    while port.rx_burst(&mut burst, 64) > 0 {
        pool.release(&mut burst);
    }
    assert!(ns.run("ip link set eth0 down").status.success());
    while port.rx_burst(&mut burst, 64) > 0 {
        pool.release(&mut burst);
    }
    assert!(!wakes(&port, &none));
}

#[test]
fn no_more_than_asked_for_and_no_more_than_fits_is_received() {
    let Some(ns) = Namespace::new() else { return };
    let (mut port, mut pool) = open(ns.config());
    assert!(ns.run("ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev eth0").status.success());
    ns.run("ping -n -c 10 -i 0.002 -W 1 10.9.0.2");
    let mut burst = Burst::new();
    assert_eq!(port.rx_burst(&mut burst, 3), 3);
    assert_eq!(port.rx_burst(&mut burst, 0), 0);
    assert!(!port.is_dry(), "nobody has seen the end yet");
    while burst.room() > 2 {
        burst.push(pool.alloc().unwrap()).unwrap();
    }
    assert_eq!(port.rx_burst(&mut burst, 64), 2);
    assert!(!port.is_dry());
    pool.release(&mut burst);
    assert!(port.rx_burst(&mut burst, 64) > 0 && port.is_dry(), "the rest, and the end");
    pool.release(&mut burst);
}

#[test]
fn who_had_one_packet_is_asked_for_one_and_who_has_more_for_all() {
    let Some(ns) = Namespace::new() else { return };
    let (mut port, mut pool) = open(ns.config());
    assert!(ns.run("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1").status.success(), "it has things to say by itself");
    assert!(ns.run("ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev eth0").status.success());
    let mut burst = Burst::new();
    let mut look = |port: &mut TapPort<HeapPool>| {
        let received = port.rx_burst(&mut burst, 64);
        pool.release(&mut burst);
        (received, port.is_dry())
    };
    // Twice: the first end tells of what came before it, too.
    (0..2).for_each(|_| while look(&mut port) != (0, true) {});
    for _ in 0..2 {
        ns.run("ping -n -c 1 -W 1 10.9.0.2");
        assert_eq!([look(&mut port), look(&mut port)], [(1, false), (0, true)], "nobody waits for what is not there");
    }
    ns.run("ping -n -c 9 -i 0.002 -W 1 10.9.0.2");
    assert_eq!([(); 3].map(|()| look(&mut port)), [(1, false), (8, true), (0, true)]);
    // A pair that came apart the first time comes together the second time.
    ns.run("ping -n -c 2 -i 0.002 -W 1 10.9.0.2");
    assert_eq!([look(&mut port), look(&mut port)], [(1, false), (1, true)]);
    ns.run("ping -n -c 2 -i 0.002 -W 1 10.9.0.2");
    assert_eq!([look(&mut port), look(&mut port)], [(2, true), (0, true)]);
}

#[test]
fn a_port_without_a_buffer_is_not_dry_and_one_whose_interface_was_deleted_tells_and_is() {
    let Some(ns) = Namespace::new() else { return };
    let mut pool = HeapPool::new(2, 2048);
    let mut port = open_one(TapConfig { offloads: false, ..ns.config() }, pool.clone()).unwrap();
    assert!(ns.run("ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev eth0").status.success());
    ns.run("ping -n -c 3 -i 0.002 -W 1 10.9.0.2");
    let mut burst = Burst::new();
    assert_eq!(port.rx_burst(&mut burst, 64), 2);
    assert_eq!((port.rx_burst(&mut burst, 64), port.is_dry()), (0, false));
    pool.release(&mut burst);
    while port.rx_burst(&mut burst, 64) > 0 {
        pool.release(&mut burst);
    }
    assert!(port.is_dry());
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&set, port.wakes_by().unwrap(), epoll::EventData::new_u64(7), flags).unwrap();
    let mut events = [epoll::Event { flags, data: epoll::EventData::new_u64(0) }; 4];
    assert!(ns.run("ip link del eth0").status.success());
    assert_eq!(epoll::wait(&set, &mut events, Some(&LONG)).unwrap(), 1);
    assert_eq!((port.rx_burst(&mut burst, 64), port.is_dry(), port.is_gone()), (0, true, true));
    assert_eq!((port.rx_burst(&mut burst, 64), port.is_dry()), (0, true));
}

#[test]
fn flows_of_a_container_come_by_all_queues_and_each_by_the_one_it_was_answered_on() {
    const FLOWS: usize = 32;
    let Some(ns) = Namespace::new() else { return };
    let mut pool = pool();
    let queues = NonZero::new(2).unwrap();
    let mut ports = tap::open(TapConfig { queues, ..ns.config() }, pool.clone()).unwrap();
    assert_eq!(ports.len(), 2);
    assert!(ns.run("ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev eth0").status.success());
    let mut sender = ns.spawn_python(FLOW_SENDER);
    let [first, second] = datagrams(&mut ports, &mut pool, FLOWS);
    assert!(!first.is_empty() && !second.is_empty(), "{} and {}", first.len(), second.len());
    assert_eq!(first.len() + second.len(), FLOWS);
    for datagram in first.iter().chain(&second) {
        assert_eq!(send(&mut ports[1], &mut pool, &answer_to(datagram)).frames, 1);
    }
    let [first, second] = datagrams(&mut ports, &mut pool, FLOWS);
    assert_eq!((first.len(), second.len()), (0, FLOWS));
    assert!(sender.wait().unwrap().success());
}

/// Datagrams to port 5000 by the port they came by, until there are `wanted` of them or the deadline is over.
fn datagrams(ports: &mut [TapPort<HeapPool>], pool: &mut HeapPool, wanted: usize) -> [Vec<Vec<u8>>; 2] {
    let (mut found, start) = ([Vec::new(), Vec::new()], Instant::now());
    let is_ours = |data: &&[u8]| data.len() > 42 && data[23] == 17 && data[36..38] == 5000_u16.to_be_bytes();
    while found.iter().map(Vec::len).sum::<usize>() < wanted && start.elapsed() < DEADLINE {
        for (port, found) in ports.iter_mut().zip(&mut found) {
            let mut burst = Burst::new();
            port.rx_burst(&mut burst, 32);
            found.extend(burst.as_slice().iter().map(Frame::data).filter(is_ours).map(<[u8]>::to_vec));
            pool.release(&mut burst);
        }
    }
    found
}

/// One datagram from each of 32 sockets; again when all were answered.
const FLOW_SENDER: &str = "
import socket
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(32)]
for s in sockets:
    s.settimeout(20)
    s.connect(('10.9.0.2', 5000))
    s.send(b'question')
for s in sockets:
    s.recv(100)
for s in sockets:
    s.send(b'thanks')
";

/// The datagram that goes back, without a UDP checksum.
fn answer_to(packet: &[u8]) -> Vec<u8> {
    let mut back = packet.to_vec();
    back[..6].copy_from_slice(&packet[6..12]);
    back[6..12].copy_from_slice(&packet[..6]);
    back[26..30].copy_from_slice(&packet[30..34]);
    back[30..34].copy_from_slice(&packet[26..30]);
    back[34..36].copy_from_slice(&packet[36..38]);
    back[36..38].copy_from_slice(&packet[34..36]);
    back[40..42].fill(0);
    back
}
