//! Several uplinks: which paths packets take as links come and go.

use std::fmt::Write;

use api::{PathState, Reply, Request};
use wire::{Mac, arp, ethernet};

use super::{A1, A2, ONE_NODE, frame, rig::Rig};
use PathState::{Active, NoLink, Standby, Unresolved};

/// Two uplinks and a tunnel over both. They are joined to two links, or to one, where the VTEP's address is on-link.
fn two_uplinks(multipath: &str, one_link: bool) -> String {
    let mut text = ONE_NODE.replace("vni = 4096", "vni = 4096\ntunnels = [\"to-b\"]");
    for number in 0..2 {
        let own = if one_link { format!("192.0.2.1{number}/24") } else { format!("10.{number}.0.1/24") };
        let gateway = if one_link { String::new() } else { format!("gateway = \"10.{number}.0.2\"\n") };
        let _ = write!(
            text,
            "[[port]]\nname = \"up{number}\"\nkind = \"eth\"\ndevice = \"net_mem{number}\"\nrole = \"uplink\"\n\
             mac = \"02:00:00:00:fe:0{number}\"\naddresses = [\"{own}\", \"192.0.2.1/32\"]\n{gateway}"
        );
    }
    text + &format!(
        "[[tunnel]]\nname = \"to-b\"\nuplinks = [\"up0\", \"up1\"]\nmultipath = \"{multipath}\"\nremote = \"192.0.2.2\"\n"
    )
}

const PEER: Mac = Mac::new([2, 0, 0, 0, 0xfd, 0]);
const UPLINKS: [&str; 2] = ["up0", "up1"];

fn states(rig: &mut Rig) -> Vec<PathState> {
    match rig.ask(Request::ShowTunnels).unwrap() {
        Reply::Tunnels(tunnels) => tunnels.tunnels[0].paths.iter().map(|path| path.state).collect(),
        other => panic!("{other:?}"),
    }
}

/// What left by each uplink: ARP is answered and left out.
fn sent(rig: &mut Rig) -> [Vec<Vec<u8>>; 2] {
    UPLINKS.map(|uplink| {
        let (arps, others): (Vec<_>, Vec<_>) =
            rig.received(uplink).into_iter().partition(|packet| packet[12..14] == ethernet::ARP.to_be_bytes());
        for question in arps {
            let repr = arp::Repr::parse(&arp::Packet::new_checked(&question[ethernet::HEADER_LEN..]).unwrap());
            if repr.sender_ip != repr.target_ip {
                rig.send(uplink, &repr.reply(PEER).to_frame(repr.sender_mac));
            }
        }
        others
    })
}

/// A switch whose next hops have answered.
fn resolved(text: &str) -> Rig {
    let mut rig = Rig::new(text);
    for _ in 0..5 {
        sent(&mut rig);
        rig.run_ms(20);
    }
    rig
}

/// Floods `count` frames of different flows and counts what leaves by each uplink.
fn spread(rig: &mut Rig, count: u32) -> [usize; 2] {
    for number in 0..count {
        rig.send("a1", &frame(Mac::new([2, 0, 0, 1, 0, number as u8]), A1, number));
        rig.run_ms(10);
        rig.received("a2");
    }
    sent(rig).map(|packets| packets.len())
}

#[test]
fn a_backup_takes_over_within_two_looks_and_the_preferred_path_comes_back_when_its_next_hop_answers() {
    let mut rig = resolved(&two_uplinks("active-backup", false));
    assert_eq!(states(&mut rig), [Active, Standby]);
    assert_eq!(spread(&mut rig, 20), [20, 0]);
    rig.set_link("up0", false);
    rig.run_ms(20);
    assert_eq!(states(&mut rig), [NoLink, Active]);
    assert_eq!(spread(&mut rig, 20), [0, 20]);
    rig.set_link("up0", true);
    rig.run_ms(20);
    assert_eq!(states(&mut rig), [Unresolved, Active], "nobody has answered there yet");
    sent(&mut rig);
    rig.run_ms(20);
    assert_eq!(states(&mut rig), [Active, Standby]);
    assert_eq!(spread(&mut rig, 20), [20, 0]);
    rig.stop();
}

#[test]
fn flows_are_spread_over_all_paths_that_can_be_used() {
    let mut rig = resolved(&two_uplinks("ecmp", false));
    assert_eq!(states(&mut rig), [Active, Active]);
    let [first, second] = spread(&mut rig, 64);
    assert!(first > 16 && second > 16 && first + second == 64, "{first} and {second}");
    rig.set_link("up1", false);
    rig.run_ms(20);
    assert_eq!(states(&mut rig), [Active, NoLink]);
    assert_eq!(spread(&mut rig, 64), [64, 0]);
    rig.stop();
}

#[test]
fn without_any_link_frames_are_dropped_by_name_and_the_ledger_balances() {
    let mut rig = resolved(&two_uplinks("active-backup", false));
    UPLINKS.iter().for_each(|uplink| rig.set_link(uplink, false));
    rig.run_ms(20);
    assert_eq!(states(&mut rig), [NoLink, NoLink]);
    assert_eq!(spread(&mut rig, 7), [0, 0]);
    let Ok(Reply::Drops(drops)) = rig.ask(Request::ShowDrops) else { panic!("no drops") };
    let row = drops.reasons.iter().find(|row| row.reason == "no-uplink").unwrap();
    assert_eq!((row.frames, drops.total), (7, 7));
    rig.stop();
}

#[test]
fn what_comes_in_by_the_standby_is_taken() {
    let mut rig = resolved(&two_uplinks("active-backup", false));
    rig.send("a1", &frame(Mac::BROADCAST, A1, 1));
    rig.run_ms(20);
    let [packets, _] = sent(&mut rig);
    // The same packet, as the other node would send it back by the other link.
    let mut packet = packets[0].clone();
    packet[..6].copy_from_slice(&[2, 0, 0, 0, 0xfe, 1]);
    let (local, remote) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    packet[26..34].copy_from_slice(&[remote, local].concat()); // the IPv4 checksum does not see an exchange
    packet[50..62].copy_from_slice(&[A1.octets(), A2.octets()].concat());
    rig.received("a1");
    rig.send("up1", &packet);
    rig.run_ms(20);
    assert_eq!(rig.received("a1"), [packet[50..].to_vec()]);
    rig.stop();
}

#[test]
fn an_address_that_moves_is_announced_where_it_is_on_link() {
    for one_link in [true, false] {
        let mut rig = resolved(&two_uplinks("active-backup", one_link));
        UPLINKS.iter().for_each(|uplink| drop(rig.received(uplink)));
        rig.set_link("up0", false);
        rig.run_ms(30);
        let own = [2, 0, 0, 0, 0xfe, 1];
        let announcement = arp::Repr::request(Mac::new(own), [192, 0, 2, 1].into(), [192, 0, 2, 1].into());
        let announcement = announcement.to_frame(Mac::BROADCAST).to_vec();
        assert_eq!(rig.received("up1").contains(&announcement), one_link);
        rig.stop();
    }
}

#[test]
fn a_link_may_fail_while_a_transaction_waits_for_a_worker() {
    let text = two_uplinks("active-backup", false).replace("count = 1", "count = 2");
    let mut rig = resolved(&text);
    let more = format!("{text}{}", super::A3);
    rig.stall(1, 0..20);
    let request = Request::Apply { config: more, file: "rig.toml".into(), dry_run: false, base_revision: None };
    assert!(matches!(rig.control.handle(request, None), crate::control::Answer::Later(_)));
    rig.step();
    assert!(!rig.control.is_settled());
    rig.set_link("up0", false);
    rig.run_ms(30);
    assert_eq!(states(&mut rig), [NoLink, Active], "the transaction is not waited for");
    rig.settle();
    rig.stop();
}

#[test]
fn a_link_that_flaps_leaves_the_books_balanced() {
    let mut rig = resolved(&two_uplinks("active-backup", false));
    for flap in 0..100 {
        rig.set_link("up0", flap % 2 == 1);
        rig.send("a1", &frame(Mac::BROADCAST, A1, flap));
        rig.run_ms(10);
        sent(&mut rig);
    }
    rig.run_ms(100);
    sent(&mut rig);
    rig.run_ms(100);
    assert_eq!(states(&mut rig), [Active, Standby]);
    rig.stop();
}
