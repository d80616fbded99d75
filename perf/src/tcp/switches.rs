//! What carries packets between the containers: millraced, the kernel's bridge, Open vSwitch with userspace TSO, and a relay
//! that is no switch at all.

use std::{fs, path::Path};

use crate::{
    millraced::{self, MillracedError},
    ovs,
    process::Namespace,
};

use super::{
    containers::{ADDRESSES, Containers, Figures, INTERFACE, MACS, Questions},
    cpus::{Awake, Cpus},
    relay::Relay,
};

/// A switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    Millraced,
    /// Of two nodes, joined by shared memory instead of the kernel.
    Memif,
    Bridge,
    /// The kernel's, whose underlay takes whole packets only, as many tunnels' does.
    BridgePlain,
    Ovs,
    /// What only passes packets on.
    Relay,
}

/// Where the containers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nodes {
    One,
    Two,
}

impl Nodes {
    pub(super) fn name(self) -> &'static str {
        match self {
            Nodes::One => "one node",
            Nodes::Two => "two nodes",
        }
    }
}

impl Switch {
    pub(super) const ALL: [Switch; 6] =
        [Switch::Millraced, Switch::Memif, Switch::Relay, Switch::Bridge, Switch::BridgePlain, Switch::Ovs];

    pub(super) fn name(self) -> &'static str {
        match self {
            Switch::Millraced => "millraced",
            Switch::Memif => "millraced by memif",
            Switch::Bridge => "bridge",
            Switch::BridgePlain => "bridge without offloads",
            Switch::Ovs => "ovs",
            Switch::Relay => "relay",
        }
    }

    pub(super) fn can(self, nodes: Nodes) -> bool {
        match self {
            Switch::Millraced | Switch::Bridge => true,
            Switch::BridgePlain | Switch::Memif => nodes == Nodes::Two,
            Switch::Ovs | Switch::Relay => nodes == Nodes::One,
        }
    }
}

/// Where switches are measured.
pub(super) struct Stage<'a> {
    pub(super) millraced: &'a Path,
    /// The CPU of the switch, and that of the containers.
    pub(super) cpu: u32,
    pub(super) containers_cpu: u32,
    /// Where sockets, configurations and logs go.
    pub(super) folder: &'a Path,
    /// What CPUs may do meanwhile.
    pub(super) cpus: Cpus,
    /// What is asked of each.
    pub(super) questions: Questions<'a>,
}

impl Stage<'_> {
    /// Starts a switch between two containers, and asks all there is to ask.
    pub(super) fn measure(&self, switch: Switch, nodes: Nodes) -> Result<Figures, String> {
        let containers = Containers::create(self.containers_cpu)?;
        let _awake = self.awake(switch)?;
        match (switch, nodes) {
            (Switch::Millraced, Nodes::One) => self.one_millraced(&containers).map_err(|error| error.to_string())?,
            (Switch::Millraced, Nodes::Two) => {
                let wire = node("wire")?;
                let uplink = |n: usize| {
                    let (netns, mac) = (wire.name(), format!("02:00:00:00:00:f{n}"));
                    format!("kind = \"tap\"\nnetns = \"{netns}\"\ninterface = \"up{n}\"\nmac = \"{mac}\"\n")
                };
                self.two_millraced(&containers, uplink, || cable(&wire, ["up0", "up1"]))?
            }
            (Switch::Memif, _) => {
                let socket = self.folder.join("memif.sock");
                let uplink = |n: usize| {
                    let (role, socket) = (["server", "client"][n], socket.display());
                    format!(
                        "kind = \"eth\"\ndevice = \"net_memif0,role={role},socket={socket},socket-abstract=no,bsize=2048,\
                         rsize=11\"\n"
                    )
                };
                self.two_millraced(&containers, uplink, || Ok(()))?
            }
            (Switch::Ovs, _) => self.ovs(&containers),
            (Switch::Relay, _) => self.relay(&containers),
            (_, Nodes::One) => self.one_bridge(&containers),
            (switch, Nodes::Two) => self.two_bridges(&containers, switch == Switch::BridgePlain),
        }
    }

    /// Keeps CPUs awake for whoever does not do so by himself.
    fn awake(&self, switch: Switch) -> Result<Option<Awake>, String> {
        let by_us = self.cpus == Cpus::Awake && !matches!(switch, Switch::Millraced | Switch::Memif);
        by_us.then(Awake::hold).transpose()
    }

    fn one_millraced(&self, containers: &Containers) -> Result<Result<Figures, String>, MillracedError> {
        let text = self.head(self.folder, 0, "busy") + &tap(containers, 0) + &tap(containers, 1) + &network("");
        let mut switch = millraced::Running::start(self.millraced, self.folder, &text)?;
        switch.ready()?;
        let figures = containers.measure(&self.questions);
        switch.stop()?;
        Ok(figures)
    }

    /// Both on one CPU, each with an uplink that is told by `uplink`; when both are there, `plug` joins them.
    fn two_millraced(
        &self,
        containers: &Containers,
        uplink: impl Fn(usize) -> String,
        plug: impl Fn() -> Result<(), String>,
    ) -> Result<Result<Figures, String>, String> {
        let said = |error: MillracedError| error.to_string();
        let mut running = Vec::new();
        for n in [0, 1] {
            let folder = self.folder.join(format!("node{n}"));
            let _ = fs::create_dir(&folder);
            let address = format!("role = \"uplink\"\naddresses = [\"192.0.2.{}/24\"]\n", n + 1);
            let uplink = format!("\n[[port]]\nname = \"up0\"\n{address}{}", uplink(n));
            let tunnel = format!("\n[[tunnel]]\nname = \"peer\"\nuplink = \"up0\"\nremote = \"192.0.2.{}\"\n", 2 - n);
            let text =
                self.head(&folder, n, "adaptive") + &uplink + &tap(containers, n) + &network("\"peer\"") + &tunnel;
            let mut switch = millraced::Running::start(self.millraced, &folder, &text).map_err(said)?;
            switch.ready().map_err(said)?;
            running.push(switch);
        }
        plug()?;
        let figures = containers.measure(&self.questions);
        running.into_iter().try_for_each(millraced::Running::stop).map_err(said)?;
        Ok(figures)
    }

    /// The beginning of a configuration.
    fn head(&self, folder: &Path, node: usize, idle: &str) -> String {
        let (socket, cpu) = (folder.join(millraced::SOCKET), self.cpu);
        let latency = if self.cpus == Cpus::Awake { "cpu_latency_us = 0\n" } else { "" };
        format!(
            "[switch]\nname = \"perf-{}-{node}\"\nsocket = \"{}\"\n\n[workers]\ncores = [{cpu}]\nidle = \"{idle}\"\n{latency}",
            std::process::id(),
            socket.display()
        )
    }

    fn one_bridge(&self, containers: &Containers) -> Result<Figures, String> {
        let node = node("n0")?;
        bridge(&node)?;
        for end in [0, 1] {
            veth(&node, containers, end, 1500)?;
        }
        containers.address()?;
        containers.measure(&self.questions)
    }

    /// Joined by a veth pair, which carries what a NIC with all offloads would, or, plain, what one without any does.
    fn two_bridges(&self, containers: &Containers, plain: bool) -> Result<Figures, String> {
        let nodes = [node("n0")?, node("n1")?];
        ip(&nodes[0], "link add ul0 type veth peer name ul1")?;
        ip(&nodes[0], &format!("link set ul1 netns {}", nodes[1].name()))?;
        for (n, node) in nodes.iter().enumerate() {
            if plain {
                let mut ethtool = node.command("ethtool");
                ethtool.args(["-K", &format!("ul{n}"), "tx", "off", "tso", "off", "gso", "off", "gro", "off"]);
                crate::process::output(&mut ethtool, "Debian: `apt install ethtool`").map_err(|e| e.to_string())?;
            }
            ip(node, &format!("addr add 192.0.2.{}/24 dev ul{n}", n + 1))?;
            ip(node, &format!("link set ul{n} up"))?;
            let remote = 2 - n;
            ip(node, &format!("link add vx mtu 1450 type vxlan id 7 remote 192.0.2.{remote} dstport 4789 dev ul{n}"))?;
            ip(node, "link set vx up")?;
            bridge(node)?;
            ip(node, "link set vx master br0")?;
            veth(node, containers, n, 1450)?;
        }
        containers.address()?;
        containers.measure(&self.questions)
    }

    fn relay(&self, containers: &Containers) -> Result<Figures, String> {
        let _relay = Relay::start(containers, self.cpu)?;
        containers.measure(&self.questions)
    }

    fn ovs(&self, containers: &Containers) -> Result<Figures, String> {
        let said = |error: ovs::OvsError| error.to_string();
        let switch = ovs::Running::start_with_tso(self.folder, self.cpu).map_err(said)?;
        switch.vsctl("add-br br0 -- set bridge br0 datapath_type=netdev").map_err(said)?;
        for (end, name) in ["pa", "pb"].into_iter().enumerate() {
            let port = format!("add-port br0 {name} -- set interface {name} type=internal mtu_request=1500");
            switch.vsctl(&port).map_err(said)?;
            let to = containers.ends[end].name();
            switch.ip(&format!("link set {name} netns {to} name {INTERFACE}")).map_err(said)?;
        }
        containers.address()?;
        containers.measure(&self.questions)
    }
}

fn node(name: &str) -> Result<Namespace, String> {
    Namespace::create(name).map_err(|error| error.to_string())
}

fn ip(node: &Namespace, words: &str) -> Result<(), String> {
    node.ip(words).map(drop).map_err(|error| error.to_string())
}

fn bridge(node: &Namespace) -> Result<(), String> {
    ip(node, "link add br0 type bridge mcast_snooping 0")?;
    ip(node, "link set br0 up")
}

/// Has whatever comes out of one interface go into the other, as a cable does, or a veth pair: all super-frames as they are.
fn cable(wire: &Namespace, ends: [&str; 2]) -> Result<(), String> {
    for (from, to) in [(ends[0], ends[1]), (ends[1], ends[0])] {
        for words in [
            format!("qdisc add dev {from} clsact"),
            format!(
                "filter add dev {from} ingress protocol all u32 match u32 0 0 action mirred egress redirect dev {to}"
            ),
        ] {
            let mut tc = wire.command("tc");
            tc.args(words.split(' '));
            crate::process::output(&mut tc, crate::process::IPROUTE).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// A veth pair from a node's bridge into a container.
fn veth(node: &Namespace, containers: &Containers, end: usize, mtu: u16) -> Result<(), String> {
    let to = containers.ends[end].name();
    ip(node, &format!("link add p{end} mtu {mtu} type veth peer name {INTERFACE} mtu {mtu} netns {to}"))?;
    ip(node, &format!("link set p{end} master br0 up"))
}

/// A port of ours in a container.
fn tap(containers: &Containers, end: usize) -> String {
    let (netns, mac, address) = (containers.ends[end].name(), MACS[end], ADDRESSES[end]);
    format!(
        "\n[[port]]\nname = \"c{end}\"\nkind = \"tap\"\nnetns = \"{netns}\"\ninterface = \"{INTERFACE}\"\nmac = \"{mac}\"\n\
         addresses = [\"{address}/24\"]\nnetwork = \"net\"\n"
    )
}

fn network(tunnels: &str) -> String {
    format!("\n[[network]]\nname = \"net\"\nvni = 7\ntunnels = [{tunnels}]\n")
}
