//! A kernel interface through net_af_packet, in a namespace of its own. Needs root; says so and passes where it is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::process::Command;

use dpdk::{EthConfig, EthDevice};
use frame::{Burst, Pool as _, Port, Sent};
use rig::{assert_conserved, burst_of, config, eal, pool_of};

/// Moves this thread, and what it starts, into a new network namespace that ends with it.
fn enter_new_namespace() -> bool {
    // SAFETY: changes the namespace of this thread only.
    unsafe { libc::unshare(libc::CLONE_NEWNET) == 0 }
}

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).status().is_ok_and(|status| status.success())
}

/// A frame of the ethertype for local experiments, which no kernel sends by itself; tagged where there is a tag.
fn experiment(tag: Option<u16>, len: usize) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1];
    frame.extend(tag.into_iter().flat_map(|tag| [[0x81, 0x00], tag.to_be_bytes()]).flatten());
    frame.extend([0x88, 0xb5]);
    frame.extend((frame.len()..len).map(|n| n as u8));
    frame
}

fn is_experiment(bytes: &[u8]) -> bool {
    bytes[12..14] == [0x88, 0xb5] || bytes[16..18] == [0x88, 0xb5]
}

fn receive(port: &mut dyn Port, pool: &mut dpdk::Pool, count: usize) -> Vec<Vec<u8>> {
    let (mut packets, mut burst) = (Vec::new(), Burst::new());
    for _ in 0..2000 {
        port.rx_burst(&mut burst, 64);
        packets.extend(burst.as_slice().iter().map(|frame| frame.data().to_vec()).filter(|bytes| is_experiment(bytes)));
        pool.release(&mut burst);
        if packets.len() >= count {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    packets
}

#[test]
fn frames_cross_a_veth_pair_with_their_tags() {
    if !enter_new_namespace() || !ip("link add left type veth peer name right") {
        println!("skipped: no right to make a namespace and a veth pair");
        return;
    }
    assert!(ip("link set left up") && ip("link set right up"));
    let mut pool = pool_of(2047, 2048);
    let open = |name: &str, interface: &str| {
        let config = EthConfig { promiscuous: true, mtu: Some(1600), ..config(&pool) };
        let (device, mut ports) = EthDevice::open(eal(), &format!("{name},iface={interface}"), &config).unwrap();
        assert_eq!((device.mtu(), device.promiscuous(), device.link().unwrap().up), (1600, Ok(()), true));
        (device, ports.remove(0))
    };
    let (left, mut left_port) = open("net_af_packet0", "left");
    let (right, mut right_port) = open("net_af_packet1", "right");
    assert_ne!(left.mac(), right.mac());
    let packets = [experiment(None, 60), experiment(Some(7), 64), experiment(None, 1614)];
    let sent = left_port.tx_burst(&mut burst_of(&mut pool, &packets));
    assert_eq!(sent, Sent { frames: 3, refused: 0, bytes: 60 + 64 + 1614 });
    assert_eq!(receive(&mut right_port, &mut pool, 3), packets);
    let says = Command::new("ip").args(["link", "show", "left"]).output().unwrap().stdout;
    assert!(String::from_utf8(says).unwrap().contains("mtu 1600 "));
    a_large_mtu_needs_large_slots(&pool);
    drop((left, right, left_port, right_port));
    the_mac_of_an_interface_is_set_and_given_back(&pool);
    an_interface_that_is_deleted_is_gone_for_its_device(&pool);
    assert_conserved(&pool);
}

/// The address of an interface, as the kernel says; sysfs shows another namespace's.
fn shown_mac(interface: &str) -> String {
    let says = Command::new("ip").args(["-br", "link", "show", interface]).output().unwrap().stdout;
    String::from_utf8(says).unwrap().split_whitespace().nth(2).unwrap().to_owned()
}

fn the_mac_of_an_interface_is_set_and_given_back(pool: &dpdk::Pool) {
    let own = shown_mac("left");
    let mac = [2, 0, 0, 0, 0xaa, 1];
    let config = EthConfig { mac: Some(mac), ..config(pool) };
    let (mut device, ports) = EthDevice::open(eal(), "net_af_packet0,iface=left", &config).unwrap();
    assert_eq!((device.mac(), shown_mac("left").as_str()), (mac, "02:00:00:00:aa:01"));
    device.set_mac(Some([2, 0, 0, 0, 0xaa, 2]));
    assert_eq!(shown_mac("left"), "02:00:00:00:aa:02", "while it runs");
    let choices = device.choices();
    let choice = choices.iter().find(|choice| choice.what == "mac").unwrap();
    assert!(choice.why.contains(&own) && !choice.falls_short, "{choice:?}");
    assert!(ip("link set left address 02:00:00:00:aa:03"));
    assert_eq!(device.mac(), [2, 0, 0, 0, 0xaa, 3], "changed by others");
    drop((device, ports));
    assert_eq!(shown_mac("left"), own);
}

fn an_interface_that_is_deleted_is_gone_for_its_device(pool: &dpdk::Pool) {
    let (device, ports) = EthDevice::open(eal(), "net_af_packet0,iface=left", &config(pool)).unwrap();
    assert_eq!(device.gone(), None);
    assert!(ip("link del left"));
    assert_eq!(device.gone().unwrap(), "interface \"left\" was deleted");
    assert!(ip("link add left type veth peer name right") && ip("link set left up") && ip("link set right up"));
    assert_eq!(device.gone().unwrap(), "interface \"left\" was deleted, and made again");
    drop((device, ports));
    let (device, _ports) = EthDevice::open(eal(), "net_af_packet0,iface=left", &config(pool)).unwrap();
    assert_eq!((device.gone(), device.link().unwrap().up), (None, true));
}

/// The rings of af_packet have slots of 2048 bytes unless its arguments say otherwise.
fn a_large_mtu_needs_large_slots(pool: &dpdk::Pool) {
    assert!(ip("link add other type veth peer name another") && ip("link set other up"));
    let large = EthConfig { mtu: Some(9000), pool: pool_of(63, 10_240), ..config(pool) };
    let error = EthDevice::open(eal(), "net_af_packet2,iface=other", &large).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("MTU 9000 is not possible, it carries ") && error.contains(" to 1960"), "{error}");
    let slots = "net_af_packet2,iface=other,framesz=10240,blocksz=20480,framecnt=64";
    let (device, ports) = EthDevice::open(eal(), slots, &large).unwrap();
    assert_eq!(device.mtu(), 9000);
    drop((device, ports));
    let unasked = EthConfig { mtu: None, ..large };
    let (device, _ports) = EthDevice::open(eal(), slots, &unasked).unwrap();
    assert_eq!(device.mtu(), 9000, "the interface has kept it");
}
