//! Packets with little room in front of them, where the header for the kernel lies otherwise.

use frame::{Burst, HEADROOM, Pool, Port};

use crate::{Namespace, open, receive};

/// Who has 10.9.0.1? Tell 10.9.0.2 (RFC 826).
const QUESTION: [u8; 42] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 10,
    9, 0, 2, 0, 0, 0, 0, 0, 0, 10, 9, 0, 1,
];

#[test]
fn a_packet_arrives_whatever_room_is_left_in_front_of_it() {
    let Some(ns) = Namespace::new() else { return };
    let (mut port, mut pool) = open(ns.config());
    for room in [0, 3, 9, 10, 11, usize::from(HEADROOM)] {
        let mut frame = pool.alloc().unwrap();
        frame.push_front(usize::from(HEADROOM) - room).unwrap();
        assert!(frame.set_len(QUESTION.len()));
        frame.data_mut().copy_from_slice(&QUESTION);
        assert_eq!(frame.headroom(), room);
        let mut burst = Burst::new();
        burst.push(frame).unwrap();
        assert_eq!(port.tx_burst(&mut burst).bytes, QUESTION.len() as u64);
        let is_answer = |packet: &[u8]| packet.starts_with(&QUESTION[6..12]) && packet[12..14] == [0x08, 0x06];
        assert_eq!(receive(&mut port, &mut pool, is_answer, 1), 1, "{room} octets of room");
    }
}
