//! Devices that go away and come back.

use api::{PortState, Reply, Request};

use super::{A1, A2, A3, ONE_NODE, frame, rig::Rig};

fn set_gone(rig: &Rig, port: &str, gone: bool) {
    let world = &mut rig.world.lock().unwrap();
    if gone {
        world.gone.insert(port.into())
    } else {
        world.gone.remove(port)
    };
}

fn set_broken(rig: &Rig, interface: &str, broken: bool) {
    let world = &mut rig.world.lock().unwrap();
    if broken {
        world.broken.insert(interface.into())
    } else {
        world.broken.remove(interface)
    };
}

fn row(rig: &mut Rig, name: &str) -> api::PortRow {
    let Reply::Ports(ports) = rig.ask(Request::ShowPorts).unwrap() else { panic!("no ports") };
    ports.ports.into_iter().find(|port| port.name == name).unwrap()
}

fn three_ports() -> Rig {
    let mut rig = Rig::new(&format!("{ONE_NODE}{A3}"));
    rig.send("a1", &frame(A2, A1, 1));
    rig.send("a2", &frame(A1, A2, 1));
    rig.run_ms(20);
    for port in ["a1", "a2", "a3"] {
        rig.received(port);
    }
    rig.events();
    rig
}

/// Frames between a1 and a2 for so long: every one arrives.
fn run_under_load(rig: &mut Rig, ms: u64) {
    for number in 0..ms / 10 {
        rig.send("a1", &frame(A2, A1, number as u32));
        rig.send("a3", &frame(A2, A1, number as u32));
        rig.step();
        rig.received("a3");
    }
    rig.run_ms(20);
}

#[test]
fn a_device_that_goes_costs_its_own_port_only_and_comes_back_by_itself() {
    let mut rig = three_ports();
    set_gone(&rig, "a2", true);
    set_broken(&rig, "if-a2", true);
    rig.send("a1", &frame(A2, A1, 2));
    rig.run_ms(200);
    assert_eq!(rig.events(), ["close a2 1"]);
    let away = row(&mut rig, "a2");
    assert_eq!((away.state, away.gone.as_deref()), (PortState::Down, Some("it was taken away")));
    assert_eq!(row(&mut rig, "a1").state, PortState::Up);
    // What is for it has a name, and the others go on.
    rig.send("a1", &frame(A2, A1, 3));
    rig.run_ms(20);
    let Reply::Drops(drops) = rig.ask(Request::ShowDrops).unwrap() else { panic!("no drops") };
    assert!(drops.reasons.iter().any(|row| row.reason == "tx-unserved" && row.frames >= 1), "{drops:?}");
    rig.run_ms(2000);
    assert_eq!(rig.events(), Vec::<String>::new(), "tried in vain");
    let refused = row(&mut rig, "a2").gone.unwrap();
    assert!(refused.starts_with("it was taken away; not back: ") && refused.contains("if-a2"), "{refused}");
    set_gone(&rig, "a2", false);
    set_broken(&rig, "if-a2", false);
    rig.run_ms(4500);
    assert_eq!(rig.events(), ["open a2 if-a2"]);
    let back = row(&mut rig, "a2");
    assert_eq!((back.state, back.gone), (PortState::Up, None));
    rig.send("a1", &frame(A2, A1, 4));
    rig.run_ms(20);
    assert_eq!(rig.received("a2"), [frame(A2, A1, 4)]);
    rig.stop();
}

#[test]
fn other_ports_lose_nothing_while_a_device_goes_and_comes() {
    let mut rig = three_ports();
    set_gone(&rig, "a3", true);
    run_under_load(&mut rig, 300);
    set_gone(&rig, "a3", false);
    run_under_load(&mut rig, 2000);
    assert_eq!(rig.events(), ["close a3 1", "open a3 if-a3"]);
    let to_a2 = rig.received("a2").len();
    assert!(to_a2 >= 230, "{to_a2} of 230 frames from a1, beside those of a3");
    rig.stop();
}

#[test]
fn applying_the_same_file_tries_a_device_at_once() {
    let mut rig = three_ports();
    set_gone(&rig, "a2", true);
    set_broken(&rig, "if-a2", true);
    rig.run_ms(15_000);
    set_gone(&rig, "a2", false);
    set_broken(&rig, "if-a2", false);
    assert_eq!(row(&mut rig, "a2").state, PortState::Down);
    assert!(rig.apply(&format!("{ONE_NODE}{A3}")).unwrap().diff.is_empty());
    rig.run_ms(200);
    assert_eq!(row(&mut rig, "a2").state, PortState::Up);
    rig.stop();
}

#[test]
fn a_port_that_is_away_can_be_changed_and_taken_out() {
    let mut rig = three_ports();
    set_gone(&rig, "a2", true);
    set_broken(&rig, "if-a2", true);
    rig.run_ms(200);
    let both = format!("{ONE_NODE}{A3}");
    let changed = both.replace("interface = \"if-a2\"\n", "interface = \"if-a2\"\naddresses = [\"10.0.0.2/24\"]\n");
    assert_eq!(rig.apply(&changed).unwrap().diff.len(), 1);
    set_gone(&rig, "a2", false);
    set_broken(&rig, "if-a2", false);
    rig.run_ms(1000);
    assert_eq!(row(&mut rig, "a2").addresses, ["10.0.0.2/24"]);
    assert_eq!(row(&mut rig, "a2").state, PortState::Up);
    set_gone(&rig, "a3", true);
    rig.run_ms(200);
    rig.events();
    let without = changed.replace(A3, "");
    rig.apply(&without).unwrap();
    rig.run_ms(3000);
    assert_eq!(rig.events(), Vec::<String>::new(), "nobody opens what is no longer wanted");
    rig.stop();
}

#[test]
fn a_port_that_is_away_can_be_given_another_device() {
    let mut rig = three_ports();
    set_gone(&rig, "a2", true);
    rig.run_ms(200);
    set_gone(&rig, "a2", false);
    rig.events();
    let text = format!("{ONE_NODE}{A3}").replace("if-a2", "if-b2");
    rig.apply(&text).unwrap();
    // Not only when somebody looks next: what is open is not gone.
    assert_eq!(row(&mut rig, "a2").gone, None);
    rig.run_ms(3000);
    assert_eq!(rig.events(), ["open a2 if-b2"]);
    assert_eq!(row(&mut rig, "a2").state, PortState::Up);
    rig.stop();
}
