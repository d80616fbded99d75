//! TAPs in real network namespaces, with the kernel's own stack as the peer. Needs root and `ip`; says `skipped` without
//! (and fails instead where `MILLRACE_NO_SKIP` is set, as the gate does for root).
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::{
    net::IpAddr,
    num::NonZero,
    process::{Child, Command},
    time::{Duration, Instant},
};

use frame::{Burst, HeapPool, Pool, Port};
use tap::{Netns, TapConfig, TapDevice, TapError, TapPort};

mod answer;
mod headroom;
mod namespace;
mod queues;
mod super_frames;

use namespace::Namespace;

const POOL_FRAMES: usize = 256;
const DATA_MAX: usize = 2048;
const DEADLINE: Duration = Duration::from_secs(20);

fn pool() -> HeapPool {
    HeapPool::new(POOL_FRAMES, DATA_MAX)
}

fn open(config: TapConfig) -> (TapPort<HeapPool>, HeapPool) {
    let pool = pool();
    (open_one(config, pool.clone()).unwrap(), pool)
}

/// The port of a device that has one queue.
fn open_one(config: TapConfig, pool: HeapPool) -> Result<TapPort<HeapPool>, TapError> {
    tap::open(config, pool).map(|ports| ports.into_iter().next().unwrap())
}

/// Answers what the kernel asks until `child` ends; whether it ended well.
fn answer_until_done(port: &mut TapPort<HeapPool>, pool: &mut HeapPool, mut child: Child) -> bool {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        if start.elapsed() > DEADLINE {
            child.kill().unwrap();
            child.wait().unwrap();
            return false;
        }
        let mut received = Burst::new();
        let mut replies = Burst::new();
        if port.rx_burst(&mut received, 32) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        for mut frame in received.drain() {
            if answer::in_place(frame.data_mut()) {
                replies.push(frame).unwrap();
            } else {
                pool.release_one(frame);
            }
        }
        port.tx_burst(&mut replies);
    }
}

/// Packets of `wanted` octets received within the deadline, or fewer.
fn receive(port: &mut TapPort<HeapPool>, pool: &mut HeapPool, wanted: impl Fn(&[u8]) -> bool, count: usize) -> usize {
    let start = Instant::now();
    let mut found = 0;
    while found < count && start.elapsed() < DEADLINE {
        let mut burst = Burst::new();
        if port.rx_burst(&mut burst, 32) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        found += burst.as_slice().iter().filter(|frame| wanted(frame.data())).count();
        pool.release(&mut burst);
    }
    found
}

/// A frame of these octets, offered; what became of it.
fn send(port: &mut TapPort<HeapPool>, pool: &mut HeapPool, bytes: &[u8]) -> frame::Sent {
    let mut frame = pool.alloc().unwrap();
    assert!(frame.write(bytes));
    let mut burst = Burst::new();
    burst.push(frame).unwrap();
    let sent = port.tx_burst(&mut burst);
    assert!(burst.is_empty());
    sent
}

/// One broadcast frame of `len` octets with an ethertype nobody listens to, offered; what became of it.
fn offer(port: &mut TapPort<HeapPool>, pool: &mut HeapPool, len: usize) -> frame::Sent {
    let mut bytes = vec![0; len];
    bytes.iter_mut().take(6).for_each(|octet| *octet = 0xff);
    if let Some(ethertype) = bytes.get_mut(12..14) {
        ethertype.copy_from_slice(&[0x88, 0xb5]);
    }
    send(port, pool, &bytes)
}

#[test]
fn the_kernel_pings_through_the_tap_over_ipv4_and_arp() {
    let Some(ns) = Namespace::new() else { return };
    let (mut port, mut pool) = open(ns.config());
    let ping = ns.spawn("ping -n -c 5 -i 0.01 -W 5 10.9.0.2");
    assert!(answer_until_done(&mut port, &mut pool, ping), "ping got no answer");
    drop(port);
    assert_eq!(pool.used(), 0, "a frame did not come back");
}

#[test]
fn the_interface_is_what_was_asked_for_and_only_inside_the_namespace() {
    let Some(ns) = Namespace::new() else { return };
    let outside = Command::new("ip").args(["-o", "link"]).output().unwrap().stdout;
    let (port, _pool) = open(TapConfig { interface: format!("x{}", ns.0), ..ns.config() });
    let link = ns.text("ip -o link show");
    assert!(link.contains(&format!("x{}", ns.0)) && link.contains("mtu 1400") && link.contains("02:00:00:00:00:07"));
    assert!(link.contains("UP") && link.contains("LOWER_UP"), "{link}");
    let addresses = ns.text("ip -o addr show");
    assert!(addresses.contains("10.9.0.1/24") && addresses.contains("fd09::1/64"), "{addresses}");
    assert!(!addresses.lines().any(|line| line.contains("fd09::1") && line.contains("tentative")), "{addresses}");
    let beside = String::from_utf8(Command::new("ip").args(["-o", "link"]).output().unwrap().stdout).unwrap();
    assert!(!beside.contains(&ns.0), "the host sees it; before: {}", String::from_utf8_lossy(&outside));
    drop(port);
}

#[test]
fn the_interface_is_gone_when_the_port_is() {
    let Some(ns) = Namespace::new() else { return };
    let (port, pool) = open(ns.config());
    assert!(ns.run("ip link show eth0").status.success());
    drop(port);
    assert!(!ns.run("ip link show eth0").status.success());
    assert_eq!(pool.used(), 0);
}

#[test]
fn several_ipv4_addresses_are_added_in_order() {
    let Some(ns) = Namespace::new() else { return };
    let addresses = ["10.1.0.1", "10.2.0.1", "10.1.0.2"].map(|a| (a.parse().unwrap(), 24)).to_vec();
    let (_port, _pool) = open(TapConfig { addresses, ..ns.config() });
    let listed = ns.text("ip -o -4 addr show eth0");
    let at = |address: &str| listed.find(address).unwrap_or_else(|| panic!("{address} missing in {listed}"));
    assert!(at("10.1.0.1/24") < at("10.2.0.1/24") && at("10.2.0.1/24") < at("10.1.0.2/24"), "{listed}");
}

/// The addresses of `eth0` with their prefixes, without the link-local one.
fn addresses(ns: &Namespace) -> Vec<String> {
    let text = ns.text("ip -o addr show dev eth0 scope global");
    let mut found: Vec<String> =
        text.lines().filter_map(|line| line.split_whitespace().nth(3)).map(Into::into).collect();
    found.sort();
    found
}

fn list(addresses: &[&str]) -> Vec<(IpAddr, u8)> {
    let parse = |text: &&str| text.split_once('/').map(|(a, p)| (a.parse().unwrap(), p.parse().unwrap())).unwrap();
    addresses.iter().map(parse).collect()
}

#[test]
fn addresses_change_in_place_also_within_a_subnet_and_in_their_prefix_alone() {
    let Some(ns) = Namespace::new() else { return };
    for promote in [0, 1] {
        ns.run(&format!("sysctl -w net.ipv4.conf.all.promote_secondaries={promote}"));
        let mut now = list(&["10.9.0.1/24", "10.9.0.2/24", "fd09::1/64"]);
        let (port, _pool) = open(TapConfig { addresses: now.clone(), ..ns.config() });
        ns.run("ip addr add 10.7.7.7/32 dev eth0");
        for next in [
            &["10.9.0.2/24", "fd09::1/64"][..],
            &["10.9.0.3/24", "10.9.0.4/24", "fd09::2/64"],
            &["10.9.0.3/16", "10.9.0.4/24", "fd09::2/48"],
            &[],
            &["10.9.0.1/24"],
        ] {
            port.control().set_addresses(&now, &list(next)).unwrap();
            let mut wanted = vec!["10.7.7.7/32".to_owned()]; // somebody else's: stays
            wanted.extend(next.iter().map(|&text| text.to_owned()));
            wanted.sort();
            assert_eq!(addresses(&ns), wanted, "promote_secondaries = {promote}");
            now = list(next);
        }
    }
}

#[test]
fn an_address_the_kernel_refuses_leaves_the_old_ones() {
    let Some(ns) = Namespace::new() else { return };
    let old = list(&["10.9.0.1/24"]);
    let (port, _pool) = open(TapConfig { addresses: old.clone(), mtu: 1000, ..ns.config() });
    let error = port.control().set_addresses(&old, &list(&["10.9.0.2/24", "fd09::1/64"])).unwrap_err();
    assert!(matches!(error, TapError::AddressRefused { .. }) && error.to_string().contains("1280"), "{error}");
    assert_eq!(addresses(&ns), ["10.9.0.1/24"]);
    let error = port.control().set_addresses(&old, &list(&["10.9.0.1/33"])).unwrap_err();
    assert!(matches!(error, TapError::Address { .. }), "{error}");
}

#[test]
fn a_path_to_a_namespace_works_like_its_name() {
    let Some(ns) = Namespace::new() else { return };
    let netns = Some(Netns::new(&format!("/run/netns/{}", ns.0)).unwrap());
    let (_port, _pool) = open(TapConfig { netns, ..ns.config() });
    assert!(ns.run("ip link show eth0").status.success());
}

#[test]
fn a_missing_namespace_is_named_with_the_command_that_makes_it() {
    let error = open_one(
        TapConfig {
            netns: Some(Netns::new("mrtap-nowhere").unwrap()),
            interface: "eth0".into(),
            mac: None,
            mtu: 1500,
            addresses: vec![],
            up: true,
            queues: NonZero::<u16>::MIN,
            offloads: true,
            behind: tap::Behind::Container,
            coalesce: Duration::ZERO,
        },
        pool(),
    )
    .unwrap_err();
    assert!(matches!(error, TapError::NoNetns { .. }));
    assert!(error.to_string().contains("ip netns add mrtap-nowhere"), "{error}");
}

#[test]
fn a_file_that_is_no_namespace_is_an_error_and_not_a_hang() {
    for path in ["/etc/hostname", "/dev/null", "/proc/self/ns/mnt"] {
        let config = TapConfig {
            netns: Some(Netns::new(path).unwrap()),
            interface: "eth0".into(),
            mac: None,
            mtu: 1500,
            addresses: vec![],
            up: true,
            queues: NonZero::<u16>::MIN,
            offloads: true,
            behind: tap::Behind::Container,
            coalesce: Duration::ZERO,
        };
        let error = open_one(config, pool()).unwrap_err();
        assert!(matches!(error, TapError::NotNetns { .. } | TapError::Permission { .. }), "{path}: {error}");
    }
}

#[test]
fn a_name_that_is_taken_is_refused_and_the_first_interface_lives() {
    let Some(ns) = Namespace::new() else { return };
    let (mut port, mut pool) = open(ns.config());
    let error = open_one(ns.config(), self::pool()).unwrap_err();
    assert!(matches!(error, TapError::NameTaken { .. }), "{error}");
    assert!(error.to_string().contains(&format!("ip -n {} link del eth0", ns.0)), "{error}");
    assert!(answer_until_done(&mut port, &mut pool, ns.spawn("ping -n -c 1 -W 5 10.9.0.2")));
}

#[test]
fn a_persistent_tap_of_somebody_else_is_not_adopted() {
    let Some(ns) = Namespace::new() else { return };
    assert!(ns.run("ip tuntap add dev eth0 mode tap").status.success());
    let error = open_one(ns.config(), pool()).unwrap_err();
    assert!(matches!(error, TapError::NameTaken { .. }), "{error}");
    assert!(ns.run("ip link show eth0").status.success());
}

#[test]
fn a_step_that_fails_leaves_no_interface_behind() {
    let Some(ns) = Namespace::new() else { return };
    let addresses = vec![("fd09::1".parse().unwrap(), 64)]; // IPv6 needs an MTU of 1280
    let error = open_one(TapConfig { mtu: 576, addresses, ..ns.config() }, pool()).unwrap_err();
    assert!(matches!(error, TapError::AddressRefused { .. }), "{error}");
    assert!(error.to_string().contains("1280"), "{error}");
    assert!(!ns.run("ip link show eth0").status.success());
}

#[test]
fn an_interface_set_down_refuses_frames_and_takes_them_again_when_up() {
    let Some(ns) = Namespace::new() else { return };
    let (mut port, mut pool) = open(ns.config());
    assert_eq!(offer(&mut port, &mut pool, 60), frame::Sent { frames: 1, refused: 0, bytes: 60 });
    assert!(ns.run("ip link set eth0 down").status.success());
    assert_eq!(offer(&mut port, &mut pool, 60), frame::Sent { frames: 0, refused: 1, bytes: 0 });
    let mut burst = Burst::new();
    while port.rx_burst(&mut burst, 64) > 0 {
        pool.release(&mut burst);
    }
    assert!(!port.is_gone());
    assert_eq!(port.control().is_up(), Some(false));
    assert!(ns.run("ip link set eth0 up").status.success());
    assert_eq!(offer(&mut port, &mut pool, 60).frames, 1);
    assert_eq!(port.control().is_up(), Some(true));
    drop(port);
    assert_eq!(pool.used(), 0);
}

#[test]
fn a_deleted_interface_is_noticed_and_refuses_everything() {
    let Some(ns) = Namespace::new() else { return };
    let (mut port, mut pool) = open(ns.config());
    assert!(ns.run("ip link del eth0").status.success());
    let mut burst = Burst::new();
    while port.rx_burst(&mut burst, 64) > 0 {
        pool.release(&mut burst);
    }
    assert_eq!(offer(&mut port, &mut pool, 60).refused, 1);
    assert!(port.is_gone());
    assert_eq!(port.control().is_up(), None);
    assert!(port.set_mtu(1300).is_err());
    drop(port);
    assert_eq!(pool.used(), 0);
}

#[test]
fn a_frame_shorter_than_an_ethernet_header_is_refused_and_counted() {
    let Some(ns) = Namespace::new() else { return };
    let (mut port, mut pool) = open(ns.config());
    for len in 0..14 {
        assert_eq!(offer(&mut port, &mut pool, len).refused, 1, "{len} octets");
    }
    assert_eq!(offer(&mut port, &mut pool, 14).frames, 1);
}

#[test]
fn a_packet_too_long_for_a_buffer_is_an_rx_error_and_the_next_one_arrives() {
    let Some(ns) = Namespace::new() else { return };
    let mut pool = HeapPool::new(8, 600);
    let mut port = open_one(TapConfig { mtu: 500, addresses: vec![], ..ns.config() }, pool.clone()).unwrap();
    assert!(ns.run("ip link set eth0 mtu 1500").status.success()); // somebody inside enlarges it
    assert!(ns.run("ip addr add 10.9.0.1/24 dev eth0").status.success());
    assert!(ns.run("ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev eth0").status.success());
    ns.run("ping -n -c 1 -W 1 -s 1000 10.9.0.2"); // 1042 octets on the wire
    ns.run("ping -n -c 1 -W 1 -s 100 10.9.0.2"); // 142 octets
    assert_eq!(receive(&mut port, &mut pool, |packet| packet.len() == 142, 1), 1);
    assert_eq!(port.device_stats().rx_errors, 1);
    drop(port);
    assert_eq!(pool.used(), 0);
}

#[test]
fn an_mtu_that_does_not_fit_the_buffers_is_refused_at_open_and_later() {
    let Some(ns) = Namespace::new() else { return };
    let small = HeapPool::new(8, 1000);
    let error = open_one(ns.config(), small.clone()).unwrap_err();
    assert!(matches!(error, TapError::BufferTooSmall { mtu: 1400, need: 1418, have: 999, .. }), "{error}");
    assert_eq!(small.used(), 0);
    let mut port = open_one(TapConfig { mtu: 900, addresses: vec![], ..ns.config() }, small.clone()).unwrap();
    assert!(matches!(port.set_mtu(982), Err(TapError::BufferTooSmall { .. })));
    assert!(port.set_mtu(981).is_ok());
}

#[test]
fn the_mtu_changes_at_runtime_from_the_callers_own_namespace_even_after_a_rename() {
    let Some(ns) = Namespace::new() else { return };
    let (mut port, _pool) = open(ns.config());
    port.set_mtu(1300).unwrap();
    assert!(ns.text("ip -o link show eth0").contains("mtu 1300"));
    assert!(ns.run("ip link set eth0 down").status.success());
    assert!(ns.run("ip link set eth0 name lan0").status.success());
    port.control().set_mtu(1350).unwrap();
    assert!(ns.text("ip -o link show lan0").contains("mtu 1350"));
}

#[test]
fn an_exhausted_pool_is_counted_and_loses_nothing() {
    let Some(ns) = Namespace::new() else { return };
    let mut pool = HeapPool::new(1, DATA_MAX);
    let mut port = open_one(ns.config(), pool.clone()).unwrap();
    assert!(ns.run("ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev eth0").status.success());
    ns.run("ping -n -c 3 -i 0.01 -W 1 10.9.0.2");
    let mut burst = Burst::new();
    assert_eq!(port.rx_burst(&mut burst, 64), 1, "one frame is all there is");
    assert!(port.device_stats().rx_no_buffer > 0);
    let echo = |packet: &[u8]| packet.len() == 98;
    let first = burst.as_slice().iter().filter(|frame| echo(frame.data())).count();
    pool.release(&mut burst);
    assert_eq!(first + receive(&mut port, &mut pool, echo, 3 - first), 3);
}

#[test]
fn a_device_opened_first_gets_its_pool_later() {
    let Some(ns) = Namespace::new() else { return };
    let device = TapDevice::open(&ns.config()).unwrap();
    let mut pool = pool();
    let mut port = TapPort::all_of(device, pool.clone()).unwrap().remove(0);
    assert!(answer_until_done(&mut port, &mut pool, ns.spawn("ping -n -c 1 -W 5 10.9.0.2")));
}
