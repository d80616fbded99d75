//! `millrace show --watch` and filters: what is repeated, how it ends, which rows are left.

use std::{
    io::{BufRead, BufReader, Read},
    iter,
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use crate::fake_switch::{FakeSwitch, millrace};
use api::*;

fn worker(worker: u8, rx: u64) -> WorkerRow {
    WorkerRow { worker, rx, ..WorkerRow::default() }
}

/// A switch whose worker 0 receives 1000 frames between two questions, and worker 1 none.
fn counting() -> FakeSwitch {
    let asked = AtomicU64::new(0);
    FakeSwitch::answering(move |_| {
        let rx = asked.fetch_add(1_000, Ordering::Relaxed);
        Ok(Reply::Workers(Workers { workers: vec![worker(0, rx), worker(1, 5)], cpu_latency: None }))
    })
}

fn watching(switch: &FakeSwitch, arguments: &[&str]) -> Child {
    let mut command = millrace();
    command.arg("--socket").arg(switch.socket()).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it was built")
}

/// How long a watch may take to say what a test waits for, or to end. It repeats itself for ever where nobody stops it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it prints, blanks squeezed, until it ends. Panics where that goes on for longer than [`PATIENCE`].
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let (out, deadline) = (BufReader::new(child.stdout.take().expect("it is piped")), Instant::now() + PATIENCE);
    let (said, heard) = mpsc::channel();
    thread::spawn(move || out.lines().try_for_each(|line| said.send(line.expect("it prints text"))));
    let heard = iter::from_fn(move || match heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(line) if Instant::now() < deadline => Some(line),
        Err(RecvTimeoutError::Disconnected) => None,
        Ok(_) | Err(RecvTimeoutError::Timeout) => panic!("what was waited for did not come within {PATIENCE:?}"),
    });
    heard.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The code it ends with; killed where it does not end within [`PATIENCE`].
fn ended(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("it is ours").is_none() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    child.wait().expect("it is ours").code()
}

#[test]
fn a_watch_in_a_pipe_prints_block_after_block_with_rates_until_it_is_interrupted() {
    let switch = counting();
    let mut child = watching(&switch, &["show", "workers", "--watch=0.1", "--exact"]);
    let mut out = lines(&mut child);
    let mut rows = out.by_ref().filter(|line| line.starts_with("0 - - 0 - "));
    assert_eq!(rows.next().as_deref(), Some("0 - - 0 - 0 - 0 - 0 - 0 - 0 - 0"), "nothing to compare with yet");
    let second = rows.next().expect("it goes on");
    let cells: Vec<&str> = second.split(' ').collect();
    let rate: u64 = cells[6].parse().expect("a rate");
    assert!(cells[5] == "1000" && (1..=20_000).contains(&rate), "{second}");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("there is kill");
    assert!(killed.success());
    assert_eq!(out.filter(|line| line.contains("\u{1b}")).count(), 0, "a pipe is no terminal");
    assert_eq!(ended(&mut child), Some(0));
}

#[test]
fn a_watch_as_json_is_one_document_a_line_and_ends_with_its_reader() {
    let switch = counting();
    let mut child = watching(&switch, &["--json", "show", "workers", "0", "--watch=0.1"]);
    let documents: Vec<serde_json::Value> =
        lines(&mut child).take(3).map(|line| serde_json::from_str(&line).expect("one document a line")).collect();
    let rx: Vec<_> = documents.iter().map(|document| document["workers"][0]["rx"].as_u64()).collect();
    assert_eq!(rx, [Some(0), Some(1_000), Some(2_000)]);
    assert!(documents.iter().all(|document| document["schema"] == api::SCHEMA));
    assert!(documents.iter().all(|document| document["workers"].as_array().is_some_and(|rows| rows.len() == 1)));
    assert_eq!(ended(&mut child), Some(0));
    let mut err = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut err).expect("it prints text");
    assert_eq!(err, "");
}

#[test]
fn a_watch_ends_with_its_switch_and_has_bounds() {
    let asked = AtomicU64::new(0);
    let switch = FakeSwitch::answering(move |_| {
        assert!(asked.fetch_add(1, Ordering::Relaxed) < 2, "the thread of the switch ends, and with it the connection");
        Ok(Reply::Workers(Workers::default()))
    });
    let ran = switch.run(&["show", "workers", "--watch=0.1"]);
    assert!(ran.code == 3 && ran.err.contains("closed the connection"), "{ran:?}");
    assert_eq!(counting().run(&["show", "workers", "--watch=0.01"]).code, 2);
}

fn tunnel(name: &str, uplink: &str, state: TunnelState) -> TunnelRow {
    let path = PathRow {
        uplink: uplink.into(),
        link: Link::Up,
        local: [192, 0, 2, 1].into(),
        next_hop: None,
        next_hop_mac: None,
        state: PathState::Active,
    };
    TunnelRow {
        name: name.into(),
        uplink: uplink.into(),
        local: [192, 0, 2, 1].into(),
        remote: [192, 0, 2, 2].into(),
        udp_port: 4789,
        networks: vec![format!("net-{name}")],
        next_hop: None,
        next_hop_mac: None,
        state,
        mtu: 1450,
        multipath: None,
        paths: vec![path],
    }
}

fn drop_row(reason: &str, ports: &[(&str, u64)]) -> DropRow {
    let ports: Vec<_> =
        ports.iter().map(|(port, frames)| PortFrames { port: (*port).to_owned(), frames: *frames }).collect();
    let frames = ports.iter().map(|port| port.frames).sum();
    DropRow { reason: reason.into(), text: "Text.".into(), frames, ports, workers: vec![] }
}

fn port(name: &str) -> PortRow {
    PortRow {
        name: name.into(),
        kind: PortKind::Tap,
        role: PortRole::Access,
        device: None,
        netns: None,
        socket: None,
        interface: None,
        mac: None,
        mtu: 1500,
        addresses: Vec::new(),
        state: PortState::Up,
        gone: None,
        link: Link::Up,
        network: None,
        trunk: Vec::new(),
        vlan: None,
        storm_max: None,
        workers: vec![0],
        anti_spoof: true,
        rx_frames: 0,
        rx_octets: 0,
        tx_frames: 0,
        tx_octets: 0,
        dropped: 0,
        refused: 0,
        rx_missed: 0,
        rx_no_buffer: 0,
        rx_errors: 0,
        tx_errors: 0,
        balanced: true,
        choices: Vec::new(),
    }
}

fn listing() -> FakeSwitch {
    FakeSwitch::answering(|request| {
        Ok(match request {
            Request::ShowTunnels => Reply::Tunnels(Tunnels {
                tunnels: vec![
                    tunnel("b", "up0", TunnelState::Resolved),
                    tunnel("c", "up0", TunnelState::Unresolved),
                    tunnel("d", "up1", TunnelState::Resolved),
                ],
            }),
            Request::ShowDrops => Reply::Drops(Drops {
                total: 60,
                reasons: vec![drop_row("spoofed", &[("a1", 10), ("a2", 20)]), drop_row("flood", &[("a2", 30)])],
                host: vec![],
            }),
            Request::ShowPorts => Reply::Ports(Ports { ports: ["a1", "a2", "quiet"].map(port).into() }),
            Request::ShowMacs(_) => Reply::Macs(Macs::default()),
            Request::ShowFlows(_) => Reply::Flows(Flows::default()),
            other => panic!("{other:?}"),
        })
    })
}

#[test]
fn rows_of_short_lists_are_picked_by_name_and_by_what_they_are() {
    let switch = listing();
    let names = |arguments: &[&str]| -> Vec<String> {
        let ran = switch.run(&[&["--json", "show", "tunnels"], arguments].concat());
        let value: serde_json::Value = serde_json::from_str(&ran.out).expect("one object");
        value["tunnels"].as_array().expect("rows").iter().map(|row| row["name"].to_string()).collect()
    };
    assert_eq!(names(&["d", "b"]), ["\"b\"", "\"d\""]);
    assert_eq!(names(&["--uplink", "up0", "--state", "resolved"]), ["\"b\""]);
    assert_eq!(names(&["--network", "net-d"]), ["\"d\""]);
    let ran = switch.run(&["show", "tunnels", "x"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "millrace: there is no tunnel `x`; there is: b, c, d\n"));
}

#[test]
fn drops_of_one_port_are_counted_for_it_alone() {
    let switch = listing();
    let ran = switch.run(&["show", "drops", "--port", "a2", "--exact"]);
    let rows: Vec<String> = ran.lines();
    assert_eq!(rows[1..], ["flood 30 a2:30 - Text.", "spoofed 20 a2:20 - Text.", "total 50 frames"], "{ran:?}");
    let ran = switch.run(&["show", "drops", "--port", "a1", "--reason", "flood"]);
    assert_eq!(ran.out, "total 0 frames\n");
    assert_eq!(switch.run(&["show", "drops", "--port", "quiet"]).out, "total 0 frames\n");
    let ran = switch.run(&["show", "drops", "--port", "a3"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "millrace: there is no port `a3`; there is: a1, a2, quiet\n"));
    let ran = switch.run(&["show", "drops", "--reason", "spoof"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "millrace: there is no reason `spoof`; there is: spoofed, flood\n"));
}

#[test]
fn rows_of_long_lists_are_picked_by_the_switch() {
    let switch = listing();
    switch.run(&["show", "macs", "--port", "a1", "--mac", "02:00:00:00:00:01"]);
    switch.run(&["show", "flows", "--tunnel", "b", "--network", "blue"]);
    let mac = "02:00:00:00:00:01".parse().ok();
    let macs = MacFilter { member: Some("a1".into()), mac, ..MacFilter::default() };
    let flows = FlowFilter { member: Some("b".into()), network: Some("blue".into()), ..FlowFilter::default() };
    assert_eq!(switch.asked(), [Request::ShowMacs(macs), Request::ShowFlows(flows)]);
}
