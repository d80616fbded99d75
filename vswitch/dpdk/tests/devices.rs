//! Virtual devices of DPDK through the port trait: bytes arrive as they left, nothing disappears, errors say why.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use dpdk::{DATA_MAX, EthConfig, EthDevice, EthError};
use frame::{Burst, Header, Pool as _, Port, Sent};
use rig::{Capture, assert_conserved, burst_of, config, eal, open, packet, pool_of, receive, unique};

#[test]
fn packets_of_a_capture_arrive_byte_by_byte() {
    let packets: Vec<_> = (0..150).map(|n| packet(n, 14 + n * 9)).collect();
    let capture = Capture::of(&packets);
    let mut pool = pool_of(511, 2048);
    let (device, mut port) = open(&format!("net_pcap{},rx_pcap={}", unique(), capture.0.display()), &pool);
    assert_eq!(device.driver(), "net_pcap");
    assert_eq!(receive(&mut port, &mut pool, packets.len()), packets);
    assert_eq!(port.device_stats(), frame::DeviceStats::default());
    assert_eq!(device.stats().rx_frames, 150);
    drop((device, port));
    assert_conserved(&pool);
}

#[test]
fn a_packet_longer_than_a_buffer_is_counted_and_its_neighbours_arrive() {
    let packets = [packet(1, 100), packet(2, 3000), packet(3, 200)];
    let capture = Capture::of(&packets);
    let mut pool = pool_of(127, 2048);
    let (device, mut port) = open(&format!("net_pcap{},rx_pcap={}", unique(), capture.0.display()), &pool);
    assert_eq!(receive(&mut port, &mut pool, 3), [packets[0].clone(), packets[2].clone()]);
    assert_eq!(port.device_stats().rx_errors, 1);
    drop((device, port));
    assert_conserved(&pool);
}

#[test]
fn a_packet_without_bytes_is_not_a_frame() {
    let capture = Capture::of(&[vec![], packet(1, 60)]);
    let mut pool = pool_of(127, 2048);
    let (device, mut port) = open(&format!("net_pcap{},rx_pcap={}", unique(), capture.0.display()), &pool);
    assert_eq!(receive(&mut port, &mut pool, 1), [packet(1, 60)]);
    assert_eq!(port.device_stats().rx_errors, 1);
    drop((device, port));
    assert_conserved(&pool);
}

#[test]
fn a_capture_can_be_replayed_for_ever() {
    let packets: Vec<_> = (0..4).map(|n| packet(n, 64)).collect();
    let capture = Capture::of(&packets);
    let mut pool = pool_of(511, 2048);
    let device = format!("net_pcap{},rx_pcap={},infinite_rx=1", unique(), capture.0.display());
    let (device, mut port) = open(&device, &pool);
    let received = receive(&mut port, &mut pool, 1000);
    assert!(received.len() >= 1000);
    assert!(received.iter().enumerate().all(|(n, bytes)| *bytes == packets[n % 4]));
    drop((device, port));
    assert_conserved(&pool);
}

#[test]
fn what_a_port_writes_into_a_capture_another_reads() {
    let packets: Vec<_> = (0..40).map(|n| packet(n, 60 + n)).collect();
    let capture = Capture::of(&[]);
    let mut pool = pool_of(127, 2048);
    let (device, mut port) = open(&format!("net_pcap{},tx_pcap={}", unique(), capture.0.display()), &pool);
    let sent = port.tx_burst(&mut burst_of(&mut pool, &packets));
    assert_eq!(sent, Sent { frames: 40, refused: 0, bytes: packets.iter().map(|p| p.len() as u64).sum() });
    drop((device, port));
    let (device, mut port) = open(&format!("net_pcap{},rx_pcap={}", unique(), capture.0.display()), &pool);
    assert_eq!(receive(&mut port, &mut pool, 40), packets);
    drop((device, port));
    assert_conserved(&pool);
}

#[test]
fn frames_come_round_a_ring_without_a_copy_of_their_bytes() {
    let packets: Vec<_> = (0..64).map(|n| packet(n, 60 + n * 20)).collect();
    let mut pool = pool_of(255, 2048);
    let (device, mut port) = open(&format!("net_ring{}", unique()), &pool);
    assert_eq!(device.all_multicast(), Ok(()), "one that can is told to take all multicast");
    for _ in 0..20 {
        let sent = port.tx_burst(&mut burst_of(&mut pool, &packets));
        assert_eq!((sent.frames, sent.refused), (64, 0));
        assert_eq!(receive(&mut port, &mut pool, 64), packets);
    }
    assert_conserved(&pool);
    drop((device, port));
}

#[test]
fn what_a_full_device_refuses_is_counted_and_comes_home() {
    let mut pool = pool_of(2047, 1536);
    let (device, mut port) = open(&format!("net_ring{}", unique()), &pool);
    let mut total = Sent::default();
    for n in 0..20 {
        let sent = port.tx_burst(&mut burst_of(&mut pool, &vec![packet(n, 100); 64]));
        assert_eq!(sent.bytes, u64::from(sent.frames) * 100);
        total += sent;
    }
    assert_eq!(total.frames + total.refused, 20 * 64);
    assert!(total.refused > 0, "{total:?}");
    assert_eq!(pool.capacity() - pool.available(), total.frames as usize);
    drop((device, port));
    assert_conserved(&pool);
}

#[test]
fn frames_the_device_cannot_carry_are_refused_and_the_others_sent_in_order() {
    let mut pool = pool_of(127, 2048);
    let (device, mut port) = open(&format!("net_ring{}", unique()), &pool);
    assert_eq!(device.mtu(), 1500);
    let packets = [packet(0, 60), packet(1, 1523), packet(2, 1522), packet(3, 13), packet(4, 14)];
    let sent = port.tx_burst(&mut burst_of(&mut pool, &packets));
    assert_eq!(sent, Sent { frames: 3, refused: 2, bytes: 60 + 1522 + 14 });
    let expected = [packets[0].clone(), packets[2].clone(), packets[4].clone()];
    assert_eq!(receive(&mut port, &mut pool, 3), expected);
    drop((device, port));
    assert_conserved(&pool);
}

/// Chains `second` behind `first`, as drivers do that split packets.
fn chain(first: &frame::Frame, second: frame::Frame) {
    let (head, tail) = (first.as_raw().cast::<u8>(), second.as_raw());
    let total = (first.len() + second.len()) as u32;
    // SAFETY: the offsets are those of the fields with these types; the second buffer belongs to the first from now on.
    unsafe {
        head.add(Header::OFFSETS.next).cast().write(second.into_raw());
        head.add(Header::OFFSETS.nb_segs).cast().write(2u16);
        head.add(Header::OFFSETS.pkt_len).cast().write(total);
    }
    assert_eq!(tail.as_ptr() as usize % 64, 0);
}

#[test]
fn a_chained_packet_becomes_one_segment_and_both_buffers_come_home() {
    let mut pool = pool_of(127, 2048);
    let (device, mut port) = open(&format!("net_ring{}", unique()), &pool);
    let mut burst = burst_of(&mut pool, &[packet(0, 60), packet(1, 1000), packet(2, 60)]);
    let mut tail = pool.alloc().unwrap();
    assert!(tail.write(&packet(9, 500)));
    chain(&burst.as_slice()[1], tail);
    assert_eq!(port.tx_burst(&mut burst).frames, 3);
    let expected = [packet(0, 60), [packet(1, 1000), packet(9, 500)].concat(), packet(2, 60)];
    assert_eq!(receive(&mut port, &mut pool, 3), expected);
    assert_eq!(port.device_stats(), frame::DeviceStats::default());
    drop((device, port));
    assert_conserved(&pool);
}

#[test]
fn a_chain_without_a_buffer_to_copy_into_is_counted() {
    let mut pool = pool_of(2, 2048);
    let (device, mut port) = open(&format!("net_ring{}", unique()), &pool);
    let mut burst = burst_of(&mut pool, &[packet(0, 60)]);
    let mut tail = pool.alloc().unwrap();
    assert!(tail.write(&packet(1, 60)));
    chain(&burst.as_slice()[0], tail);
    port.tx_burst(&mut burst);
    assert_eq!(port.rx_burst(&mut burst, 64), 0);
    assert_eq!(port.device_stats().rx_no_buffer, 1);
    drop((device, port));
    assert_conserved(&pool);
}

#[test]
fn a_device_may_have_a_port_per_queue() {
    let mut pool = pool_of(127, 2048);
    let two = EthConfig { queues: 2, ..config(&pool) };
    let (device, mut ports) = EthDevice::open(eal(), &format!("net_ring{}", unique()), &two).unwrap();
    for (n, port) in ports.iter_mut().enumerate() {
        port.tx_burst(&mut burst_of(&mut pool, &[packet(n, 60)]));
    }
    for (n, port) in ports.iter_mut().enumerate() {
        assert_eq!((usize::from(port.queue()), receive(port, &mut pool, 1)), (n, vec![packet(n, 60)]));
    }
    drop((device, ports));
    assert_conserved(&pool);
}

#[test]
fn a_burst_is_never_filled_beyond_what_was_asked_for() {
    let mut pool = pool_of(511, 2048);
    let (device, mut port) = open(&format!("net_null{}", unique()), &pool);
    let mut burst = Burst::new();
    assert_eq!(port.rx_burst(&mut burst, 0), 0);
    assert_eq!(port.rx_burst(&mut burst, 3), 3);
    let more = port.rx_burst(&mut burst, usize::MAX);
    assert_eq!((burst.len(), more), (64, 61));
    assert_eq!(port.rx_burst(&mut burst, 64), 0, "a full burst stays as it is");
    let sent = port.tx_burst(&mut burst);
    assert_eq!((sent.frames, sent.bytes, burst.len()), (64, 64 * 64, 0));
    assert_eq!(port.tx_burst(&mut burst), Sent::default());
    pool.release(&mut burst);
    drop((device, port));
    assert_conserved(&pool);
}

#[test]
fn an_exhausted_pool_stops_the_device_and_nothing_else() {
    let mut pool = pool_of(31, 2048);
    let (device, mut port) = open(&format!("net_null{}", unique()), &pool);
    let hoard: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
    let mut burst = Burst::new();
    assert_eq!(port.rx_burst(&mut burst, 64), 0);
    hoard.into_iter().for_each(|frame| pool.release_one(frame));
    assert!(port.rx_burst(&mut burst, 16) > 0);
    pool.release(&mut burst);
    drop((device, port));
    assert_conserved(&pool);
}

#[test]
fn a_closed_device_can_be_opened_again() {
    let pool = pool_of(31, 2048);
    let name = format!("net_null{}", unique());
    for _ in 0..40 {
        let (device, port) = open(&name, &pool);
        assert_eq!(device.name(), name);
        assert!(device.link().unwrap().up);
        let busy = EthDevice::open(eal(), &name, &config(&pool)).map(|_| ()).unwrap_err();
        assert!(matches!(busy, EthError::Busy { .. }), "{busy}");
        drop(device);
        let still = EthDevice::open(eal(), &name, &config(&pool)).map(|_| ()).unwrap_err();
        assert!(matches!(still, EthError::Busy { .. }), "a port keeps its device: {still}");
        drop(port);
    }
}

fn error(device: &str, change: impl FnOnce(&mut EthConfig)) -> String {
    let pool = pool_of(31, 2048);
    let mut config = config(&pool);
    change(&mut config);
    EthDevice::open(eal(), device, &config).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn an_error_names_the_device_the_value_and_the_cause() {
    let n = unique();
    let nothing = |_: &mut EthConfig| ();
    let text = error(&format!("net_af_packet{n},iface=nosuchif"), nothing);
    let expected = format!(
        "device net_af_packet{n},iface=nosuchif: net_af_packet: interface \"nosuchif\" does not exist in this namespace"
    );
    assert!(text.starts_with(&expected), "{text}");
    let text = error(&format!("net_pcap{n},rx_pcap=/nosuch.pcap"), nothing);
    assert!(text.contains("net_pcap: cannot read \"/nosuch.pcap\": No such file"), "{text}");
    let text = error(&format!("net_nosuch{n}"), nothing);
    assert!(text.contains("no driver \"net_nosuch\" is installed"), "{text}");
    let text = error(&format!("net_null{n},nosuch=1"), nothing);
    assert!(text.contains("the driver refused it") && text.contains("DPDK says"), "{text}");
    let text = error("", nothing);
    assert!(text.contains("it should be a PCI address"), "{text}");
    let text = error("0000:00:1f.7", nothing);
    assert_eq!(text, "device 0000:00:1f.7: DPDK was started without PCI; start it with no_pci = false");
}

#[test]
fn queues_and_mtu_are_checked_against_the_device_and_the_pool() {
    let capture = Capture::of(&[packet(0, 60)]);
    let pcap = format!("net_pcap{},rx_pcap={}", unique(), capture.0.display());
    let text = error(&pcap, |config| config.queues = 2);
    assert!(text.starts_with(&format!("device {pcap}: queues = 2, and it has 1; name 2 captures to read")), "{text}");
    assert!(error(&pcap, |config| config.queues = 0).contains("queues = 0, and it has 1; set queues = 1 or more"));
    let text = error(&pcap, |config| config.mtu = Some(9000));
    assert!(text.contains("MTU 9000 needs buffers of 9022 bytes") && text.contains("has 2048"), "{text}");
    assert!(error(&pcap, |config| config.mtu = Some(1)).contains("MTU 1 is not possible, it carries "));
    open(&pcap, &pool_of(31, 2048));
}

#[test]
fn jumbo_frames_pass_where_mtu_and_pool_allow_them() {
    let packets = [packet(0, 9014), packet(1, 65)];
    let capture = Capture::of(&packets);
    let mut pool = pool_of(127, 10_240);
    let mtu = EthConfig { mtu: Some(9000), ..config(&pool) };
    let name = format!("net_pcap{},rx_pcap={}", unique(), capture.0.display());
    let (device, mut ports) = EthDevice::open(eal(), &name, &mtu).unwrap();
    assert_eq!(device.mtu(), 9000);
    assert_eq!(receive(&mut ports[0], &mut pool, 2), packets);
    drop((device, ports));
    assert_conserved(&pool);
}

#[test]
fn a_super_frame_fits_the_largest_buffer() {
    let longest = packet(0, usize::from(DATA_MAX));
    let capture = Capture::of(std::slice::from_ref(&longest));
    let mut pool = pool_of(15, DATA_MAX);
    let (device, mut port) = open(&format!("net_pcap{},rx_pcap={}", unique(), capture.0.display()), &pool);
    assert_eq!(receive(&mut port, &mut pool, 1), [longest]);
    drop((device, port));
    assert_conserved(&pool);
}
