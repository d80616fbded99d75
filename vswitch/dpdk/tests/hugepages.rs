//! DPDK on hugepages where the machine has some free; where it has none, the error that says so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use dpdk::{Eal, EalConfig, EalError, EthConfig, EthDevice, Pool};
use frame::{Burst, Pool as _, Port};

#[test]
fn hugepages_are_used_or_their_absence_is_said() {
    let config = EalConfig { hugepages: true, ..EalConfig::default() };
    let eal = match Eal::init(&config) {
        Ok(eal) => eal,
        Err(error) => {
            assert!(matches!(error, EalError::NoHugepages), "{error}");
            assert!(error.to_string().contains("nr_hugepages"), "{error}");
            println!("skipped: no free hugepages");
            return;
        }
    };
    let mut pool = Pool::create(&eal, "huge", 1023, 2048, None).unwrap();
    let eth = EthConfig {
        name: "test".to_owned(),
        queues: 1,
        rx_descriptors: None,
        tx_descriptors: None,
        descriptors_set_aside: 512,
        mtu: None,
        mac: None,
        pool: pool.clone(),
        is_only_pool: true,
        offloads: false,
        promiscuous: true,
        worker_nodes: vec![0],
    };
    let (device, mut ports) = EthDevice::open(&eal, "net_null0", &eth).unwrap();
    let mut burst = Burst::new();
    assert_eq!(ports[0].rx_burst(&mut burst, 32), 32);
    assert_eq!(ports[0].tx_burst(&mut burst).frames, 32);
    drop((device, ports));
    assert_eq!(pool.available(), pool.capacity());
    let frame = pool.alloc().unwrap();
    pool.release_one(frame);
}
