//! `net_ring` sends to itself by nature and does nothing of what is left to it: the worst of liars.

use frame::Takes;

use super::*;
use crate::{
    Eal, EalConfig, EthConfig, EthDevice,
    eth_port::{self, Nic},
    trial::{Finding, Outcome, hold},
};

const ALL: Takes = Takes { checksum: true, tcp4: true, tcp6: true, udp: false, tunnel: true };
const OWN: MacOctets = [2, 0, 0, 0, 0, 9];

/// What is done at the start and at the end of a trial.
type Disturbance = fn(&mut EthPort, &mut Pool);

/// The findings of a trial of the device, had its driver claimed everything; nothing where it does not send to itself.
fn tried(eal: &Eal, pool: &Pool, device: &str, disturbance: Disturbance) -> Option<Vec<Finding>> {
    let config = EthConfig {
        name: "test".to_owned(),
        queues: 1,
        rx_descriptors: None,
        tx_descriptors: None,
        descriptors_set_aside: 256,
        mtu: None,
        mac: None,
        pool: pool.clone(),
        is_only_pool: false,
        offloads: false,
        promiscuous: false,
        worker_nodes: Vec::new(),
    };
    let (device, _ports) = EthDevice::open(eal, device, &config).unwrap();
    let port = |takes| eth_port::new(&device.shared, 0, 1500, Nic { takes, sums_ipv4: true }, pool);
    let mut looped = Looped::new(port(ALL), pool, OWN)?;
    disturbance(&mut port(Takes::default()), &mut pool.clone());
    Some(hold(ALL, &mut pool.clone(), &mut looped).1)
}

/// Frames of the wire: to the device's own address, and to others.
fn strangers(port: &mut EthPort, pool: &mut Pool) {
    for packet in [[OWN, [2; 6]].concat(), vec![0xff; 60], [OWN, OWN].concat()] {
        let mut burst = Burst::new();
        let mut frame = pool.alloc().unwrap();
        assert!(frame.write(&[&packet[..], &[8, 0, 1, 2, 3]].concat()));
        burst.push(frame).ok();
        assert_eq!(port.tx_burst(&mut burst).frames, 1);
    }
}

#[test]
fn a_loop_is_found_and_what_comes_back_unfinished_is_refused() {
    let eal = Eal::init(&EalConfig { memory_mib: 64, ..EalConfig::default() }).unwrap();
    let pool = Pool::create(&eal, "trial", 1023, 2048, None).unwrap();
    assert_eq!(tried(&eal, &pool, "net_null7", |_, _| {}), None, "what a device makes up is not what was sent");
    for disturbance in [|_: &mut EthPort, _: &mut Pool| {}, strangers] {
        let findings = tried(&eal, &pool, "net_ring7", disturbance).unwrap();
        assert_eq!(findings.len(), 1, "all else rests on checksums: {findings:?}");
        assert_eq!(findings[0].kind, "TCP checksums over IPv4");
        let Outcome::Refused(how) = &findings[0].outcome else { panic!("{findings:?}") };
        assert_eq!(how, "packet 1 came back with a wrong checksum, at octet 50");
    }
    assert_eq!(pool.available(), pool.capacity());
}
