mod books;
mod filters;
mod gone;
mod path_mtu;
mod random;
mod revisions;
mod rig;
mod uplink;
mod uplinks;

use std::collections::BTreeSet;

use api::{ErrorCode, PortState, Reply, Request, TunnelState, Verdict};
use wire::{Mac, arp, ethernet};

use rig::{Rig, UPLINK_MAC, World};

const A1: Mac = Mac::new([2, 0, 0, 0, 0x0a, 1]);
const A2: Mac = Mac::new([2, 0, 0, 0, 0x0a, 2]);

const ONE_NODE: &str = r#"
[switch]
name = "rig"
[workers]
count = 1
[[port]]
name = "a1"
kind = "tap"
interface = "if-a1"
network = "blue"
[[port]]
name = "a2"
kind = "tap"
interface = "if-a2"
network = "blue"
[[network]]
name = "blue"
vni = 4096
"#;

const A3: &str = r#"
[[port]]
name = "a3"
kind = "tap"
interface = "if-a3"
network = "blue"
"#;

const A4: &str = r#"
[[port]]
name = "a4"
kind = "tap"
interface = "if-a4"
network = "blue"
"#;

const UPLINK: &str = r#"
[[port]]
name = "up0"
kind = "eth"
device = "net_mem0"
role = "uplink"
addresses = ["192.0.2.1/24"]
[[tunnel]]
name = "to-b"
uplink = "up0"
remote = "192.0.2.2"
"#;

fn frame(dst: Mac, src: Mac, number: u32) -> Vec<u8> {
    let mut frame = Vec::from(dst.octets());
    frame.extend(src.octets());
    frame.extend([0x88, 0xb5]); // an ethertype for local experiments
    frame.extend(number.to_be_bytes());
    frame.resize(60, 0);
    frame
}

/// Lets the switch learn both stations.
fn introduce(rig: &mut Rig) {
    rig.send("a1", &frame(Mac::BROADCAST, A1, 0));
    rig.send("a2", &frame(Mac::BROADCAST, A2, 0));
    rig.run_ms(30);
    assert_eq!((rig.received("a1").len(), rig.received("a2").len()), (1, 1));
}

fn ports(rig: &mut Rig) -> Vec<(String, PortState)> {
    match rig.ask(Request::ShowPorts).unwrap() {
        Reply::Ports(ports) => ports.ports.into_iter().map(|port| (port.name, port.state)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_started_switch_forwards_and_tells_about_it() {
    let mut rig = Rig::new(ONE_NODE);
    assert_eq!(rig.events(), ["open a1 if-a1", "open a2 if-a2"]);
    assert_eq!(ports(&mut rig), [("a1".to_owned(), PortState::Up), ("a2".to_owned(), PortState::Up)]);
    introduce(&mut rig);
    for number in 0..10 {
        rig.send("a1", &frame(A2, A1, number));
        rig.run_ms(10);
        assert_eq!(rig.received("a2"), [frame(A2, A1, number)]);
    }
    let Ok(Reply::Macs(macs)) =
        rig.ask(Request::ShowMacs(api::MacFilter { network: Some("blue".into()), ..Default::default() }))
    else {
        panic!("no MACs")
    };
    let rows: Vec<_> = macs.macs.iter().map(|row| (row.mac, row.member.as_str())).collect();
    assert_eq!(rows, [(A1, "a1"), (A2, "a2")]);
    let Ok(Reply::Flows(flows)) = rig.ask(Request::ShowFlows(api::FlowFilter::default())) else { panic!("no flows") };
    let unicast = flows.flows.iter().find(|flow| flow.dst == A2).unwrap();
    assert_eq!((unicast.ingress.as_str(), &unicast.verdict), ("a1", &Verdict::Forward { egress: "a2".into() }));
    assert_eq!((unicast.packets, unicast.network.as_deref()), (10, Some("blue")));
    let Ok(Reply::Networks(networks)) = rig.ask(Request::ShowNetworks) else { panic!("no networks") };
    assert_eq!((networks.networks[0].macs, networks.networks[0].ports.len()), (2, 2));
    let Ok(Reply::Workers(workers)) = rig.ask(Request::ShowWorkers) else { panic!("no workers") };
    assert_eq!((workers.workers[0].rx, workers.workers[0].tx, workers.workers[0].macs), (12, 12, 2));
    let Ok(Reply::Ports(rows)) = rig.ask(Request::ShowPorts) else { panic!("no ports") };
    assert_eq!((rows.ports[0].rx_frames, rows.ports[0].tx_frames, rows.ports[1].tx_frames), (11, 1, 11));
    assert_eq!(rig.stop(), ["close a1 1", "close a2 1"]);
}

#[test]
fn a_change_does_not_touch_the_ports_it_does_not_concern() {
    let mut rig = Rig::new(ONE_NODE);
    introduce(&mut rig);
    rig.events();
    let texts = [format!("{ONE_NODE}{A3}"), format!("{ONE_NODE}{A4}{A3}"), format!("{ONE_NODE}{A4}"), ONE_NODE.into()];
    let mut number = 0;
    for text in texts {
        let request = Request::Apply { config: text, file: "rig.toml".into(), dry_run: false, base_revision: None };
        let super::Answer::Later(ticket) = rig.control.handle(request, None) else { panic!("refused") };
        let answer = loop {
            number += 1;
            rig.send("a1", &frame(A2, A1, number));
            rig.step();
            if let Some(answer) = rig.control.answer_later(ticket) {
                break answer;
            }
        };
        assert!(matches!(answer, Ok(Reply::Applied(applied)) if applied.applied && applied.diff.len() == 1));
    }
    rig.run_ms(20);
    let expected: Vec<_> = (1..=number).map(|number| frame(A2, A1, number)).collect();
    assert_eq!(rig.received("a2"), expected);
    assert_eq!(rig.events(), ["open a3 if-a3", "open a4 if-a4", "close a3 1", "close a4 1"]);
    rig.stop();
}

#[test]
fn a_port_that_cannot_be_opened_refuses_the_whole_change() {
    let mut rig = Rig::new(ONE_NODE);
    rig.events();
    rig.world.lock().unwrap().broken.insert("if-a4".into());
    let error = rig.apply(&format!("{ONE_NODE}{A3}{A4}")).unwrap_err();
    assert_eq!(
        (error.kind(), error.message.as_str()),
        (Some(ErrorCode::ApplyFailed), "port a4: no such device: if-a4")
    );
    assert_eq!(rig.events(), ["open a3 if-a3", "close a3 1"]);
    assert_eq!(ports(&mut rig).len(), 2);
    introduce(&mut rig);
    rig.world.lock().unwrap().broken.clear();
    assert!(rig.apply(&format!("{ONE_NODE}{A3}{A4}")).unwrap().applied);
    rig.stop();
}

#[test]
fn a_switch_whose_port_cannot_be_opened_does_not_start() {
    let world = World { broken: BTreeSet::from(["if-a2".to_owned()]), ..World::default() };
    let Err((error, world)) = Rig::try_new(ONE_NODE, world) else { panic!("it started") };
    assert_eq!(error, "port a2: no such device: if-a2");
    assert_eq!(world.lock().unwrap().events, ["open a1 if-a1", "close a1 1"]);
}

#[test]
fn a_port_with_another_device_is_closed_before_it_is_opened_anew() {
    let mut rig = Rig::new(ONE_NODE);
    introduce(&mut rig);
    rig.events();
    rig.apply(&ONE_NODE.replace("if-a2", "if-b2")).unwrap();
    assert_eq!(rig.events(), ["close a2 1", "open a2 if-b2"]);
    introduce(&mut rig);
    rig.stop();
}

#[test]
fn a_port_that_cannot_be_opened_anew_is_put_back() {
    let mut rig = Rig::new(ONE_NODE);
    rig.events();
    rig.world.lock().unwrap().broken.insert("if-b2".into());
    let error = rig.apply(&format!("{}{A3}", ONE_NODE.replace("if-a2", "if-b2"))).unwrap_err();
    assert_eq!(error.message, "port a2: no such device: if-b2");
    assert_eq!(rig.events(), ["open a3 if-a3", "close a2 1", "close a3 1", "open a2 if-a2"]);
    rig.settle();
    introduce(&mut rig);
    rig.stop();
}

#[test]
fn a_renamed_port_gets_its_device_back() {
    let mut rig = Rig::new(ONE_NODE);
    rig.events();
    rig.apply(&ONE_NODE.replace("\"a2\"", "\"b2\"")).unwrap();
    assert_eq!(rig.events(), ["close a2 1", "open b2 if-a2"]);
    rig.send("a1", &frame(Mac::BROADCAST, A1, 1));
    rig.run_ms(20);
    assert_eq!(rig.received("b2").len(), 1);
    rig.stop();
}

#[test]
fn an_mtu_changes_in_place_and_a_device_that_refuses_refuses_the_change() {
    let mut rig = Rig::new(ONE_NODE);
    rig.events();
    let narrow = ONE_NODE.replace("interface = \"if-a2\"", "interface = \"if-a2\"\nmtu = 1400");
    rig.apply(&narrow).unwrap();
    assert_eq!(rig.events(), ["change a2 1500 1400"]);
    rig.world.lock().unwrap().stubborn.insert("a2".into());
    let error = rig.apply(&format!("{ONE_NODE}{A3}")).unwrap_err();
    assert_eq!(error.message, "port a2: the device does not like it");
    assert_eq!(rig.events(), ["open a3 if-a3", "close a3 1"]);
    assert_eq!(rig.control.config().port("a2").unwrap().mtu, 1400);
    rig.stop();
}

#[test]
fn what_needs_a_restart_is_refused_and_a_rehearsal_changes_nothing() {
    let mut rig = Rig::new(ONE_NODE);
    rig.events();
    let error = rig.apply(&ONE_NODE.replace("count = 1", "count = 2")).unwrap_err();
    assert!(error.message.contains("restart"), "{}", error.message);
    let request =
        Request::Apply { config: format!("{ONE_NODE}{A3}"), file: "f".into(), dry_run: true, base_revision: None };
    let Ok(Reply::Applied(applied)) = rig.ask(request) else { panic!("no answer") };
    assert_eq!((applied.applied, applied.diff.len(), applied.diff[0].op.sign()), (false, 1, '+'));
    let Err(error) = rig.ask(Request::Check { config: "[switch]\nnam = 1".into(), file: "f".into() }) else {
        panic!("accepted")
    };
    assert_eq!(error.kind(), Some(ErrorCode::ConfigRefused));
    assert!(!error.problems().is_empty());
    assert!(matches!(rig.ask(Request::Check { config: ONE_NODE.into(), file: "f".into() }), Ok(Reply::Checked(_))));
    assert!(rig.events().is_empty());
    rig.stop();
}

#[test]
fn one_transaction_at_a_time() {
    let mut rig = Rig::new(ONE_NODE);
    let request =
        |text: &str| Request::Apply { config: text.into(), file: "f".into(), dry_run: false, base_revision: None };
    let super::Answer::Later(first) = rig.control.handle(request(&format!("{ONE_NODE}{A3}")), None) else {
        panic!("refused")
    };
    let super::Answer::Now(Err(error)) = rig.control.handle(request(ONE_NODE), None) else { panic!("taken") };
    assert_eq!(error.kind(), Some(ErrorCode::Busy));
    rig.settle();
    assert!(rig.control.answer_later(first).is_some_and(|answer| answer.is_ok()));
    assert!(rig.control.answer_later(first).is_none(), "told once");
    rig.stop();
}

#[test]
fn a_stop_in_the_middle_of_a_transaction_still_closes_everything() {
    for steps in 0..4 {
        let mut rig = Rig::new(ONE_NODE);
        let text = format!("{}{A3}", ONE_NODE.replace("if-a2", "if-b2"));
        let request = Request::Apply { config: text, file: "f".into(), dry_run: false, base_revision: None };
        assert!(matches!(rig.control.handle(request, None), super::Answer::Later(_)));
        (0..steps).for_each(|_| rig.step());
        let closed = rig.stop();
        assert!((2..=3).contains(&closed.len()), "after {steps} steps: {closed:?}");
    }
}

fn with_uplink(workers: usize) -> String {
    let text = ONE_NODE.replace("vni = 4096", "vni = 4096\ntunnels = [\"to-b\"]");
    format!("{}{UPLINK}", text.replace("count = 1", &format!("count = {workers}")))
}

const REMOTE: Mac = Mac::new([2, 0, 0, 0, 0xff, 2]);

/// The remote VTEP answers the switch's ARP request.
fn resolve(rig: &mut Rig) {
    rig.run_ms(20);
    let requests = rig.received("up0");
    let packet = arp::Packet::new_checked(&requests[0][ethernet::HEADER_LEN..]).unwrap();
    let request = arp::Repr::parse(&packet);
    assert_eq!((request.sender_mac, request.target_ip), (UPLINK_MAC, [192, 0, 2, 2].into()));
    rig.send("up0", &request.reply(REMOTE).to_frame(UPLINK_MAC));
    rig.run_ms(50);
}

fn tunnel_state(rig: &mut Rig) -> (TunnelState, Option<Mac>) {
    match rig.ask(Request::ShowTunnels).unwrap() {
        Reply::Tunnels(tunnels) => (tunnels.tunnels[0].state, tunnels.tunnels[0].next_hop_mac),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tunnel_carries_frames_as_soon_as_its_next_hop_answers() {
    for workers in [1, 2] {
        let mut rig = Rig::new(&with_uplink(workers));
        assert_eq!(tunnel_state(&mut rig), (TunnelState::Unresolved, None));
        rig.send("a1", &frame(Mac::BROADCAST, A1, 1));
        resolve(&mut rig);
        assert_eq!(tunnel_state(&mut rig), (TunnelState::Resolved, Some(REMOTE)));
        rig.received("up0");
        rig.send("a1", &frame(Mac::BROADCAST, A1, 2));
        rig.send("a2", &frame(Mac::BROADCAST, A2, 3));
        rig.run_ms(30);
        let outer = rig.received("up0");
        assert_eq!(outer.len(), 2, "with {workers} workers");
        for packet in &outer {
            assert_eq!(packet[..12], [REMOTE.octets(), UPLINK_MAC.octets()].concat());
            assert_eq!(packet[36..38], 4789_u16.to_be_bytes());
        }
        let ledger = rig.ledger();
        assert!(ledger.balanced && ledger.pairs.iter().all(|pair| pair.in_ring == 0), "{ledger:?}");
        assert_eq!(ledger.pairs.is_empty(), workers == 1, "two workers hand frames to each other");
        let Ok(Reply::Drops(drops)) = rig.ask(Request::ShowDrops) else { panic!("no drops") };
        let unresolved = drops.reasons.iter().find(|row| row.reason == "next-hop-unresolved").unwrap();
        assert_eq!((unresolved.frames, drops.total), (1, 1));
        rig.stop();
    }
}

#[test]
fn the_node_answers_arp_for_its_uplinks_address() {
    let mut rig = Rig::new(&with_uplink(1));
    rig.run_ms(20);
    rig.received("up0");
    let request = arp::Repr::request(REMOTE, [192, 0, 2, 2].into(), [192, 0, 2, 1].into());
    rig.send("up0", &request.to_frame(Mac::BROADCAST));
    rig.run_ms(20);
    let answers = rig.received("up0");
    assert!(answers.contains(&request.reply(UPLINK_MAC).to_frame(REMOTE).to_vec()), "{answers:?}");
    assert_eq!(tunnel_state(&mut rig), (TunnelState::Resolved, Some(REMOTE)), "whoever asks is known");
    rig.stop();
}

#[test]
fn a_silent_next_hop_is_unresolved_again() {
    let mut rig = Rig::new(&with_uplink(1));
    resolve(&mut rig);
    rig.run_ms(25_000);
    assert_eq!(tunnel_state(&mut rig).0, TunnelState::Unresolved);
    rig.received("up0");
    rig.send("a1", &frame(Mac::BROADCAST, A1, 2));
    rig.run_ms(30);
    assert!(rig.received("up0").iter().all(|packet| packet[12..14] == [8, 6]), "ARP requests only");
    rig.stop();
}

#[test]
fn two_queues_of_a_port_change_places() {
    let port = "[[port]]\nname = \"e1\"\nkind = \"eth\"\ndevice = \"net_mem1\"\nnetwork = \"blue\"\nqueues = 2\n";
    let text = |workers: &str| format!("{}{port}workers = {workers}\n", ONE_NODE.replace("count = 1", "count = 2"));
    let mut rig = Rig::new(&text("[0, 1]"));
    rig.events();
    for (workers, slow) in [("[1, 0]", 0), ("[0, 1]", 1), ("[1, 0]", 1)] {
        // The snapshot is installed in the second step; then one worker is slow to give its queue back.
        rig.stall(slow, 2..7);
        rig.apply(&text(workers)).unwrap();
        assert!(rig.events().is_empty(), "queues move, the device stays open");
        assert_eq!(ports(&mut rig)[2], ("e1".to_owned(), PortState::Up));
        rig.send("e1", &frame(Mac::BROADCAST, A1, 1));
        rig.run_ms(20);
        assert_eq!(rig.received("a1").len(), 1);
    }
    rig.stop();
}

#[test]
fn a_port_of_a_full_switch_is_replaced_although_no_id_is_free() {
    let tap = |number: usize| format!("[[port]]\nname = \"p{number}\"\nkind = \"tap\"\nnetwork = \"blue\"\n");
    let text = |without: usize| {
        let taps: String = (0..=datapath::PORTS_MAX).filter(|&number| number != without).map(tap).collect();
        format!(
            "[switch]\nname = \"rig\"\n[workers]\ncount = 1\n[memory]\nframes = 1048576\n\
             [[network]]\nname = \"blue\"\nvni = 1\n{taps}"
        )
    };
    let last = format!("p{}", datapath::PORTS_MAX);
    let mut rig = Rig::new(&text(datapath::PORTS_MAX));
    rig.events();
    rig.apply(&text(999)).unwrap();
    assert_eq!(rig.events(), [format!("open {last} {last}"), "close p999 1".to_owned()]);
    assert!(ports(&mut rig).iter().all(|(_, state)| *state == PortState::Up));
    rig.send(&last, &frame(Mac::BROADCAST, A1, 1));
    rig.run_ms(20);
    assert_eq!(rig.received("p1").len(), 1);
    rig.stop();
}
