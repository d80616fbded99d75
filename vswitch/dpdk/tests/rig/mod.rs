//! What the tests of devices share: one environment without hugepages, pools, captures.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    fs,
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use dpdk::{Eal, EalConfig, EthConfig, EthDevice, EthPort, Pool};
use frame::{Burst, Pool as _, Port};

/// Memory of the test environment; small enough for any machine.
pub(crate) const MEMORY_MIB: u32 = 192;

/// The environment of this test binary; DPDK starts once in a process.
pub(crate) fn eal() -> &'static Eal {
    static EAL: OnceLock<Eal> = OnceLock::new();
    EAL.get_or_init(|| Eal::init(&EalConfig { memory_mib: MEMORY_MIB, ..EalConfig::default() }).unwrap())
}

/// A name or number nobody else in this process has.
pub(crate) fn unique() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Relaxed)
}

pub(crate) fn pool_of(frames: u32, data_max: u16) -> Pool {
    Pool::create(eal(), &format!("test{}", unique()), frames, data_max, None).unwrap()
}

pub(crate) fn config(pool: &Pool) -> EthConfig {
    EthConfig {
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
    }
}

/// Opens a device with one queue.
pub(crate) fn open(device: &str, pool: &Pool) -> (EthDevice, EthPort) {
    let (device, mut ports) = EthDevice::open(eal(), device, &config(pool)).unwrap();
    assert_eq!(ports.len(), 1);
    (device, ports.remove(0))
}

/// A pcap file, removed at the end of the test.
pub(crate) struct Capture(pub(crate) PathBuf);

impl Capture {
    pub(crate) fn of(packets: &[Vec<u8>]) -> Capture {
        let mut bytes = Vec::new();
        for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 1] {
            bytes.extend(word.to_le_bytes());
        }
        for (n, packet) in packets.iter().enumerate() {
            for word in [n as u32, 0, packet.len() as u32, packet.len() as u32] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(packet);
        }
        let path = std::env::temp_dir().join(format!("millrace-dpdk-{}-{}.pcap", std::process::id(), unique()));
        fs::write(&path, bytes).unwrap();
        Capture(path)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A packet that differs from its neighbours in every octet.
pub(crate) fn packet(n: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + n * 31 + i / 256) as u8).collect()
}

/// Polls until `count` packets came or nothing came for a while, and gives their bytes.
pub(crate) fn receive(port: &mut EthPort, pool: &mut Pool, count: usize) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut burst = Burst::new();
    for _ in 0..1000 {
        port.rx_burst(&mut burst, 64);
        packets.extend(burst.as_slice().iter().map(|frame| frame.data().to_vec()));
        pool.release(&mut burst);
        if packets.len() >= count {
            break;
        }
    }
    packets
}

/// A burst of frames with these bytes.
pub(crate) fn burst_of(pool: &mut Pool, packets: &[Vec<u8>]) -> Burst {
    let mut burst = Burst::new();
    for packet in packets {
        let mut frame = pool.alloc().unwrap();
        assert!(frame.write(packet));
        assert!(burst.push(frame).is_ok());
    }
    burst
}

/// Every buffer is home and no frame was ever lost.
pub(crate) fn assert_conserved(pool: &Pool) {
    assert_eq!(pool.available(), pool.capacity(), "frames are out of {pool:?}");
    assert_eq!(frame::lost_frames(), 0);
}
