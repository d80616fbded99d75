//! Front ends that do not keep to the protocol are told apart by name, and nothing of theirs is kept.

use std::io::Read;

use proptest::prelude::*;
use vhost_protocol::vhost_user::message::{FrontendReq::*, VhostUserVringAddr, VhostUserVringAddrFlags};

use super::front_end::*;
use crate::{Backend, Fault, Features, GuestAddress, Request, RingIndex, UserAddress};

fn fault(sent: Sent) -> Fault {
    say(&mut negotiated(Features::VERSION_1), sent).map(|_| ()).unwrap_err()
}

#[test]
fn a_header_that_is_none_is_refused_before_its_payload_comes() {
    let head = |sent: Sent| fault(Sent(sent.0[..12].to_vec(), sent.1));
    assert_eq!(head(raw(1, 2, &[])), Fault::Version(2));
    assert_eq!(head(raw(1, 0, &[])), Fault::Version(0));
    assert_eq!(head(raw(1, 5, &[])), Fault::Flags(5), "a reply to nothing");
    assert_eq!(head(raw(1, 0x11, &[])), Fault::Flags(0x11));
    assert_eq!(head(raw(0, 1, &[])), Fault::UnknownRequest(0));
    assert_eq!(head(raw(4711, 1, &[])), Fault::UnknownRequest(4711));
    let long = raw(SET_MEM_TABLE.into(), 1, &[0; 265]);
    assert_eq!(head(long), Fault::PayloadSize { request: Request(SET_MEM_TABLE), octets: 265 });
}

#[test]
fn requests_of_features_nobody_negotiated_are_refused() {
    for request in [IOTLB_MSG, GET_CONFIG, POSTCOPY_ADVISE, SET_BACKEND_REQ_FD, VRING_KICK, SET_VRING_ENDIAN] {
        assert_eq!(fault(empty(request)), Fault::NotNegotiated(Request(request)));
    }
    for request in [SET_STATUS, GET_STATUS, NET_SET_MTU, SEND_RARP, SET_LOG_BASE, ADD_MEM_REG, GET_INFLIGHT_FD] {
        let early = say(&mut Backend::new(offer()), empty(request)).map(|_| ());
        assert_eq!(early, Err(Fault::NotNegotiated(Request(request))));
    }
}

#[test]
fn features_beyond_the_offer_or_under_running_rings_are_refused() {
    assert_eq!(fault(with(SET_FEATURES, 1u64 << 63)), Fault::FeaturesNotOffered(1 << 63));
    assert_eq!(fault(with(SET_PROTOCOL_FEATURES, 1u64 << 5)), Fault::FeaturesNotOffered(1 << 5));
    let mut backend = negotiated(Features::VERSION_1);
    say(&mut backend, with(SET_VRING_KICK, 3u64).fd()).unwrap();
    let packed = with(SET_FEATURES, (Features::VERSION_1 | Features::PROTOCOL_FEATURES | Features::RING_PACKED).0);
    let changed = say(&mut backend, packed).map(|_| ()).unwrap_err();
    assert_eq!(changed, Fault::FeaturesWhileRunning(Features::RING_PACKED.0));
}

#[test]
fn rings_that_cannot_be_are_refused() {
    assert_eq!(fault(state(SET_VRING_NUM, 4, 256)), Fault::NoSuchRing { ring: 4, rings: 4 });
    assert_eq!(fault(state(GET_VRING_BASE, u32::MAX, 0)), Fault::NoSuchRing { ring: u32::MAX, rings: 4 });
    assert_eq!(fault(with(SET_VRING_KICK, 255u64).fd()), Fault::NoSuchRing { ring: 255, rings: 4 });
    for size in [0, 3, 257, 65_536, u32::MAX] {
        assert_eq!(fault(state(SET_VRING_NUM, 1, size)), Fault::RingSize { ring: RingIndex(1), size });
    }
    let mut packed = negotiated(Features::VERSION_1 | Features::RING_PACKED);
    assert!(say(&mut packed, state(SET_VRING_NUM, 1, 257)).is_ok(), "a packed ring may have any size");
    for (descriptors, used, available, part) in
        [(8, 0, 0, "descriptor table"), (0, 2, 0, "used ring"), (0, 0, 1, "available ring")]
    {
        let addr = VhostUserVringAddr::new(0, VhostUserVringAddrFlags::empty(), descriptors, used, available, 0);
        let found = fault(with(SET_VRING_ADDR, addr));
        let address = UserAddress(descriptors + used + available);
        assert_eq!(found, Fault::RingAlignment { ring: RingIndex(0), part, address });
    }
    assert!(matches!(fault(state(SET_VRING_BASE, 0, 65_536)), Fault::Value { value: 65_536, .. }));
    assert!(matches!(fault(state(SET_VRING_ENABLE, 0, 2)), Fault::Value { value: 2, .. }));
    assert!(matches!(fault(with(SET_VRING_CALL, 0x200u64).fd()), Fault::Value { value: 0x200, .. }));
    assert!(matches!(fault(with(SET_STATUS, 256u64)), Fault::Value { value: 256, .. }));
}

#[test]
fn memory_that_cannot_be_is_refused() {
    let top = u64::MAX - 0xfff;
    for (guest, size, user) in [(0, 0, 0), (top, 0x1001, 0), (0, 0x1000, top), (0, u64::MAX, 0)] {
        let found = fault(memory(&[(guest, size, user)]).fd());
        assert_eq!(found, Fault::RegionExtent { start: GuestAddress(guest), size });
    }
    let twice = |second| fault(memory(&[(0, 0x2000, 0x10_0000), second]).fds(2).0);
    assert_eq!(twice((0x1000, 0x1000, 0x20_0000)), Fault::RegionOverlap(GuestAddress(0x1000)));
    assert_eq!(twice((0x8000, 0x1000, 0x10_1fff)), Fault::RegionOverlap(GuestAddress(0x8000)));
    let mut backend = negotiated(Features::VERSION_1);
    for slot in 0..32 {
        say(&mut backend, region(ADD_MEM_REG, slot << 12, 0x1000, slot << 12).fd()).unwrap();
    }
    let more = say(&mut backend, region(ADD_MEM_REG, 1 << 40, 0x1000, 1 << 40).fd()).map(|_| ());
    assert_eq!(more, Err(Fault::RegionCount { regions: 33, max: 32 }));
    let almost = say(&mut backend, region(ADD_MEM_REG, 0, 0x1000, 1 << 40).fd()).map(|_| ());
    assert_eq!(almost, Err(Fault::RegionCount { regions: 33, max: 32 }), "not the one that is there");
}

#[test]
fn a_memory_table_that_lies_about_its_length_is_refused() {
    for count in [0u8, 2, 8, 255] {
        let mut table = memory(&[(0, 0x1000, 0)]);
        table.0[12] = count;
        assert_eq!(fault(table.fd()), Fault::PayloadSize { request: Request(SET_MEM_TABLE), octets: 40 });
    }
    assert!(matches!(fault(raw(SET_MEM_TABLE.into(), 1, &[0; 7])), Fault::PayloadSize { octets: 7, .. }));
}

#[test]
fn logs_and_in_flight_areas_that_cannot_be_are_refused() {
    for (size, offset) in [(0, 0), (1, u64::MAX), (1, i64::MAX as u64)] {
        assert!(matches!(fault(log(size, offset).fd()), Fault::Value { .. }));
    }
    for (size, rings, ring_size) in [(0, 1, 1), (1, 0, 1), (1, 5, 1), (1, 1, 0), (1, 1, 32_769)] {
        assert!(matches!(fault(inflight(SET_INFLIGHT_FD, size, rings, ring_size).fd()), Fault::Value { .. }));
    }
}

#[test]
fn descriptors_come_in_the_number_the_request_takes() {
    let wrong = |sent: Sent, count| match fault(sent.fds(count).0) {
        Fault::DescriptorCount { fds, wanted, .. } => (fds, wanted),
        other => panic!("{other}"),
    };
    assert_eq!(wrong(empty(GET_FEATURES), 1), (1, 0));
    assert_eq!(wrong(memory(&[(0, 0x1000, 0)]), 0), (0, 1));
    assert_eq!(wrong(memory(&[(0, 0x1000, 0)]), 2), (2, 1));
    assert_eq!(wrong(with(SET_VRING_CALL, 0u64), 0), (0, 1));
    assert_eq!(wrong(with(SET_VRING_CALL, 0x100u64), 1), (1, 0), "it says that none comes");
    assert_eq!(wrong(region(ADD_MEM_REG, 0, 0x1000, 0), 2), (2, 1));
    assert_eq!(fault(with(SET_VRING_KICK, 0u64).fds(200).0), Fault::DescriptorFlood { max: 8 });
}

#[test]
fn every_descriptor_is_closed_whatever_becomes_of_its_message() {
    let closed = |sent: Sent, count| {
        let mut backend = negotiated(Features::VERSION_1);
        let (sent, mut reader) = sent.fds(count);
        let outcome = say(&mut backend, sent).map(|_| ());
        drop(backend);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "a descriptor is still open");
        outcome
    };
    assert!(closed(with(SET_VRING_CALL, 0u64), 1).is_ok());
    assert!(closed(with(SET_VRING_KICK, 0u64), 1).is_ok());
    assert!(closed(memory(&[(0, 0x1000, 0)]), 1).is_ok());
    assert!(closed(log(4096, 0), 1).is_ok());
    assert!(closed(memory(&[(0, 0x1000, 0)]), 3).is_err());
    assert!(closed(empty(GET_FEATURES), 8).is_err());
    assert!(closed(with(SET_VRING_CALL, 0u64), 200).is_err());
    assert!(closed(Sent(vec![5, 0, 0], vec![]), 5).is_ok(), "half a header");
}

/// Messages of known requests with payloads of any content, and of any length where lengths matter.
fn message() -> impl Strategy<Value = (u32, Vec<u8>, usize)> {
    let payload = prop_oneof![
        Just(vec![]),
        prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 8),
        prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..270),
    ];
    (0u32..46, payload, prop_oneof![4 => 0usize..3, 1 => 3usize..12])
}

proptest! {
    #[test]
    fn no_messages_in_any_order_do_more_than_end_the_session(messages in prop::collection::vec(message(), 1..40)) {
        let mut backend = negotiated(Features::VERSION_1);
        for (request, payload, fds) in messages {
            if say(&mut backend, raw(request, 9, &payload).fds(fds).0).is_err() {
                backend = negotiated(Features::VERSION_1);
            }
        }
    }

    #[test]
    fn no_octets_do_more_than_end_the_session(octets in prop::collection::vec(any::<u8>(), 0..600), cut in 1usize..64) {
        let mut backend = Backend::new(offer());
        for piece in octets.chunks(cut) {
            prop_assert!(backend.wanted() <= 12 + 264);
            if say(&mut backend, Sent(piece.to_vec(), vec![])).is_err() {
                break;
            }
        }
    }

    #[test]
    fn messages_cut_anywhere_mean_the_same(cut in 1usize..40) {
        let messages =
            [(state(SET_VRING_NUM, 1, 128), 0), (memory(&[(0, 0x1000, 0x1000)]), 1), (addresses(1, 0x1000), 0)];
        let mut backend = negotiated(Features::VERSION_1);
        let mut actions = Vec::new();
        for (sent, fds) in messages {
            let Sent(octets, mut fds) = sent.fds(fds).0;
            for piece in octets.chunks(cut) {
                actions.extend(say(&mut backend, Sent(piece.to_vec(), std::mem::take(&mut fds))).unwrap().0);
            }
        }
        prop_assert_eq!(actions, ["Rings", "Memory", "Rings"]);
    }
}
