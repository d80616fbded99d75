//! What a diff says, line by line.

use proptest::prelude::*;

use super::*;
use crate::config::{Kind, Port, SocketAccess, SocketMode, load};

const BASE: &str = r#"
[switch]
name = "n"
[[port]]
name = "up0"
kind = "eth"
device = "net_null0"
role = "uplink"
addresses = ["192.0.2.1/24"]
[[port]]
name = "a1"
kind = "tap"
netns = "pod-a1"
interface = "eth0"
mac = "02:00:00:00:0a:01"
addresses = ["10.0.0.1/24"]
network = "blue"
[[network]]
name = "blue"
vni = 1
tunnels = ["to-b"]
[[network]]
name = "green"
vni = 2
[[tunnel]]
name = "to-b"
uplink = "up0"
remote = "192.0.2.2"
"#;

fn config(text: &str) -> Config {
    load(text, "f").unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// The diff that replacing `what` by `with` in [`BASE`] makes.
fn edit(what: &str, with: &str) -> Diff {
    assert!(BASE.contains(what), "{what}");
    diff(&config(BASE), &config(&BASE.replacen(what, with, 1)))
}

/// The edit leads to that line, and to a restart where it says so.
fn makes(what: &str, with: &str, line: &str) {
    let diff = edit(what, with);
    assert_eq!(diff.to_string(), line);
    assert_eq!(diff.lines().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), line);
    assert_eq!(diff.restart().len(), usize::from(line.contains("needs a restart")), "{line}");
}

#[test]
fn every_change_of_a_port_has_its_line() {
    let a3 = "[[port]]\nname = \"a3\"\nkind = \"tap\"\nnetns = \"pod-a3\"\ninterface = \"eth0\"\nnetwork = \"blue\"\n[[network]]";
    let tunnel = "[[tunnel]]\nname = \"to-c\"\nuplink = \"up0\"\nremote = \"192.0.2.3\"\n[[tunnel]]";
    for (what, with, line) in [
        ("[[network]]", a3, "+ port a3 (tap eth0 in pod-a3, network blue)"),
        ("[[tunnel]]", tunnel, "+ tunnel to-c (192.0.2.1 to 192.0.2.3 on port 4789, uplink up0)"),
        ("kind = \"tap\"", "mtu = 1400\nkind = \"tap\"", "~ port a1: mtu 1450 -> 1400"),
        ("10.0.0.1/24", "10.0.0.2/24", "~ port a1: addresses +10.0.0.2/24 -10.0.0.1/24"),
        ("network = \"blue\"", "network = \"green\"", "~ port a1: mtu 1450 -> 1500, network blue -> green"),
        ("netns = \"pod-a1\"\n", "", "~ port a1: tap eth0 in pod-a1 -> tap eth0 (the device is opened anew)"),
        (
            "mac = \"02:00:00:00:0a:01\"",
            "anti_spoof = false",
            "~ port a1: mac 02:00:00:00:0a:01 -> the device's own, anti_spoof true -> false (the device is opened anew)",
        ),
        (
            "role = \"uplink\"",
            "role = \"uplink\"\ngateway = \"192.0.2.254\"",
            "~ port up0: gateway none -> 192.0.2.254",
        ),
        (
            "role = \"uplink\"",
            "mtu = 1600\nrole = \"uplink\"",
            "~ port up0: mtu 1500 -> 1600 (the device is opened anew)\n~ port a1: mtu 1450 -> 1550",
        ),
        ("role = \"uplink\"", "role = \"uplink\"\nworkers = [0]", "~ port up0: workers any -> 0"),
        ("role = \"uplink\"", "role = \"uplink\"\nvlan = 100", "~ port up0: vlan none -> 100"),
        (
            "role = \"uplink\"",
            "role = \"uplink\"\ntrunk = [{ vlan = 30, network = \"green\" }]",
            "~ port up0: trunk +30:green (the device is opened anew)",
        ),
        (
            "network = \"blue\"",
            "network = \"blue\"\nstorm_max = 9\ntrunk = [{ vlan = 20, network = \"green\" }]",
            "~ port a1: trunk +20:green, storm_max none -> 9",
        ),
    ] {
        makes(what, with, line);
    }
}

#[test]
fn every_other_change_has_its_line() {
    for (what, with, line) in [
        ("vni = 2", "vni = 3", "~ network green: vni 2 -> 3"),
        ("vni = 1\n", "vni = 1\nmtu = 1400\n", "~ port a1: mtu 1450 -> 1400\n~ network blue: mtu computed -> 1400"),
        ("vni = 2", "vni = 2\ntunnels = [\"to-b\"]", "~ network green: tunnels +to-b"),
        (
            "tunnels = [\"to-b\"]",
            "tunnels = [\"to-b\"]\nstatic = [{ mac = \"02:00:00:00:00:09\", tunnel = \"to-b\" }]",
            "~ network blue: static +02:00:00:00:00:09 at tunnel to-b",
        ),
        (
            "remote = \"192.0.2.2\"",
            "remote = \"192.0.2.3\"\nport = 8472",
            "~ tunnel to-b: remote 192.0.2.2 -> 192.0.2.3, port 4789 -> 8472",
        ),
        (
            "name = \"n\"",
            "name = \"n\"\nadmins = [1000]",
            "~ [switch] admins: [root, the daemon's own user] -> [uid 1000]",
        ),
        (
            "name = \"n\"",
            "name = \"n\"\nreader_groups = [\"users\", 7]",
            "~ [switch] reader_groups: [] -> [users, gid 7]",
        ),
        ("name = \"n\"", "name = \"n\"\nrequests_per_s = 5", "~ [switch] requests_per_s: 1000 -> 5"),
        (
            "name = \"n\"",
            "name = \"m\"\nsocket = \"/run/millrace/n.sock\"",
            "~ [switch] name: n -> m (needs a restart)\n~ [switch] vhost_dir: /run/millrace/n.vhost -> /run/millrace/m.vhost",
        ),
        (
            "[switch]",
            "[workers]\ncores = [0, 1]\n[switch]",
            "~ [workers] cores: the last CPU -> [0, 1] (needs a restart)",
        ),
        ("[switch]", "[memory]\nframes = 20000\n[switch]", "~ [memory] frames: 16384 -> 20000 (needs a restart)"),
        ("[switch]", "[memory]\nframes = 8192\n[switch]", "~ [memory] frames: 16384 -> 8192 (with the next start)"),
        ("[switch]", "[tables]\nflow_idle_s = 9\n[switch]", "~ [tables] flow_idle_s: 30 -> 9 (needs a restart)"),
    ] {
        makes(what, with, line);
    }
}

#[test]
fn what_goes_is_named_first() {
    let fewer = BASE.replace("name = \"to-b\"", "name = \"to-x\"").replace("[\"to-b\"]", "[\"to-x\"]");
    let text = diff(&config(BASE), &config(&fewer)).to_string();
    let expected = "~ network blue: tunnels +to-x -to-b\n- tunnel to-b\n+ tunnel to-x (192.0.2.1 to 192.0.2.2 on port 4789, uplink up0)";
    assert_eq!(text, expected);
}

#[test]
fn only_what_the_device_is_asks_for_opening_it_anew() {
    let base = config(BASE);
    let port = base.port("a1").unwrap();
    let same = |change: fn(&mut Port)| {
        let mut new = port.clone();
        change(&mut new);
        !must_reopen(port, &new)
    };
    assert!(same(|port| port.mtu = 1400));
    let access = SocketAccess { folder: None, owner: None, group: None, permissions: 0o600 };
    let guest = Kind::VhostUser { socket: "/s".into(), mode: SocketMode::Client, access };
    let guest = Port { kind: guest, ..port.clone() };
    assert!(!must_reopen(&guest, &Port { mtu: 1400, ..guest.clone() }), "a guest hears of it when it connects again");
    assert!(same(|port| port.addresses.clear()));
    assert!(same(|port| port.workers = Some(vec![])));
    assert!(!same(|port| port.mac = None));
    assert!(!same(|port| port.queues = 2));
    let uplink = base.port("up0").unwrap();
    assert!(must_reopen(uplink, &Port { mtu: 1600, ..uplink.clone() }));
    assert!(!must_reopen(uplink, &Port { addresses: Vec::new(), ..uplink.clone() }));
    assert!(!must_reopen(uplink, &Port { mac: Some(wire::Mac::BROADCAST), ..uplink.clone() }));
    assert!(!same(|port| port.kind = Kind::Eth { device: "net_null0".into() }));
    assert!(!same(|port| port.role = crate::config::Role::Uplink { gateway: None, gateway6: None, vlan: None }));
}

#[test]
fn the_order_of_sections_and_lists_does_not_count() {
    let (head, networks) = BASE.split_at(BASE.find("[[network]]").unwrap());
    let (networks, tunnel) = networks.split_at(networks.find("[[tunnel]]").unwrap());
    let swapped = format!("[switch]\nname = \"n\"\n{tunnel}{networks}{}", head.replace("[switch]\nname = \"n\"\n", ""));
    assert!(diff(&config(BASE), &config(&swapped)).is_empty());
    assert_eq!(diff(&config(BASE), &config(&swapped)).to_string(), "no changes");
}

/// A configuration with some of many ports, tunnels and networks.
fn some(ports: &[u8], tunnels: &[u8], mtu: u16) -> String {
    let mut text = format!(
        "[switch]\nname = \"n\"\n[[port]]\nname = \"up\"\nkind = \"eth\"\ndevice = \"net_null0\"\nrole = \"uplink\"\nmtu = {mtu}\naddresses = [\"192.0.2.1/24\"]\n"
    );
    for port in ports {
        text += &format!("[[port]]\nname = \"p{port}\"\nkind = \"tap\"\nnetwork = \"blue\"\n");
    }
    for tunnel in tunnels {
        let remote = u16::from(*tunnel) + 2;
        text += &format!("[[tunnel]]\nname = \"t{tunnel}\"\nuplink = \"up\"\nremote = \"192.0.2.{remote}\"\n");
    }
    let names: Vec<String> = tunnels.iter().map(|tunnel| format!("\"t{tunnel}\"")).collect();
    text + &format!("[[network]]\nname = \"blue\"\nvni = 7\ntunnels = [{}]\n", names.join(", "))
}

fn subset() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::btree_set(0..20u8, 0..8).prop_map(|set| set.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_configuration_differs_from_itself_in_nothing(ports in subset(), tunnels in subset(), mtu in 1000..2000u16) {
        let config = config(&some(&ports, &tunnels, mtu));
        prop_assert!(diff(&config, &config).is_empty());
    }

    #[test]
    fn there_and_back_touch_the_same_objects(a in subset(), b in subset(), s in subset(), t in subset()) {
        let (one, other) = (config(&some(&a, &s, 1500)), config(&some(&b, &t, 1500)));
        let objects = |diff: &Diff| {
            let mut names: Vec<String> = diff.changes().iter().map(|change| format!("{:?}", change.object)).collect();
            names.sort();
            names
        };
        let (there, back) = (diff(&one, &other), diff(&other, &one));
        prop_assert_eq!(objects(&there), objects(&back));
        prop_assert_eq!(there.is_empty(), a == b && s == t);
    }
}
