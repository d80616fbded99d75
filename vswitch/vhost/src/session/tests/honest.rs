//! Front ends that keep to the protocol get what it promises them.

use vhost_protocol::vhost_user::message::FrontendReq::*;

use super::front_end::*;
use crate::{Action, Backend, Done, Features, ProtocolFeatures, RingIndex, UserAddress};

fn start_ring(backend: &mut Backend, ring: u32) {
    say(backend, state(SET_VRING_NUM, ring, 256)).unwrap();
    say(backend, state(SET_VRING_BASE, ring, 7)).unwrap();
    say(backend, addresses(ring, 0x7000_0000)).unwrap();
    say(backend, with(SET_VRING_KICK, u64::from(ring)).fd()).unwrap();
    say(backend, with(SET_VRING_CALL, u64::from(ring)).fd()).unwrap();
}

#[test]
fn what_is_offered_is_what_is_asked_for() {
    let mut backend = Backend::new(offer());
    let mut ask = |request| number(&say(&mut backend, empty(request)).unwrap().1[0]);
    assert_eq!(ask(GET_FEATURES), offer().features.0);
    assert_eq!(ask(GET_PROTOCOL_FEATURES), PROTOCOL.0);
    assert_eq!(ask(GET_QUEUE_NUM), 2);
    let mut backend = negotiated(Features::VERSION_1);
    assert_eq!(number(&say(&mut backend, empty(GET_MAX_MEM_SLOTS)).unwrap().1[0]), 32);
    assert_eq!(backend.features(), Features::VERSION_1 | Features::PROTOCOL_FEATURES);
    assert_eq!(backend.protocol_features(), PROTOCOL);
}

#[test]
fn a_ring_moves_frames_once_everything_has_been_said() {
    let mut backend = negotiated(Features::VERSION_1);
    start_ring(&mut backend, 1);
    let active = |backend: &Backend| backend.is_active(RingIndex(1));
    assert!(!active(&backend), "the driver is not ready");
    say(&mut backend, with(SET_STATUS, 0xfu64)).unwrap();
    assert!(!active(&backend), "with protocol features, a ring starts disabled");
    say(&mut backend, state(SET_VRING_ENABLE, 1, 1)).unwrap();
    assert!(active(&backend) && !backend.is_active(RingIndex(0)) && !backend.is_active(RingIndex(9)));
    let ring = &backend.rings()[1];
    assert_eq!((ring.size, ring.base, ring.call.is_some()), (256, 7, true));
    assert_eq!(ring.addresses.unwrap().used, UserAddress(0x7000_1000));
    assert_eq!(number(&say(&mut backend, empty(GET_STATUS)).unwrap().1[0]), 0xf);
    say(&mut backend, with(SET_STATUS, 0u64)).unwrap();
    assert!(!active(&backend), "a reset driver owns its rings");
}

#[test]
fn without_protocol_features_rings_are_enabled_and_status_is_not_waited_for() {
    let mut backend = Backend::new(offer());
    say(&mut backend, with(SET_FEATURES, Features::VERSION_1.0)).unwrap();
    start_ring(&mut backend, 0);
    assert!(backend.is_active(RingIndex(0)));
}

#[test]
fn a_stopped_ring_says_where_it_stands_and_starts_anew_with_another_kick() {
    let mut backend = negotiated(Features::VERSION_1);
    start_ring(&mut backend, 0);
    let run = backend.rings()[0].run;
    let stop = state(GET_VRING_BASE, 0, 0);
    backend.receive(&stop.0, stop.1).unwrap();
    assert!(matches!(backend.next(), Ok(Some(Action::Stop(RingIndex(0))))));
    backend.done(Done::Base(4711));
    let reply = backend.reply().unwrap();
    assert_eq!(reply.octets()[12..], [0u32, 4711].map(u32::to_ne_bytes).concat());
    let ring = &backend.rings()[0];
    assert_eq!((ring.started, ring.base, ring.run), (false, 4711, run + 1));
    say(&mut backend, with(SET_VRING_KICK, 0x100u64)).unwrap();
    assert!(backend.rings()[0].started, "the flag says that no descriptor comes");
}

#[test]
fn nothing_overtakes_an_open_action() {
    let mut backend = negotiated(Features::VERSION_1);
    let (table, get) = (memory(&[(0, 0x1000, 0x10_0000)]).fd().need_reply(), empty(GET_QUEUE_NUM));
    backend.receive(&table.0, table.1).unwrap();
    assert!(matches!(backend.next(), Ok(Some(Action::Memory(regions))) if regions.len() == 1));
    assert_eq!(backend.wanted(), 0);
    backend.receive(&get.0, get.1).unwrap();
    assert!(matches!(backend.next(), Ok(None)) && backend.reply().is_none());
    backend.done(Done::Yes);
    assert_eq!(number(&backend.reply().unwrap()), 0, "the acknowledgement comes first");
    assert!(matches!(backend.next(), Ok(None)));
    assert_eq!(number(&backend.reply().unwrap()), 2);
}

#[test]
fn an_acknowledgement_comes_where_it_was_negotiated_and_asked_for() {
    let mut backend = Backend::new(offer());
    assert!(say(&mut backend, empty(SET_OWNER).need_reply()).unwrap().1.is_empty());
    let mut backend = negotiated(Features::VERSION_1);
    assert!(say(&mut backend, empty(SET_OWNER)).unwrap().1.is_empty());
    assert_eq!(number(&say(&mut backend, empty(SET_OWNER).need_reply()).unwrap().1[0]), 0);
    let mtu =
        |backend: &mut Backend, mtu: u64| number(&say(backend, with(NET_SET_MTU, mtu).need_reply()).unwrap().1[0]);
    assert_eq!(backend.mtu().told, None);
    assert_eq!([9000, 1500, 9001, 67, u64::MAX].map(|octets| mtu(&mut backend, octets)), [0, 0, 1, 1, 1]);
    assert_eq!(
        (backend.mtu().offered, backend.mtu().told),
        (9000, Some(1500)),
        "what was refused tells nobody anything"
    );
}

#[test]
fn memory_comes_and_goes_region_by_region() {
    let mut backend = negotiated(Features::VERSION_1);
    assert_eq!(say(&mut backend, region(ADD_MEM_REG, 0, 0x1000, 0x10_0000).fd()).unwrap().0, ["AddRegion"]);
    assert_eq!(say(&mut backend, region(ADD_MEM_REG, 0x1000, 0x1000, 0x20_0000).fd()).unwrap().0, ["AddRegion"]);
    assert_eq!(say(&mut backend, region(REM_MEM_REG, 0, 0x1000, 0x10_0000)).unwrap().0, ["RemoveRegion"]);
    assert_eq!(say(&mut backend, region(ADD_MEM_REG, 0, 0x1000, 0x10_0000).fd()).unwrap().0, ["AddRegion"]);
    assert_eq!(say(&mut backend, region(REM_MEM_REG, 0, 0x1000, 0x10_0000).fd()).unwrap().0, ["RemoveRegion"]);
}

#[test]
fn a_region_that_every_queue_pair_adds_and_removes_comes_and_goes_once() {
    let mut backend = negotiated(Features::VERSION_1);
    let mut acknowledged = |message: Sent| {
        let (actions, replies) = say(&mut backend, message.need_reply()).unwrap();
        (actions.len(), number(&replies[0]))
    };
    assert_eq!(acknowledged(region(ADD_MEM_REG, 0, 0x1000, 0x10_0000).fd()), (1, 0));
    assert_eq!(acknowledged(region(ADD_MEM_REG, 0, 0x1000, 0x10_0000).fd()), (0, 0));
    assert_eq!(acknowledged(region(REM_MEM_REG, 0, 0x1000, 0x10_0000)), (1, 0));
    assert_eq!(acknowledged(region(REM_MEM_REG, 0, 0x1000, 0x10_0000)), (0, 0));
    assert_eq!(acknowledged(region(ADD_MEM_REG, 0, 0x1000, 0x10_0000).fd()), (1, 0));
}

#[test]
fn a_log_is_answered_without_payload() {
    let mut backend = negotiated(Features::LOG_ALL);
    let (actions, replies) = say(&mut backend, log(0x8000, 0).fd()).unwrap();
    assert_eq!((actions, replies[0].octets().len(), replies[0].octets()[0]), (vec!["Log".to_owned()], 12, 6));
}

#[test]
fn migration_switches_the_log_under_running_rings() {
    let mut backend = negotiated(Features::VERSION_1);
    start_ring(&mut backend, 0);
    let run = backend.rings()[0].run;
    let features = Features::VERSION_1 | Features::PROTOCOL_FEATURES | Features::LOG_ALL;
    say(&mut backend, with(SET_FEATURES, features.0)).unwrap();
    say(&mut backend, addresses(0, 0x7000_0000)).unwrap();
    assert_eq!((backend.rings()[0].started, backend.rings()[0].run), (true, run));
}

#[test]
fn in_flight_memory_is_made_and_comes_back_with_its_descriptor() {
    let mut backend = negotiated(Features::VERSION_1);
    let get = inflight(GET_INFLIGHT_FD, 0, 2, 256);
    backend.receive(&get.0, get.1).unwrap();
    assert!(matches!(backend.next(), Ok(Some(Action::MakeInflight { rings: 2, ring_size: 256 }))));
    backend.done(Done::Inflight { size: 8192, fd: std::io::pipe().unwrap().1.into() });
    let reply = backend.reply().unwrap();
    assert_eq!((number(&reply), reply.fd().is_some()), (8192, true));
    assert_eq!(say(&mut backend, inflight(SET_INFLIGHT_FD, 8192, 2, 256).fd()).unwrap().0, ["Inflight"]);
}

#[test]
fn a_guest_that_moved_is_announced_by_its_mac() {
    let mut backend = negotiated(Features::VERSION_1);
    let rarp = raw(SEND_RARP.into(), 1, &[2, 0, 0, 0, 0, 7, 0, 0]);
    backend.receive(&rarp.0, rarp.1).unwrap();
    assert!(matches!(backend.next(), Ok(Some(Action::Announce([2, 0, 0, 0, 0, 7])))));
    backend.done(Done::Yes);
    for bad in [[0; 8], [0xff; 8]] {
        assert!(say(&mut backend, raw(SEND_RARP.into(), 1, &bad)).unwrap().0.is_empty(), "{bad:?} was announced");
    }
}

#[test]
fn a_reset_device_has_forgotten_its_driver_and_kept_what_was_negotiated() {
    let mut backend = negotiated(Features::VERSION_1);
    say(&mut backend, with(SET_STATUS, 0xfu64)).unwrap();
    start_ring(&mut backend, 0);
    say(&mut backend, state(SET_VRING_ENABLE, 0, 1)).unwrap();
    say(&mut backend, empty(RESET_DEVICE)).unwrap();
    assert_eq!((backend.status(), backend.rings()[0].size, backend.rings()[0].run), (0, 0, 1));
    assert!(backend.protocol_features().has(ProtocolFeatures::STATUS) && !backend.is_active(RingIndex(0)));
}
