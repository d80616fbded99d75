//! What driver and device have agreed to leave to each other arrives as it was left, and nothing else is believed.

use frame::{Burst, Frame, HeapPool, Offload, Pool, SUPER_MAX, Takes, Transport};
use wire::virtio_net::Header;

use super::{
    driver::{Buffer, Driver},
    guest::{BUFFERS, Ram, config, queue},
    packed_driver::PackedDriver,
    split_driver::SplitDriver,
};
use crate::{Features, Received};

const BASE: Features = Features(Features::VERSION_1.0 | Features::MRG_RXBUF.0);
const AGREED: Features = Features(BASE.0 | Features::CHECKSUMS.0 | Features::TO_GUEST.0 | Features::FROM_GUEST.0);

const NEEDS_CHECKSUM: u8 = 1;
const TCP_IPV4: u8 = 1;

/// TCP over IPv4 with so many octets of payload, no checksum right.
fn packet(payload: usize) -> Vec<u8> {
    let mut packet = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    packet.extend(((40 + payload) as u16).to_be_bytes());
    packet.extend([0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 80, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
    packet.extend([0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend((0..payload).map(|at| at as u8));
    packet
}

/// The header of such a packet, to be cut into segments of so many octets.
fn header(segment: u16) -> Header {
    let segmentation = if segment == 0 { 0 } else { TCP_IPV4 };
    Header { flags: NEEDS_CHECKSUM, segmentation, headers_len: 54, segment, checksum_start: 34, checksum_offset: 16 }
}

fn tcp(segment: u16) -> Option<Offload> {
    Some(Offload { transport: Transport::Tcp, segment })
}

/// What a queue of these features makes of a packet with that header, sent in pieces of 4 KiB or in one buffer.
fn received<D: Driver>(features: Features, header: Header, packet: &[u8], whole: bool) -> Result<Frame, Received> {
    let (ram, mut driver) = (Ram::new(), D::new(64, features));
    let mut queue = queue(&ram, &config(64, features, driver.addresses())).unwrap();
    let octets = [&header.emit()[..], &[0, 0], packet].concat();
    let piece = if whole { octets.len() } else { 4096 };
    let buffer =
        |(n, octets): (usize, &[u8])| Buffer { address: BUFFERS + (n * piece) as u64, len: octets.len() as u32 };
    let buffers: Vec<Buffer> = octets.chunks(piece).enumerate().map(buffer).collect();
    driver.offer(&ram, &buffers, false, None).unwrap();
    ram.spread(&buffers, &octets);
    let (mut pool, mut burst) = (HeapPool::new(4, 2048), Burst::new());
    let received = queue.receive(&mut burst, 8, &mut pool).unwrap();
    assert_eq!((pool.used(), received.frames), (burst.len(), burst.len()));
    assert!(driver.collect(&ram).is_some(), "the driver has its buffers back");
    burst.pop().ok_or(received)
}

fn check_received<D: Driver>(kind: Features) {
    let long = packet(50_000);
    for whole in [false, true] {
        let frame = received::<D>(AGREED | kind, header(1448), &long, whole).unwrap();
        assert_eq!((frame.data() == long, frame.offload()), (true, tcp(1448)));
        HeapPool::new(1, 1).release_one(frame);
    }
    let short = packet(100);
    let frame = received::<D>(AGREED | kind, header(0), &short, true).unwrap();
    assert_eq!((frame.data(), frame.offload()), (&short[..], tcp(0)));
    HeapPool::new(1, 1).release_one(frame);
}

#[test]
fn what_the_guest_leaves_to_be_done_arrives_with_its_frame() {
    check_received::<SplitDriver>(Features::default());
    check_received::<PackedDriver>(Features::RING_PACKED);
}

/// Short and long ones by turns, each in one buffer.
fn check_mixed<D: Driver>(kind: Features) {
    let (ram, mut driver) = (Ram::new(), D::new(64, AGREED | kind));
    let mut queue = queue(&ram, &config(64, AGREED | kind, driver.addresses())).unwrap();
    let sizes = [(100, 0), (50_000, 1448), (200, 0), (300, 0), (40_000, 1448)];
    let (mut sent, mut address) = (Vec::new(), BUFFERS);
    for (payload, segment) in sizes {
        let octets = [&header(segment).emit()[..], &[0, 0], &packet(payload)].concat();
        let buffer = [Buffer { address, len: octets.len() as u32 }];
        driver.offer(&ram, &buffer, false, None).unwrap();
        ram.spread(&buffer, &octets);
        sent.push((packet(payload), tcp(segment)));
        address += octets.len() as u64;
    }
    let (mut pool, mut burst) = (HeapPool::new(8, 2048), Burst::new());
    for _ in 0..sizes.len() {
        queue.receive(&mut burst, 8, &mut pool).unwrap();
    }
    let arrived: Vec<_> = burst.as_slice().iter().map(|frame| (frame.data().to_vec(), frame.offload())).collect();
    assert!(arrived == sent, "{:?}", arrived.iter().map(|(data, offload)| (data.len(), offload)).collect::<Vec<_>>());
    pool.release(&mut burst);
}

#[test]
fn long_and_short_ones_by_turns_arrive_in_order() {
    check_mixed::<SplitDriver>(Features::default());
    check_mixed::<PackedDriver>(Features::RING_PACKED);
}

#[test]
fn what_was_not_agreed_on_or_is_not_true_is_an_error_and_no_frame() {
    let (long, short) = (packet(50_000), packet(100));
    let without = |features: Features| AGREED.without(features);
    let lie = Header { checksum_start: 60_000, ..header(0) };
    for (features, header, packet) in [
        (without(Features::CSUM), header(0), &short),
        (without(Features::HOST_TSO4), header(1448), &long),
        (without(Features::HOST_TSO4), header(50), &short),
        (BASE, header(1448), &long),
        (AGREED, Header { segmentation: 4, ..header(50) }, &short),
        (AGREED, Header { segmentation: 3, ..header(50) }, &short),
        (without(Features::HOST_ECN), Header { segmentation: TCP_IPV4 | 0x80, ..header(50) }, &short),
        (AGREED, header(3), &short),
        (AGREED, lie, &short),
        (AGREED, Header { flags: 2, ..Header::default() }, &short),
        (AGREED, header(0), &long),
        (AGREED, Header::default(), &long),
    ] {
        for whole in [false, true] {
            let refused = received::<SplitDriver>(features, header, packet, whole).unwrap_err();
            assert_eq!((refused.errors, refused.no_buffer), (1, 0), "{header:?} with {features}");
        }
    }
}

/// What the driver finds of a frame in buffers of so many octets: the header, and what is behind it.
fn sent<D: Driver>(features: Features, frame: Frame, buffer_len: u32) -> Option<(Header, Vec<u8>)> {
    let (ram, mut driver) = (Ram::new(), D::new(64, features));
    let mut queue = queue(&ram, &config(64, features, driver.addresses())).unwrap();
    let buffer = |n: u64| Buffer { address: BUFFERS + n * u64::from(buffer_len), len: buffer_len };
    (0..60).for_each(|n| _ = driver.offer(&ram, &[buffer(n)], true, None));
    let mut burst = Burst::new();
    burst.push(frame).unwrap();
    let sent = queue.send(&burst).unwrap();
    HeapPool::new(1, 1).release(&mut burst);
    let mut found = Vec::new();
    let mut n = 0;
    while let Some((_, len)) = driver.collect(&ram) {
        found.extend(ram.get(buffer(n).address, len as usize));
        n += 1;
    }
    assert_eq!(sent.frames, u32::from(n > 0));
    let (header, rest) = found.split_first_chunk::<12>()?;
    assert_eq!(u64::from(u16::from_le_bytes([header[10], header[11]])), n);
    Some((Header::parse(*header.first_chunk().unwrap()), rest.to_vec()))
}

fn frame(packet: &[u8], offload: Option<Offload>) -> Frame {
    let mut frame = HeapPool::new(1, SUPER_MAX).alloc().unwrap();
    assert!(frame.write(packet));
    frame.set_offload(offload);
    frame
}

#[test]
fn what_is_left_to_the_guest_is_said_in_the_header_of_its_first_buffer() {
    let (long, short) = (packet(50_000), packet(100));
    for (octets, offload, said) in [(&long, tcp(1448), header(1448)), (&short, tcp(0), header(0))] {
        for buffer_len in [1526, 60_000] {
            let split = sent::<SplitDriver>(AGREED, frame(octets, offload), buffer_len);
            assert_eq!(split, Some((said, octets.clone())));
            let packed = sent::<PackedDriver>(AGREED | Features::RING_PACKED, frame(octets, offload), buffer_len);
            assert_eq!(packed, Some((said, octets.clone())));
        }
    }
}

#[test]
fn what_the_guest_does_not_take_or_no_header_says_is_refused() {
    let (long, short) = (packet(50_000), packet(100));
    let udp = Some(Offload { transport: Transport::Udp, segment: 0 });
    for (features, octets, offload) in [
        (BASE, &short, tcp(0)),
        (AGREED.without(Features::GUEST_TSO4), &long, tcp(1448)),
        (AGREED.without(Features::GUEST_ECN), &long, tcp(1448)),
        (AGREED, &short, udp),
    ] {
        assert_eq!(sent::<SplitDriver>(features, frame(octets, offload), 2048), None, "{features}");
    }
}

#[test]
fn what_a_guest_takes_is_what_it_has_agreed_to() {
    let ram = Ram::new();
    let takes = |features: Features| {
        let driver = SplitDriver::new(64, features);
        queue(&ram, &config(64, features, driver.addresses())).unwrap().takes()
    };
    let all = Takes { checksum: true, tcp4: true, tcp6: true, ..Takes::default() };
    assert_eq!(takes(AGREED), all);
    assert_eq!(takes(AGREED.without(Features::GUEST_TSO6)), Takes { tcp6: false, ..all });
    assert_eq!(takes(AGREED.without(Features::GUEST_CSUM)), Takes::default());
    assert_eq!(takes(BASE), Takes::default());
}
