//! Trials of planted devices: honest ones, some that refuse, some that lie.

use frame::HeapPool;

use super::*;
use crate::work::Work;

const ALL: Takes = Takes { checksum: true, tcp4: true, tcp6: true, udp: false, tunnel: true };

/// What a lying device does to what it should send.
type Lie = fn(&mut Vec<Vec<u8>>);

/// A device that refuses the packets of those numbers, sends to itself or does not, and lies about a packet or about none.
struct Planted {
    refuses: Vec<usize>,
    sends: bool,
    lies: Option<(usize, Lie)>,
    shown: usize,
}

const HONEST: Planted = Planted { refuses: Vec::new(), sends: true, lies: None, shown: 0 };

impl Device for Planted {
    fn accepts(&mut self, frame: &mut Frame) -> bool {
        assert!(Work::of(frame, true).is_some_and(|work| work.longest <= 576 + 14), "a packet as it should be");
        // What a driver is told lies where the length of the outer header was.
        frame.set_outer_len(20);
        self.shown += 1;
        !self.refuses.contains(&(self.shown - 1))
    }

    fn ends(&mut self) -> Ends {
        Ends { src: [2; 6], dst: [4; 6] }
    }

    fn send(&mut self, frame: &mut Frame, ends: Ends, count: usize) -> Option<Vec<Vec<u8>>> {
        assert!(frame.data().starts_with(&[ends.dst, ends.src].concat()));
        let mut came = self.sends.then(|| finished(frame).unwrap())?;
        assert_eq!(came.len(), count);
        match self.lies {
            Some((nth, lie)) if nth + 1 == self.shown => lie(&mut came),
            _ => {}
        }
        Some(came)
    }
}

/// What is left of `claimed`, and the findings by name and outcome.
fn held(claimed: Takes, mut device: Planted) -> (Takes, Vec<(&'static str, Outcome)>) {
    let mut pool = HeapPool::new(1, 2048);
    let (takes, findings) = hold(claimed, &mut pool, &mut device);
    assert_eq!(pool.used(), 0);
    (takes, findings.into_iter().map(|it| (it.kind, it.outcome)).collect())
}

/// What is left where all but one of the kinds are as they should be, and what is said of that one.
fn all_but(nth: usize, device: Planted) -> (Takes, String) {
    let (takes, findings) = held(ALL, device);
    let Outcome::Refused(how) = &findings[nth].1 else { panic!("{findings:?}") };
    assert_eq!(findings.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Refused(_))).count(), 1);
    (takes, format!("{}: {how}", findings[nth].0))
}

#[test]
fn a_device_that_does_what_it_offers_is_left_all_of_it() {
    let (takes, findings) = held(ALL, HONEST);
    assert_eq!((takes, findings.len()), (ALL, 8));
    assert!(findings.iter().all(|(_, outcome)| *outcome == Outcome::Tried), "{findings:?}");
    let sums = Takes { checksum: true, ..Takes::default() };
    assert_eq!(held(sums, HONEST).1.len(), 4, "what it does not offer is not tried");
    assert_eq!(held(Takes::default(), HONEST), (Takes::default(), vec![]));
}

#[test]
fn a_device_that_does_not_send_to_itself_is_asked_only() {
    let (takes, findings) = held(ALL, Planted { sends: false, ..HONEST });
    assert_eq!((takes, findings.len()), (ALL, 8));
    assert!(findings.iter().all(|(_, outcome)| *outcome == Outcome::Asked), "{findings:?}");
}

#[test]
fn what_a_driver_claims_and_refuses_is_found_out_by_name_and_not_left_to_it() {
    let refuses = |nth| Planted { refuses: vec![nth], ..HONEST };
    let (takes, how) = all_but(5, refuses(5));
    assert_eq!(takes, Takes { tcp6: false, ..ALL });
    assert_eq!(how, "TCP segments over IPv6: the driver does not take it");
    let (takes, findings) = held(ALL, refuses(4));
    assert_eq!((takes, findings.len()), (Takes { tcp4: false, ..ALL }, 6), "tunnels are tried with IPv4");
    assert_eq!(all_but(7, refuses(7)).0, Takes { tunnel: false, ..ALL });
    let (takes, findings) = held(ALL, refuses(2));
    assert_eq!((takes, findings.len()), (Takes::default(), 3), "all else rests on checksums");
}

#[test]
fn a_device_that_takes_a_packet_and_sends_another_is_found_out() {
    let lies = |nth, lie| Planted { lies: Some((nth, lie)), ..HONEST };
    let (takes, how) = all_but(5, lies(5, |came| came[1][14 + 40 + 16] ^= 1));
    assert_eq!(takes, Takes { tcp6: false, ..ALL });
    assert_eq!(how, "TCP segments over IPv6: octet 70 of packet 2 came back wrong");
    let unsummed: Lie = |came| came[0][14 + 20 + 16..][..2].fill(0);
    let (takes, findings) = held(ALL, lies(0, unsummed));
    assert_eq!(takes, Takes::default());
    assert_eq!(findings[0].1, Outcome::Refused("packet 1 came back with a wrong checksum, at octet 50".into()));
    let lies: [(Lie, &str); 5] = [
        (|came| came.clear(), "it did not come back"),
        (|came| came.truncate(64), "it came back as 64 packets, not 150"),
        (|came| came.push(came[0].clone()), "it came back as 151 packets, not 150"),
        (|came| came.swap(2, 3), "packet 3 came back wrong from octet 19 to 453"),
        (|came| came[9].truncate(60), "packet 10 came back with 60 octets, not 454"),
    ];
    for (lie, how) in lies {
        let (takes, findings) = held(ALL, Planted { lies: Some((4, lie)), ..HONEST });
        assert_eq!(takes, Takes { tcp4: false, ..ALL });
        assert_eq!(findings[4], ("TCP segments over IPv4", Outcome::Refused(how.to_owned())));
    }
}

#[test]
fn where_no_buffer_is_large_enough_nothing_is_tried() {
    let mut pool = HeapPool::new(0, 100);
    assert_eq!(hold(ALL, &mut pool, &mut Planted { refuses: vec![0], ..HONEST }), (ALL, vec![]));
}
