//! `millrace show` against a switch made of canned lines.

use std::{io::Read, process::Stdio};

use crate::fake_switch::{FakeSwitch, millrace};
use api::*;

fn mac(last: u8) -> wire::Mac {
    wire::Mac::new([2, 0, 0, 0, 0, last])
}

fn flow(number: u64) -> FlowRow {
    FlowRow {
        worker: 0,
        ingress: "a1".into(),
        network: Some("blue".into()),
        src: mac(1),
        dst: mac(2),
        source: "10.0.0.1".parse().ok(),
        five_tuple: None,
        verdict: Verdict::Forward { egress: "to-b".into() },
        packets: number,
        octets: number * 100,
        idle_ms: 1_500,
    }
}

fn ledger(tx: u64) -> Ledger {
    let terms = Terms { rx: 2, tx, ..Terms::default() };
    Ledger::new(vec![WorkerLedger { worker: 0, terms, balanced: false }], vec![], vec![])
}

/// A network with a port, and a port of no network.
fn mtus() -> Mtus {
    let port = |name: &str, mtu, networks: &[&str]| PortMtu {
        name: name.into(),
        role: PortRole::Access,
        mtu,
        networks: networks.iter().map(|&name| name.into()).collect(),
        chain: "its own".into(),
        guest: None,
    };
    let blue =
        NetworkMtu { name: "blue".into(), mtu: Some(1450), tagged: Some(1446), chain: "the sum".into(), mss: None };
    let ports = vec![port("a1", 1450, &["blue"]), port("a2", 1500, &[])];
    Mtus { networks: vec![blue], ports, ..Mtus::default() }
}

fn answer(request: &Request) -> Result<Reply, RpcError> {
    Ok(match request {
        Request::ShowPorts => Reply::Ports(Ports::default()),
        Request::ShowNetworks => Reply::Networks(Networks {
            networks: vec![NetworkRow {
                name: "blue".into(),
                vni: wire::Vni::new(4096).expect("a VNI"),
                ports: vec!["a1".into(), "a2".into()],
                tunnels: vec!["to-b".into()],
                macs: 2,
                macs_max: 4096,
                age_s: 300,
                flow_key: "mac".into(),
            }],
        }),
        Request::ShowMacs(MacFilter { network: Some(network), .. }) if network != "blue" => {
            return Err(RpcError::invalid_params(format!("no network `{network}`; there is blue")));
        }
        Request::ShowMacs(_) => Reply::Macs(Macs::default()),
        Request::ShowTunnels => Reply::Tunnels(Tunnels {
            tunnels: vec![TunnelRow {
                name: "to-b".into(),
                uplink: "up0".into(),
                local: [192, 0, 2, 1].into(),
                remote: [192, 0, 2, 2].into(),
                udp_port: 8472,
                networks: vec!["blue".into()],
                next_hop: Some([192, 0, 2, 2].into()),
                next_hop_mac: None,
                state: TunnelState::Unresolved,
                mtu: 1450,
                multipath: None,
                paths: vec![PathRow {
                    uplink: "up0".into(),
                    link: Link::Up,
                    local: [192, 0, 2, 1].into(),
                    next_hop: Some([192, 0, 2, 2].into()),
                    next_hop_mac: None,
                    state: PathState::Unresolved,
                }],
            }],
        }),
        Request::ShowMtu => Reply::Mtus(mtus()),
        Request::ShowFlows(_) => Reply::Flows(Flows { total: 50_000, flows: vec![flow(12_345), flow(1)] }),
        Request::ShowWorkers => Reply::Workers(Workers { workers: vec![WorkerRow::default()], cpu_latency: None }),
        Request::ShowMemory => Reply::Memory(Memory::default()),
        Request::ShowDrops => Reply::Drops(Drops::default()),
        Request::ShowLedger => Reply::Ledger(ledger(2)),
        Request::Version => Reply::Version(Version {
            product: PRODUCT.into(),
            version: "9.8.7".into(),
            git: Some("abc1234".into()),
            dpdk: Some("22.11.11".into()),
            cpu_level: Some("x86-64-v3".into()),
            schema: SCHEMA,
            switch: "node-a".into(),
            pid: 77,
            uptime_s: 3_700,
        }),
        Request::ShowConfig => {
            Reply::Config(RunningConfig { text: "# a\tb\n[switch]\n".into(), file: "/etc/a.toml".into(), revision: 7 })
        }
        Request::Check { .. } | Request::Apply { .. } => return Err(RpcError::internal("show asks for neither")),
    })
}

#[test]
fn every_table_starts_with_its_header_and_ends_with_zero() {
    let switch = FakeSwitch::answering(answer);
    let firsts = [
        ("ports", "PORT ROLE STATE NETWORK WHERE MAC"),
        ("networks", "NETWORK VNI MACS"),
        ("macs", "NETWORK MAC MEMBER"),
        ("tunnels", "TUNNEL STATE UPLINK"),
        ("mtu", "NETWORK MTU TAGGED MSS BECAUSE"),
        ("flows", "WORKER NETWORK INGRESS"),
        ("workers", "WORKER CPU LOAD TURNS"),
        ("memory", "WHAT WORKER SIZE PAGES USED PLACES EACH"),
        ("drops", "total 0 frames"),
        ("ledger", "WORKER RX +INJECTED"),
        ("version", "switch node-a, process 77, up 1h 01m"),
    ];
    for (what, first) in firsts {
        let ran = switch.run(&["show", what]);
        assert_eq!(ran.code, 0, "{what}: {ran:?}");
        assert!(ran.lines()[0].starts_with(first), "{what}: {}", ran.out);
    }
}

#[test]
fn a_row_shows_what_the_switch_said() {
    let switch = FakeSwitch::answering(answer);
    assert_eq!(switch.run(&["show", "networks"]).lines()[1], "blue 4096 2 4096 5m 00s mac a1,a2 to-b");
    let tunnel = "to-b unresolved up0 unresolved up 192.0.2.1 192.0.2.2 8472 1450 192.0.2.2 - blue";
    assert_eq!(switch.run(&["show", "tunnels"]).lines()[1], tunnel);
    let flow = "0 blue a1 02:00:00:00:00:01 02:00:00:00:00:02 10.0.0.1 forward to to-b";
    let short = switch.run(&["show", "flows"]);
    assert_eq!(short.lines()[1], format!("{flow} 12.3k 1.23 MB 1.5 s"));
    assert_eq!(short.err, "2 of 50000 rows (--limit N for more)\n");
    assert_eq!(switch.run(&["show", "flows", "--exact"]).lines()[1], format!("{flow} 12345 1234500 1500"));
}

#[test]
fn a_flow_told_apart_by_its_five_tuple_shows_it() {
    let switch = FakeSwitch::answering(|_| {
        let packed = wire::FiveTuple::V4 { addresses: 0x0a00_0001_0a00_0002, transport: 40_000 << 32 | 80 << 16 | 6 };
        let tcp = FlowRow { five_tuple: Some(packed.into()), ..flow(1) };
        Ok(Reply::Flows(Flows { total: 1, flows: vec![tcp] }))
    });
    let row = switch.run(&["show", "flows", "--address", "10.0.0.2"]).lines()[1].clone();
    assert!(row.contains(" tcp 10.0.0.1:40000 > 10.0.0.2:80 forward to to-b "), "{row}");
    let address = "10.0.0.2".parse().ok();
    assert_eq!(switch.asked(), [Request::ShowFlows(FlowFilter { address, ..FlowFilter::default() })]);
    let json: serde_json::Value = serde_json::from_str(&switch.run(&["show", "flows", "--json"]).out).expect("JSON");
    let tuple = &json["flows"][0]["five_tuple"];
    assert_eq!((&tuple["destination"], &tuple["destination_port"]), (&"10.0.0.2".into(), &80.into()));
}

#[test]
fn of_mtus_those_of_a_network_or_a_port_can_be_asked() {
    let switch = FakeSwitch::answering(answer);
    let [networks, ports] = ["NETWORK MTU TAGGED MSS BECAUSE", "PORT ROLE MTU GUEST NETWORKS BECAUSE"];
    let (a1, a2) = ("a1 access 1450 - blue its own", "a2 access 1500 - - its own");
    assert_eq!(switch.run(&["show", "mtu"]).lines(), [networks, "blue 1450 1446 - the sum", "", ports, a1, a2]);
    assert_eq!(switch.run(&["show", "mtu", "blue"]).lines(), [networks, "blue 1450 1446 - the sum", "", ports, a1]);
    assert_eq!(switch.run(&["show", "mtu", "a2"]).lines(), [networks, "", ports, a2]);
    assert_eq!(
        switch.run(&["show", "mtu", "red"]).err,
        "millrace: there is no network or port `red`; there is: blue, a1, a2\n"
    );
}

#[test]
fn the_running_configuration_is_printed_octet_by_octet() {
    let ran = FakeSwitch::answering(answer).run(&["show", "config"]);
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (0, "# a\tb\n[switch]\n", "revision 7, from /etc/a.toml\n")
    );
}

#[test]
fn what_is_typed_reaches_the_switch() {
    let switch = FakeSwitch::answering(answer);
    switch.run(&["show", "macs", "--network", "blue", "--limit", "7"]);
    switch.run(&["show", "flows", "--limit", "9"]);
    let expected = [
        Request::ShowMacs(MacFilter { network: Some("blue".into()), limit: Some(7), ..MacFilter::default() }),
        Request::ShowFlows(FlowFilter { limit: Some(9), ..FlowFilter::default() }),
    ];
    assert_eq!(switch.asked(), expected);
}

#[test]
fn json_is_one_object_on_one_line_and_nothing_else() {
    let switch = FakeSwitch::answering(answer);
    for what in
        ["ports", "networks", "macs", "tunnels", "mtu", "flows", "workers", "memory", "drops", "ledger", "version"]
    {
        let ran = switch.run(&["--json", "show", what]);
        assert_eq!((ran.code, ran.out.lines().count(), ran.err.as_str()), (0, 1, ""), "{what}");
        let value: serde_json::Value = serde_json::from_str(&ran.out).expect(what);
        assert_eq!(value["schema"], api::SCHEMA, "{what}: {value}");
    }
    let flows: Flows = serde_json::from_str(&switch.run(&["show", "flows", "--json"]).out).expect("flows");
    assert_eq!(flows.flows, [flow(12_345), flow(1)]);
}

#[test]
fn an_unbalanced_ledger_is_a_no_also_in_json() {
    let switch = FakeSwitch::answering(|_| Ok(Reply::Ledger(ledger(1))));
    let ran = switch.run(&["show", "ledger"]);
    assert_eq!((ran.code, ran.out.lines().last()), (1, Some("NOT BALANCED: see the lines marked NO")));
    assert_eq!(switch.run(&["show", "ledger", "--json"]).code, 1);
}

#[test]
fn an_answer_that_is_an_error_is_a_no() {
    let switch = FakeSwitch::answering(answer);
    let ran = switch.run(&["show", "macs", "--network", "blu"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (1, "", "millrace: no network `blu`; there is blue\n"));
    let json = switch.run(&["show", "macs", "--network", "blu", "--json"]);
    assert_eq!(
        json.out,
        "{\"error\":{\"code\":-32602,\"message\":\"no network `blu`; there is blue\"},\"schema\":1}\n"
    );
    assert_eq!(json.code, 1);
}

#[test]
fn a_reader_that_stops_reading_does_no_harm() {
    let switch =
        FakeSwitch::answering(|_| Ok(Reply::Flows(Flows { total: 20_000, flows: (0..20_000).map(flow).collect() })));
    let mut child = millrace()
        .arg("--socket")
        .arg(switch.socket())
        .args(["show", "flows"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it was built");
    let mut out = child.stdout.take().expect("it is piped");
    out.read_exact(&mut [0; 10]).expect("there is an answer");
    drop(out);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn no_colours_and_no_control_characters_where_no_terminal_is() {
    let switch = FakeSwitch::answering(|_| {
        let evil = FlowRow { ingress: "\u{1b}[2J\nx".into(), ..flow(1) };
        Ok(Reply::Flows(Flows { total: 1, flows: vec![evil] }))
    });
    let ran = switch.run(&["show", "flows"]);
    assert!(!ran.out.contains('\u{1b}') && ran.out.lines().count() == 2, "{}", ran.out);
}
