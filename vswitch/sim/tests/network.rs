//! Hosts behind two switches ping and transfer over VXLAN, on a bad underlay, while the switches are reconfigured.
//!
//! `MILLRACE_SEED=n` runs one seed again, `MILLRACE_SEEDS=n` runs that many.

use std::{fmt::Write, net::Ipv4Addr, time::Duration};

use sim::{
    Dice, SeedNote,
    network::{Faults, Host, Network},
    seeds,
};
use wire::Mac;

/// Hosts' MTU: what the smallest tunnel leaves, and then some.
const MTU: usize = 1300;
/// The port transfers go to.
const PORT: u16 = 5001;
/// Time in which everything must have come through.
const PATIENCE: Duration = Duration::from_secs(240);

/// What the configuration of both nodes is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setup {
    workers: usize,
    vni: u32,
    /// UDP port of the tunnel.
    udp_port: u16,
    /// Whether outer UDP checksums are sent.
    checksum: bool,
    /// The MTU of a third access port, where there is one.
    third: Option<u16>,
    /// Whether there is a second network, with a tunnel of its own.
    green: bool,
    /// MTU of the first access port.
    mtu: u16,
    /// Whether the first host's MAC is a static entry on both nodes.
    statics: bool,
}

const SETUP: Setup = Setup {
    workers: 1,
    vni: 4096,
    udp_port: 8472,
    checksum: false,
    third: None,
    green: false,
    mtu: 1450,
    statics: false,
};

fn mac(node: usize, host: usize) -> Mac {
    Mac::new([2, 0, 0, 0, 0x0a + node as u8, 1 + host as u8])
}

fn address(node: usize, host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 244, 1 + node as u8, 1 + host as u8)
}

impl Setup {
    /// The configuration file of a node.
    fn text(&self, node: usize) -> String {
        let Setup { workers, vni, udp_port, checksum, mtu, .. } = *self;
        let (own, other, name) = (node + 1, 2 - node, ['a', 'b'][node]);
        let last = workers - 1;
        let mut text = format!(
            "[switch]\nname = \"node-{name}\"\n[workers]\ncount = {workers}\n[memory]\nhugepages = \"never\"\n\
             [tables]\nflows_max = 1024\nmacs_max = 1024\n\
             [[port]]\nname = \"up0\"\nkind = \"eth\"\ndevice = \"net_null0\"\nrole = \"uplink\"\nmtu = 1500\n\
             addresses = [\"192.0.2.{own}/24\"]\nworkers = [0]\n"
        );
        let mtus = [mtu, 1450];
        for (host, mtu) in mtus.into_iter().enumerate() {
            let (mac, address, worker) = (mac(node, host), address(node, host), if host == 0 { last } else { 0 });
            let _ = write!(
                text,
                "[[port]]\nname = \"p{host}\"\nkind = \"tap\"\nnetns = \"pod{host}\"\nnetwork = \"blue\"\nmtu = {mtu}\n\
                 mac = \"{mac}\"\naddresses = [\"{address}/16\"]\nworkers = [{worker}]\n"
            );
        }
        if let Some(mtu) = self.third {
            let network = if self.green { "green" } else { "blue" };
            let _ = write!(
                text,
                "[[port]]\nname = \"p2\"\nkind = \"tap\"\nnetns = \"pod2\"\nnetwork = \"{network}\"\nmtu = {mtu}\n\
                 workers = [{last}]\n"
            );
        }
        let _ = write!(text, "[[network]]\nname = \"blue\"\nvni = {vni}\ntunnels = [\"t\"]\n");
        if self.statics {
            let (local, remote) = (mac(node, 0), mac(1 - node, 0));
            let _ = writeln!(
                text,
                "static = [{{ mac = \"{local}\", port = \"p0\" }}, {{ mac = \"{remote}\", tunnel = \"t\" }}]"
            );
        }
        if self.green {
            text.push_str("[[network]]\nname = \"green\"\nvni = 1\ntunnels = [\"t\"]\n");
        }
        let _ = write!(
            text,
            "[[tunnel]]\nname = \"t\"\nuplink = \"up0\"\nremote = \"192.0.2.{other}\"\nport = {udp_port}\n\
             checksum = {checksum}\n"
        );
        text
    }

    /// Another setup that differs in one thing.
    fn changed(mut self, dice: &mut Dice) -> Setup {
        match dice.below(7) {
            0 => self.udp_port = if self.udp_port == 4789 { 8472 } else { 4789 },
            1 => self.checksum = !self.checksum,
            2 => self.third = if self.third.is_some() { None } else { Some(1400) },
            3 => self.green = !self.green,
            4 => self.mtu = if self.mtu == 1450 { 1400 } else { 1450 },
            5 => self.vni = if self.vni == 4096 { 0 } else { 4096 },
            _ => self.statics = !self.statics,
        }
        self
    }
}

/// Two nodes by that setup with two hosts each.
fn network(setup: Setup, faults: Faults, dice: &mut Dice) -> Network {
    let texts = [setup.text(0), setup.text(1)];
    let mut network = Network::new([&texts[0], &texts[1]], faults, dice);
    for (node, host) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        network.plug(node, &format!("p{host}"), Host::new(mac(node, host), address(node, host), MTU));
    }
    network
}

fn noise(dice: &mut Dice, octets: usize) -> Vec<u8> {
    (0..octets).map(|_| dice.any() as u8).collect()
}

/// Lets every host ping every other until each has been answered.
fn all_ping_all(network: &mut Network) {
    let pairs: Vec<(usize, usize)> = (0..4).flat_map(|a| (0..4).map(move |b| (a, b))).filter(|(a, b)| a != b).collect();
    let mut number = 0;
    let done = network.run_until(PATIENCE, |network| {
        let now = network.now().as_millis();
        let waiting: Vec<_> = pairs
            .iter()
            .filter(|&&(a, b)| {
                let target = network.address(b);
                !(1..=number).any(|number| network.host(a).has_echo(target, number))
            })
            .copied()
            .collect();
        if now % 500 == 0 {
            number += 1;
            for &(a, b) in &waiting {
                let target = network.address(b);
                network.host(a).ping(target, number);
            }
        }
        waiting.is_empty() && number > 0
    });
    assert!(done, "somebody never got an echo: {:?}", network.nodes.each_ref().map(|node| node.total()));
}

/// Starts a transfer across the nodes in both directions and one within a node; what is to arrive where.
fn start_transfers(network: &mut Network, octets: usize, dice: &mut Dice) -> [(usize, Vec<u8>); 3] {
    [(0, 2), (3, 1), (2, 3)].map(|(from, to)| {
        let bytes = noise(dice, octets);
        let target = network.address(to);
        network.host(to).listen(PORT, octets);
        network.host(from).transfer(target, PORT, &bytes);
        (to, bytes)
    })
}

fn is_through(network: &mut Network, transfers: &[(usize, Vec<u8>)]) -> bool {
    transfers.iter().all(|(to, _)| network.host(*to).whole(PORT).is_some())
}

fn assert_whole(network: &mut Network, transfers: &[(usize, Vec<u8>)]) {
    let states: Vec<_> = (0..network.hosts()).map(|host| network.host(host).states()).collect();
    for (to, bytes) in transfers {
        let got = network.host(*to).progress(PORT);
        let whole = network.host(*to).whole(PORT);
        assert!(whole.is_some(), "host {to} has {got} of {} octets: {states:#?}", bytes.len());
        assert!(whole == Some(&bytes[..]), "host {to} got other octets than were sent");
    }
}

const BAD: Faults = Faults { loss: 3, duplicate: 2, reorder: 5, delay_ms: 1, detour_ms: 7 };

#[test]
fn hosts_ping_and_transfer_over_a_good_underlay_with_one_worker_and_with_two() {
    for workers in [1, 2] {
        let mut dice = Dice::new(workers as u64);
        let mut network = network(Setup { workers, ..SETUP }, Faults::default(), &mut dice);
        all_ping_all(&mut network);
        let transfers = start_transfers(&mut network, 256 * 1024, &mut dice);
        network.run_until(PATIENCE, |network| is_through(network, &transfers));
        assert_whole(&mut network, &transfers);
        let handed = network.nodes.each_ref().map(|node| node.total().handed > 100);
        assert_eq!(handed, [workers == 2; 2], "frames are handed over where there are two workers");
        network.close();
    }
}

#[test]
fn hosts_ping_and_transfer_over_a_bad_underlay_while_the_switches_change() {
    for seed in seeds(8) {
        let _note = SeedNote::new(seed, "network");
        let mut dice = Dice::new(seed);
        let mut setup = Setup { workers: dice.between(1, 2), checksum: dice.chance(50), ..SETUP };
        let mut network = network(setup, BAD, &mut dice);
        all_ping_all(&mut network);
        let transfers = start_transfers(&mut network, 768 * 1024, &mut dice);
        let (mut change_at, mut behind, mut changes) = (network.now(), [false; 2], 0);
        let through = network.run_until(PATIENCE, |network| {
            if network.now() >= change_at && behind == [false; 2] {
                setup = setup.changed(&mut dice);
                behind = [true; 2];
                changes += 1;
                change_at = network.now() + Duration::from_millis(dice.between(20, 600) as u64);
            }
            for (node, behind) in behind.iter_mut().enumerate().filter(|(_, behind)| **behind) {
                *behind = !network.nodes[node].apply(&setup.text(node));
            }
            is_through(network, &transfers)
        });
        if !through {
            all_ping_all(&mut network); // is it the network, or a host that does not send any more?
        }
        assert_whole(&mut network, &transfers);
        assert!(changes >= 1, "no change fell into the transfers");
        let settled = network.run_until(PATIENCE, |network| {
            behind.iter_mut().enumerate().for_each(|(node, behind)| {
                *behind = *behind && !network.nodes[node].apply(&setup.text(node));
            });
            behind == [false; 2] && network.nodes.iter().all(|node| node.is_settled())
        });
        assert!(settled, "the last change never comes into force");
        network.set_faults(Faults::default());
        network.close();
    }
}

/// What `apply` promises: ports unchanged by the diff keep forwarding without losing a packet.
#[test]
fn a_change_elsewhere_loses_not_one_echo() {
    for workers in [1, 2] {
        let mut dice = Dice::new(11);
        let steady = Setup { workers, ..SETUP };
        let mut network = network(steady, Faults::default(), &mut dice);
        all_ping_all(&mut network);
        let dropped = network.nodes.each_ref().map(|node| node.total().dropped_total());
        let elsewhere = [
            Setup { third: Some(1400), ..steady },
            Setup { third: Some(1450), ..steady },
            Setup { third: Some(1450), green: true, ..steady },
            Setup { green: true, ..steady },
            Setup { statics: true, ..steady },
            steady,
        ];
        let target = [2, 3, 0, 1].map(|host| network.address(host));
        let mut asked = Vec::new();
        for number in 0..600u16 {
            if number % 50 == 25 {
                let setup = elsewhere[usize::from(number / 50) % elsewhere.len()];
                (0..2).for_each(|node| assert!(network.nodes[node].apply(&setup.text(node))));
            }
            (0..4).for_each(|host| network.host(host).ping(target[host], 1000 + number));
            asked.push(1000 + number);
            network.run(Duration::from_millis(3));
        }
        network.run(Duration::from_millis(100));
        for (host, &target) in target.iter().enumerate() {
            let lost: Vec<_> = asked.iter().filter(|&&n| !network.host(host).has_echo(target, n)).collect();
            assert!(lost.is_empty(), "host {host} lost {lost:?} with {workers} workers");
        }
        let now_dropped = network.nodes.each_ref().map(|node| node.total().dropped_total());
        assert_eq!(now_dropped, dropped, "and no frame was dropped anywhere");
        network.close();
    }
}
