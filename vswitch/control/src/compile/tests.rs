//! What a snapshot holds, and what stays the same from one to the next.

use datapath::{Member, MemberKind, Paths, Role, Vlans, VtepKey, WorkerId};
use wire::{Vni, vlan::VlanId};

use super::*;
use crate::config::load;

const BASE: &str = r#"
[switch]
name = "n"
[workers]
count = 2
[[port]]
name = "up0"
kind = "eth"
device = "net_null0"
role = "uplink"
addresses = ["192.0.2.1/24"]
gateway = "192.0.2.254"
[[port]]
name = "a1"
kind = "tap"
mac = "02:00:00:00:0a:01"
addresses = ["10.0.0.1/24"]
allow = ["10.9.0.0"]
network = "blue"
[[port]]
name = "a2"
kind = "tap"
network = "blue"
[[network]]
name = "blue"
vni = 4096
tunnels = ["to-b", "to-c"]
static = [{ mac = "02:00:00:00:0b:01", tunnel = "to-b" }, { mac = "02:00:00:00:0a:09", port = "a2" }]
[[network]]
name = "green"
vni = 0
tunnels = ["to-b"]
[[tunnel]]
name = "to-b"
uplink = "up0"
remote = "192.0.2.2"
port = 8472
[[tunnel]]
name = "to-c"
uplink = "up0"
remote = "198.51.100.3"
"#;

fn config(text: &str) -> Config {
    load(text, "f").unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn facts() -> Facts {
    let mut facts = Facts::default();
    facts.macs.insert(name("up0"), "02:00:00:00:00:01".parse().unwrap());
    facts.next_hops.insert((name("up0"), address("192.0.2.2")), "02:00:00:00:00:02".parse().unwrap());
    facts
}

fn member<'c>(compiled: &'c Compiled, network: &str, behind: Behind) -> &'c Member {
    let name = MemberName { network: name(network), behind };
    compiled.snapshot.member(compiled.member_id(&name).unwrap()).unwrap()
}

fn tunnel(text: &str) -> Behind {
    Behind::Tunnel(name(text))
}

fn access(text: &str) -> Behind {
    Behind::Port(name(text))
}

/// The snapshot as text, without generations.
fn without_generations(snapshot: &Snapshot) -> String {
    let text = format!("{:?} {:?} {:?}", snapshot.ports, snapshot.networks, snapshot.members);
    let mut parts = text.split("generation: ");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn a_snapshot_says_what_the_configuration_means() {
    let compiled = compile(&config(BASE), &facts(), None);
    let snapshot = &compiled.snapshot;
    assert_eq!(snapshot.generation, 1);
    let uplink = snapshot.port(compiled.port_id("up0").unwrap()).unwrap();
    let Role::Uplink { mac, addresses, .. } = &uplink.role else { panic!("{uplink:?}") };
    assert_eq!((mac.to_string().as_str(), addresses.as_slice()), ("02:00:00:00:00:01", &[address("192.0.2.1")][..]));
    assert_eq!(uplink.frame_max, 1514);
    let a1 = snapshot.port(compiled.port_id("a1").unwrap()).unwrap();
    let Role::Access { guard } = &a1.role else { panic!("{a1:?}") };
    let a1_member = &a1.vlans.untagged.unwrap();
    assert_eq!(a1.frame_max, 1464);
    assert_eq!(guard.macs.as_deref(), Some(&["02:00:00:00:0a:01".parse().unwrap()][..]));
    let allowed = ["10.0.0.1", "10.9.0.0", "fe80::ff:fe00:a01"].map(address);
    assert_eq!(guard.addresses.as_deref(), Some(&allowed[..]));
    let a2 = snapshot.port(compiled.port_id("a2").unwrap()).unwrap();
    assert!(matches!(&a2.role, Role::Access { guard } if *guard == datapath::Guard::default()));
    let blue = snapshot.network(compiled.network_id("blue").unwrap()).unwrap();
    assert_eq!((blue.vni.get(), blue.macs_max, blue.age_ticks, blue.members.len()), (4096, 4096, 3000, 4));
    assert_eq!(blue.members[0], *a1_member);
    let statics = [("02:00:00:00:0a:09", blue.members[1]), ("02:00:00:00:0b:01", blue.members[2])];
    assert_eq!(blue.statics, statics.map(|(mac, member)| (mac.parse().unwrap(), member)), "by MAC, not as in the file");
    assert_eq!(compiled.member_name(*a1_member).unwrap().behind, access("a1"));
    assert_eq!(compiled.network_name(NetworkId(0)), Some(&name("blue")));
    assert_eq!(compiled.port_name(PortId(0)), Some(&name("up0")));
}

#[test]
fn a_tunnel_has_an_outer_header_in_each_network_once_its_next_hop_is_known() {
    let compiled = compile(&config(BASE), &facts(), None);
    let outer = |network, behind| match &member(&compiled, network, behind).kind {
        MemberKind::Vtep { paths } => paths.as_slice().first().map(|path| path.outer),
        MemberKind::Local { .. } => panic!("local"),
    };
    let blue = outer("blue", tunnel("to-b")).unwrap();
    let green = outer("green", tunnel("to-b")).unwrap();
    assert_ne!(blue, green);
    let mut frame = vec![0; blue.len() + 60];
    assert!(blue.write(&mut frame, 50_000, 1, 0));
    assert_eq!(frame[..12], [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
    assert_eq!(frame[26..34], [192, 0, 2, 1, 192, 0, 2, 2]);
    assert_eq!(frame[36..38], 8472u16.to_be_bytes());
    assert_eq!(frame[46..49], [0, 16, 0]);
    assert_eq!(outer("blue", tunnel("to-c")), None);

    let mut more = facts();
    more.next_hops.insert((name("up0"), address("192.0.2.254")), "02:00:00:00:00:fe".parse().unwrap());
    let compiled = compile(&config(BASE), &more, Some(&compiled));
    let to_c = member(&compiled, "blue", tunnel("to-c"));
    assert!(matches!(to_c.kind, MemberKind::Vtep { paths: Paths::One(_) }));
    assert_eq!(to_c.generation, 1, "no decision rests on a path");
}

#[test]
fn a_static_next_hop_needs_no_resolving() {
    let text =
        BASE.replace("remote = \"198.51.100.3\"", "remote = \"198.51.100.3\"\nnext_hop_mac = \"02:00:00:00:00:77\"");
    let compiled = compile(&config(&text), &facts(), None);
    assert!(matches!(member(&compiled, "blue", tunnel("to-c")).kind, MemberKind::Vtep { paths: Paths::One(_) }));
}

#[test]
fn vteps_are_known_by_uplink_addresses_port_and_vni() {
    let compiled = compile(&config(BASE), &facts(), None);
    let uplink = compiled.port_id("up0").unwrap();
    let key = VtepKey { uplink, local: address("192.0.2.1"), remote: address("192.0.2.2"), udp_port: 8472 };
    let vni = |number| Vni::new(number).unwrap();
    let vteps = &compiled.snapshot.vteps;
    let expected = compiled.member_id(&MemberName { network: name("green"), behind: tunnel("to-b") });
    assert_eq!(vteps.find(key, vni(0)).ok(), expected);
    assert_eq!(vteps.find(key, vni(1)), Err(datapath::NoMember::UnknownVni));
    assert_eq!(vteps.find(VtepKey { udp_port: 4789, ..key }, vni(0)), Err(datapath::NoMember::UnknownVtep));
    assert!(vteps.listens_on(4789) && vteps.listens_on(8472) && !vteps.listens_on(4790));
}

#[test]
fn one_uplink_carries_tunnels_of_both_families() {
    let text = BASE
        .replace("[\"192.0.2.1/24\"]", "[\"192.0.2.1/24\", \"2001:db8::1/64\"]")
        .replace("gateway = ", "gateway6 = \"fe80::fe\"\ngateway = ")
        .replace("remote = \"198.51.100.3\"", "remote = \"2001:db8:9::3\"\nudp6_zero_checksum_rx = true");
    let mut facts = facts();
    facts.next_hops.insert((name("up0"), address("fe80::fe")), "02:00:00:00:00:fe".parse().unwrap());
    let compiled = compile(&config(&text), &facts, None);
    let length = |behind: &str| match &member(&compiled, "blue", tunnel(behind)).kind {
        MemberKind::Vtep { paths } => paths.as_slice().first().map(|path| path.outer.len()),
        MemberKind::Local { .. } => panic!("local"),
    };
    assert_eq!((length("to-b"), length("to-c")), (Some(50), Some(70)));
    let uplink = compiled.port_id("up0").unwrap();
    let Role::Uplink { addresses, .. } = &compiled.snapshot.port(uplink).unwrap().role else { panic!() };
    assert_eq!(addresses[..], ["192.0.2.1", "2001:db8::1", "fe80::ff:fe00:1"].map(address));
    let key = VtepKey { uplink, local: address("2001:db8::1"), remote: address("2001:db8:9::3"), udp_port: 4789 };
    let vteps = &compiled.snapshot.vteps;
    assert!(vteps.find(key, Vni::new(4096).unwrap()).is_ok() && vteps.allows_zero_checksum(key));
    let ipv4 = VtepKey { local: address("192.0.2.1"), remote: address("192.0.2.2"), udp_port: 8472, ..key };
    assert!(vteps.find(ipv4, Vni::new(4096).unwrap()).is_ok() && !vteps.allows_zero_checksum(ipv4));
}

#[test]
fn compiling_twice_changes_nothing_but_the_generation() {
    let first = compile(&config(BASE), &facts(), None);
    let second = compile(&config(BASE), &facts(), Some(&first));
    assert_eq!((first.snapshot.generation, second.snapshot.generation), (1, 2));
    assert_eq!(format!("{:?}", first.snapshot.ports), format!("{:?}", second.snapshot.ports));
    assert_eq!(format!("{:?}", first.snapshot.networks), format!("{:?}", second.snapshot.networks));
    assert_eq!(format!("{:?}", first.snapshot.members), format!("{:?}", second.snapshot.members));
    let anew = compile(&config(BASE), &facts(), None);
    assert_eq!(without_generations(&anew.snapshot), without_generations(&second.snapshot));
}

#[test]
fn a_port_that_comes_or_goes_leaves_the_others_as_they_are() {
    let a3 = "[[port]]\nname = \"a3\"\nkind = \"tap\"\nnetwork = \"blue\"\n";
    let first = compile(&config(BASE), &facts(), None);
    // In front of all others, so that an id by order would shift.
    let second = compile(
        &config(
            &format!("{}{BASE}", a3)
                .replacen(a3, "", 1)
                .replace("[[port]]\nname = \"up0\"", &format!("{a3}[[port]]\nname = \"up0\"")),
        ),
        &facts(),
        Some(&first),
    );
    let third = compile(
        &config(
            &BASE
                .replace("[[port]]\nname = \"a2\"\nkind = \"tap\"\nnetwork = \"blue\"\n", "")
                .replace(", { mac = \"02:00:00:00:0a:09\", port = \"a2\" }", ""),
        ),
        &facts(),
        Some(&second),
    );
    for kept in ["up0", "a1"] {
        let id = first.port_id(kept).unwrap();
        for later in [&second, &third] {
            assert_eq!(later.port_id(kept), Some(id));
            assert_eq!(later.snapshot.port(id).unwrap().generation, 1, "{kept}");
            assert_eq!(later.snapshot.port(id).unwrap().workers, first.snapshot.port(id).unwrap().workers);
        }
    }
    let a3 = second.port_id("a3").unwrap();
    assert_eq!(second.snapshot.port(a3).unwrap().generation, 2);
    assert_eq!(second.snapshot.network(NetworkId(0)).unwrap().generation, 1);
    assert_eq!(second.snapshot.network(NetworkId(0)).unwrap().members.len(), 5);
    let a2 = second.port_id("a2").unwrap();
    assert!(third.snapshot.port(a2).is_none() && third.port_name(a2).is_none());
    assert_eq!(member(&third, "blue", tunnel("to-b")).generation, 1);
}

#[test]
fn a_port_that_moves_to_another_network_is_another_member() {
    let first = compile(&config(BASE), &facts(), None);
    let moved = BASE.replace(
        "name = \"a2\"\nkind = \"tap\"\nnetwork = \"blue\"",
        "name = \"a2\"\nkind = \"tap\"\nnetwork = \"green\"",
    );
    let moved = moved.replace(", { mac = \"02:00:00:00:0a:09\", port = \"a2\" }", "");
    let second = compile(&config(&moved), &facts(), Some(&first));
    let old = first.member_id(&MemberName { network: name("blue"), behind: access("a2") }).unwrap();
    assert!(second.snapshot.member(old).is_none());
    assert_eq!(second.port_id("a2"), first.port_id("a2"));
    assert_eq!(member(&second, "green", access("a2")).generation, 2);
    assert_eq!(second.snapshot.port(second.port_id("a2").unwrap()).unwrap().generation, 2);
}

#[test]
fn a_tunnel_that_leads_elsewhere_is_another_member() {
    let first = compile(&config(BASE), &facts(), None);
    let second = compile(&config(&BASE.replace("\"192.0.2.2\"", "\"192.0.2.9\"")), &facts(), Some(&first));
    let id = |compiled: &Compiled, behind| compiled.member_id(&MemberName { network: name("blue"), behind }).unwrap();
    let old = id(&first, tunnel("to-b"));
    assert_ne!(id(&second, tunnel("to-b")), old);
    assert!(second.snapshot.member(old).is_none(), "the old id means nobody for one snapshot at least");
    assert_eq!(id(&second, tunnel("to-c")), id(&first, tunnel("to-c")));
}

#[test]
fn queues_are_spread_in_the_order_of_the_file_unless_it_says_where() {
    let compiled = compile(&config(BASE), &facts(), None);
    let workers = |compiled: &Compiled, port: &str| {
        compiled.snapshot.port(compiled.port_id(port).unwrap()).unwrap().workers.clone()
    };
    assert_eq!(workers(&compiled, "up0"), [WorkerId(0)]);
    assert_eq!(workers(&compiled, "a1"), [WorkerId(1)]);
    assert_eq!(workers(&compiled, "a2"), [WorkerId(0)]);
    let both = BASE.replace("role = \"uplink\"", "role = \"uplink\"\nqueues = 2\nworkers = [1, 0]");
    assert_eq!(workers(&compile(&config(&both), &facts(), None), "up0"), [WorkerId(1), WorkerId(0)]);
}

#[test]
fn an_uplink_without_a_mac_is_left_out_until_it_has_one() {
    let first = compile(&config(BASE), &Facts::default(), None);
    let id = first.port_id("up0").unwrap();
    assert!(first.snapshot.port(id).is_none());
    let second = compile(&config(BASE), &facts(), Some(&first));
    assert_eq!(second.snapshot.port(id).unwrap().generation, 2);
}

#[test]
fn vlans_of_a_port_lead_to_members_of_their_networks() {
    let text = BASE
        .replace("role = \"uplink\"", "role = \"uplink\"\nvlan = 100\ntrunk = [{ vlan = 30, network = \"green\" }]")
        .replace("name = \"a1\"\n", "name = \"a1\"\ntrunk = [{ vlan = 20, network = \"green\" }]\nstorm_max = 9\n");
    let compiled = compile(&config(&text), &facts(), None);
    let spec = |port: &str| compiled.snapshot.port(compiled.port_id(port).unwrap()).unwrap();
    let id = |network, port| compiled.member_id(&MemberName { network: name(network), behind: access(port) });
    let vlan = |number| VlanId::new(number).unwrap();

    let a1 =
        Vlans { untagged: id("blue", "a1"), tagged: vec![(vlan(20), id("green", "a1").unwrap())], transparent: false };
    assert_eq!((&spec("a1").vlans, spec("a1").storm_max), (&a1, Some(9)));
    let up0 = Vlans { untagged: None, tagged: vec![(vlan(30), id("green", "up0").unwrap())], transparent: false };
    assert_eq!((&spec("up0").vlans, spec("up0").own_vlan()), (&up0, Some(vlan(100))));
    assert_eq!(spec("a2").vlans, Vlans::transparent(id("blue", "a2").unwrap()));

    let place = |network, port| match member(&compiled, network, access(port)).kind {
        MemberKind::Local { port, vlan } => (port, vlan),
        MemberKind::Vtep { .. } => panic!("a VTEP"),
    };
    assert_eq!(place("green", "a1"), (compiled.port_id("a1").unwrap(), Some(vlan(20))));
    assert_eq!(place("blue", "a1"), (compiled.port_id("a1").unwrap(), None));
    assert_eq!(place("green", "up0"), (compiled.port_id("up0").unwrap(), Some(vlan(30))));
    let green = compiled.snapshot.network(compiled.network_id("green").unwrap()).unwrap();
    assert_eq!(green.members.len(), 3, "the uplink, a1 and the tunnel");

    let moved = compile(&config(&text.replace("vlan = 30", "vlan = 31")), &facts(), Some(&compiled));
    assert_eq!(member(&moved, "green", access("up0")).generation, 2);
    assert_eq!(member(&moved, "green", access("a1")).generation, 1);
}

#[test]
fn tcp_is_told_of_what_passes_between_any_two_members_where_the_network_wants_it() {
    let wanted = BASE.replace("vni = 4096", "vni = 4096\nmss_clamp = true");
    let told = |text: &str, lowered: &[(&str, u16)]| {
        let ours = address("192.0.2.1");
        let path_mtus = lowered.iter().map(|&(remote, mtu)| ((ours, address(remote)), mtu)).collect();
        let compiled = compile(&config(text), &Facts { path_mtus, ..facts() }, None);
        ["blue", "green"].map(|name| compiled.snapshot.network(compiled.network_id(name).unwrap()).unwrap().tcp_mtu)
    };
    assert_eq!(told(BASE, &[]), [None, None]);
    assert_eq!(told(&wanted, &[]), [Some(1450), None]);
    assert_eq!(
        told(&wanted.replace("kind = \"tap\"\nnetwork", "kind = \"tap\"\nmtu = 1400\nnetwork"), &[])[0],
        Some(1400)
    );
    assert_eq!(told(&wanted, &[("192.0.2.2", 1400), ("198.51.100.3", 1450), ("192.0.2.9", 700)])[0], Some(1350));
    let without_ways = wanted
        .replace("tunnels = [\"to-b\", \"to-c\"]", "")
        .replace("{ mac = \"02:00:00:00:0b:01\", tunnel = \"to-b\" }, ", "");
    assert_eq!(told(&without_ways, &[])[0], Some(1500), "what its ports take");
}
