//! The peer: Open vSwitch with DPDK, from Debian's package, run beside us in a namespace and a folder of its own.
//!
//! Each cell gets its best setting: the exact-match cache where flows are few, none of its insertions where they are many, and
//! then the cache of signatures where an access list makes it look at ports.
//! Destinations are in its table of MACs beforehand, as they are in ours.

mod cache;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

pub(crate) use cache::Cache;

use crate::{
    acl, interrupt,
    load::{LOCAL_VTEP, LOCAL_VTEP_MAC, Load, NETWORK, REMOTE_VTEP, REMOTE_VTEP_MAC, mac},
    poll_core::PollThread,
    process::{self, Namespace, ProcessError, Started},
    sample::Sample,
    work::Work,
};

/// The vswitchd that is linked with DPDK, where Debian puts it.
pub(crate) const VSWITCHD: &str = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk";
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
const PACKAGE: &str = "Debian: `apt install openvswitch-switch-dpdk`";

/// The longest start, and stop; the former with as many seconds more as there are this many packets to be read.
const START_MAX: Duration = Duration::from_secs(60);
const PACKETS_A_SECOND: u32 = 5000;
const STOP_MAX: Duration = Duration::from_secs(10);

/// While flows are learned, how long is looked at once; and learned they are where it decides about one packet in so many.
const SETTLING: Duration = Duration::from_millis(500);
const DECIDED_ONE_IN: u64 = 10_000;

/// It keeps what it has decided: while it learns, packets are slow, and it would forget flows before they come again.
const KEPT: [&str; 2] = ["other_config:max-idle=600000", "other_config:flow-limit=1000000"];

/// The name of the thread that forwards: "pmd-c01/id:8".
const WORKER: &str = "pmd-c";

/// A pool of OVS's holds at most 262,144 buffers, so larger captures are replayed by several ports.
const PACKETS_A_PORT: u32 = 250_000;

/// Ports of one MTU share a pool, so each of those has another one, by as many octets: what a pool's buffers are rounded up to.
const MTU: usize = 1500;
const MTU_STEP: usize = 1024;

/// Ports of its bridges.
const OUT: &str = "out";
const TUNNEL: &str = "tunnel";

/// Why OVS gave no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OvsError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("cannot write {}: {cause}", path.display())]
    Write { path: PathBuf, cause: std::io::Error },
    #[error("ovs-vswitchd did not begin to forward: {0}")]
    NotForwarding(String),
    #[error("{received} frames came in and {sent} went out")]
    Lost { received: u64, sent: u64 },
}

/// One run of OVS.
#[derive(Clone, Debug)]
pub(crate) struct Ovs<'a> {
    pub(crate) work: Work,
    /// Behind an access list ([`acl`]).
    pub(crate) by_rules: bool,
    pub(crate) load: &'a Load,
    /// The captures, at most [`PACKETS_A_PORT`] packets each.
    pub(crate) captures: &'a [PathBuf],
    /// The CPU that forwards.
    pub(crate) cpu: u32,
    /// Where its database, sockets and log go.
    pub(crate) folder: &'a Path,
}

/// How many captures a load is to be cut into for OVS.
pub(crate) fn captures_of(load: &Load) -> u32 {
    load.packet_count().div_ceil(PACKETS_A_PORT)
}

/// Whether it is there at all.
pub(crate) fn is_installed() -> bool {
    Path::new(VSWITCHD).exists() && Path::new(SCHEMA).exists()
}

impl Ovs<'_> {
    /// Forwards for `warm_up`, then measures for `window`, and makes sure that what came in went out.
    pub(crate) fn measure(&self, warm_up: Duration, window: Duration) -> Result<Sample, OvsError> {
        let mut running = Running::start(self.folder, self.cpu, Cache::best_for(self.load.flows, self.by_rules))?;
        running.patience += Duration::from_secs((self.load.packet_count() / PACKETS_A_SECOND).into());
        running.set_up(self)?;
        let thread = running
            .forwarding(self.cpu, |it| it.counts(self.captures.len()).is_ok_and(|(received, _)| received > 0))?;
        running.settle(self.captures.len())?;
        thread::sleep(warm_up);
        let (before, start) = (running.counts(self.captures.len())?, thread.mark());
        thread::sleep(window);
        let (after, end) = (running.counts(self.captures.len())?, thread.mark());
        let (Some(start), Some(end)) = (start, end) else { return Err(running.stuck()) };
        let (received, sent) = (after.0 - before.0, after.1 - before.1);
        // Both counters are read while it runs: what is in between may be on its way.
        let on_its_way = 4096;
        if received == 0 || received.abs_diff(sent) > on_its_way + received / 100 {
            return Err(OvsError::Lost { received, sent });
        }
        Ok(end.since(&start, sent))
    }
}

/// Its two daemons, ended before the namespace they are in goes.
pub(crate) struct Running {
    switch: Started,
    _database: Started,
    namespace: Namespace,
    folder: PathBuf,
    /// The longest that a port may take to come up, and to forward.
    patience: Duration,
}

impl Running {
    /// Both daemons, whose files go to `folder`: to forward on `cpu`, by this cache.
    pub(crate) fn start(folder: &Path, cpu: u32, cache: Cache) -> Result<Running, OvsError> {
        let main_mask = if cpu == 0 { 2 } else { 1 };
        Running::start_with(folder, cpu, main_mask, cache.settings())
    }

    /// The same to forward between interfaces of the kernel, which its main thread does: with super-frames, on `cpu`.
    pub(crate) fn start_with_tso(folder: &Path, cpu: u32) -> Result<Running, OvsError> {
        Running::start_with(folder, cpu, 1 << cpu, "other_config:userspace-tso-enable=true")
    }

    /// `ip` with these words, in its namespace.
    pub(crate) fn ip(&self, words: &str) -> Result<String, OvsError> {
        Ok(self.namespace.ip(words)?)
    }

    fn start_with(folder: &Path, cpu: u32, main_mask: u64, settings: &str) -> Result<Running, OvsError> {
        let folder = folder.join("ovs");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).map_err(|cause| OvsError::Write { path: folder.clone(), cause })?;
        let namespace = Namespace::create("ovs")?;
        let at = |name: &str| folder.join(name);
        process::output(Command::new("ovsdb-tool").arg("create").arg(at("conf.db")).arg(SCHEMA), PACKAGE)?;
        let mut database = Command::new("ovsdb-server");
        database.arg(at("conf.db")).arg(format!("--remote=punix:{}", at("db.sock").display()));
        let _database = spawn(&mut database, &folder, "ovsdb")?;
        wait(|| at("db.sock").exists());
        let mut running = command(&folder, "ovs-vsctl");
        running.arg(format!("--db=unix:{}", at("db.sock").display())).args(["--no-wait", "init", "--"]);
        running.args(["set", "Open_vSwitch", ".", "other_config:dpdk-init=true"]);
        running.arg(format!("other_config:pmd-cpu-mask={:#x}", 1_u64 << cpu));
        running.arg(format!("other_config:dpdk-lcore-mask={main_mask:#x}"));
        running.arg("other_config:dpdk-extra=--no-pci --in-memory --single-file-segments --no-telemetry");
        running.args(KEPT.into_iter().chain(settings.split_whitespace()));
        process::output(&mut running, PACKAGE)?;
        let mut switch = namespace.command(VSWITCHD);
        switch.arg(format!("unix:{}", at("db.sock").display()));
        let switch = spawn(&mut switch, &folder, "vswitchd")?;
        let running = Running { switch, _database, namespace, folder, patience: START_MAX };
        if wait(|| running.control("version", &[]).is_ok()) { Ok(running) } else { Err(running.stuck()) }
    }

    /// Bridges, ports and tables; the ports that replay come last, when everything else stands.
    fn set_up(&mut self, run: &Ovs<'_>) -> Result<(), OvsError> {
        let bridge = "set bridge br0 datapath_type=netdev";
        self.vsctl(&format!(
            "add-br br0 -- {bridge} -- add-br phys -- set bridge phys datapath_type=netdev \
             other-config:hwaddr={LOCAL_VTEP_MAC}"
        ))?;
        let (inside, outside) = match run.work {
            Work::L2 => ("br0", "br0"),
            Work::VxlanEncap => ("br0", "phys"),
            Work::VxlanDecap => ("phys", "br0"),
        };
        self.vsctl(&format!(
            "add-port {outside} {OUT} -- set interface {OUT} type=dpdk \
             options:dpdk-devargs=eth_null0,no-rx=1"
        ))?;
        if run.work != Work::L2 {
            self.set_up_tunnel(run.work)?;
        }
        let egress = if run.work == Work::VxlanEncap { TUNNEL } else { OUT };
        for pair in 0..run.load.mac_pairs {
            self.control("fdb/add", &["br0", egress, "0", &mac(2, pair).to_string()])?;
        }
        if run.by_rules {
            self.list()?;
        }
        for (n, capture) in run.captures.iter().enumerate() {
            let mtu = MTU + n * MTU_STEP;
            self.vsctl(&format!(
                "add-port {inside} in{n} -- set interface in{n} type=dpdk mtu_request={mtu} \
                 options:dpdk-devargs=eth_pcap{n},rx_pcap={},infinite_rx=1",
                capture.display()
            ))?;
        }
        Ok(())
    }

    /// Puts the access list before what the inner bridge does.
    fn list(&self) -> Result<(), OvsError> {
        let path = self.folder.join("rules");
        std::fs::write(&path, acl::rules()).map_err(|cause| OvsError::Write { path: path.clone(), cause })?;
        let mut ofctl = command(&self.folder, "ovs-ofctl");
        // It replaces what is there: that everything is switched.
        ofctl.arg("replace-flows").arg(self.folder.join("br0.mgmt")).arg(path);
        process::output(&mut ofctl, PACKAGE)?;
        Ok(())
    }

    fn set_up_tunnel(&self, work: Work) -> Result<(), OvsError> {
        self.namespace.ip(&format!("addr add {LOCAL_VTEP}/24 dev phys"))?;
        self.namespace.ip("link set phys up")?;
        let port = wire::vxlan::PORT;
        self.vsctl(&format!(
            "add-port br0 {TUNNEL} -- set interface {TUNNEL} type=vxlan options:key={NETWORK} \
             options:remote_ip={REMOTE_VTEP} options:dst_port={port}"
        ))?;
        self.control("tnl/neigh/set", &["phys", &REMOTE_VTEP.to_string(), &REMOTE_VTEP_MAC.to_string()])?;
        if work == Work::VxlanEncap {
            self.control("fdb/add", &["phys", OUT, "0", &REMOTE_VTEP_MAC.to_string()])?;
        }
        Ok(())
    }

    /// Waits for the thread that forwards.
    pub(crate) fn forwarding(&mut self, cpu: u32, does: impl Fn(&Running) -> bool) -> Result<PollThread, OvsError> {
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline && self.switch.is_running() {
            // `ip netns exec` has become the switch: it keeps its number.
            if let Some(thread) = PollThread::find(self.switch.child.id(), WORKER, cpu)
                && does(self)
            {
                return Ok(thread);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(self.stuck())
    }

    /// Waits until it has decided about nearly all flows, each by a call of its slow path. Where it never has, because they
    /// are more than it remembers, what that costs is a part of its figure.
    fn settle(&self, ports: usize) -> Result<(), OvsError> {
        let read = || -> Result<_, OvsError> { Ok((self.counts(ports)?.0, self.missed()?)) };
        let (deadline, mut before) = (Instant::now() + self.patience, read()?);
        while Instant::now() < deadline {
            thread::sleep(SETTLING);
            let now = read()?;
            if now.0 > before.0 && (now.1 - before.1) * DECIDED_ONE_IN <= now.0 - before.0 {
                return Ok(());
            }
            before = now;
        }
        eprint!("still deciding about flows after {} s ... ", self.patience.as_secs());
        Ok(())
    }

    /// Packets of which it remembered nothing.
    fn missed(&self) -> Result<u64, OvsError> {
        let text = self.control("dpctl/show", &["netdev@ovs-netdev"])?;
        missed(&text).ok_or(OvsError::NotForwarding(text))
    }

    /// Frames received by all ports that replay, and sent to the sink.
    fn counts(&self, ports: usize) -> Result<(u64, u64), OvsError> {
        let text = self.control("dpctl/show", &["-s", "netdev@ovs-netdev"])?;
        counts(&text, ports).ok_or(OvsError::NotForwarding(text))
    }

    pub(crate) fn vsctl(&self, words: &str) -> Result<String, OvsError> {
        let mut vsctl = command(&self.folder, "ovs-vsctl");
        vsctl
            .arg(format!("--db=unix:{}", self.folder.join("db.sock").display()))
            .arg(format!("--timeout={}", self.patience.as_secs()));
        Ok(process::output(vsctl.args(words.split_whitespace()), PACKAGE)?)
    }

    pub(crate) fn control(&self, verb: &str, words: &[&str]) -> Result<String, ProcessError> {
        let mut appctl = command(&self.folder, "ovs-appctl");
        appctl.arg("-t").arg(self.folder.join("vswitchd.ctl")).arg(verb).args(words);
        process::output(&mut appctl, PACKAGE)
    }

    pub(crate) fn stuck(&self) -> OvsError {
        let log = std::fs::read_to_string(self.folder.join("vswitchd.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().filter(|line| line.contains("|ERR|") || line.contains("|WARN|")).collect();
        OvsError::NotForwarding(lines[lines.len().saturating_sub(3)..].join(" | "))
    }
}

/// One of OVS's programs, which are to look for each other and their files in `folder` alone.
fn command(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    surround(&mut command, folder);
    command
}

fn surround(command: &mut Command, folder: &Path) {
    for name in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"] {
        command.env(name, folder);
    }
}

/// Starts a daemon whose control socket and log are called after it.
fn spawn(command: &mut Command, folder: &Path, name: &str) -> Result<Started, OvsError> {
    surround(command, folder);
    command.arg(format!("--unixctl={}", folder.join(format!("{name}.ctl")).display()));
    let path = folder.join(format!("{name}.log"));
    let log = File::create(&path).and_then(|log| Ok((log.try_clone()?, log)));
    let (out, err) = log.map_err(|cause| OvsError::Write { path, cause })?;
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    let child = interrupt::spawn(command).map_err(|cause| process::start_error(command, cause, PACKAGE))?;
    Ok(Started::new(child, STOP_MAX))
}

/// Waits for something to become true.
fn wait(mut until: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + START_MAX;
    while Instant::now() < deadline {
        if until() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Out of `dpctl/show -s`: what ports in0, in1, … received and the sink sent. `None` while one of them is missing.
fn counts(text: &str, ports: usize) -> Option<(u64, u64)> {
    let blocks: Vec<_> = text.split("\n  port ").skip(1).collect();
    let packets = |name: &str, way: &str| -> Option<u64> {
        let block = blocks.iter().find(|block| block.split_whitespace().nth(1) == Some(name))?;
        let number = block.split_once(way)?.1.split_once("packets:")?.1;
        number.split_whitespace().next()?.parse().ok()
    };
    let received = (0..ports).map(|n| packets(&format!("in{n}"), "RX ")).sum::<Option<u64>>()?;
    Some((received, packets(OUT, "TX ")?))
}

/// Out of `dpctl/show`: packets that were decided about anew.
fn missed(text: &str) -> Option<u64> {
    text.split_once(" missed:")?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As OVS 3.1 prints it.
    const SHOWN: &str = "netdev@ovs-netdev:
  lookups: hit:12371889 missed:68 lost:153
  flows: 68
  port 0: ovs-netdev (tap)
    RX packets:0 errors:0 dropped:0 overruns:0 frame:0
    TX packets:0 errors:0 dropped:0 aborted:0 carrier:0
  port 3: out (dpdk: configured_rx_queues=1, mtu=1500)
    RX packets:0 errors:0 dropped:0 overruns:? frame:?
    TX packets:6185959 errors:0 dropped:0 aborted:? carrier:?
  port 5: in0 (dpdk: configured_rx_queues=1, mtu=1500)
    RX packets:6186144 errors:0 dropped:0 overruns:? frame:?
    TX packets:1 errors:0 dropped:0 aborted:? carrier:?
  port 6: in1 (dpdk: configured_rx_queues=1, mtu=1500)
    RX packets:56 errors:0 dropped:0 overruns:? frame:?
    TX packets:1 errors:0 dropped:0 aborted:? carrier:?
";

    #[test]
    fn its_counters_are_found_by_the_names_of_ports() {
        assert_eq!(counts(SHOWN, 1), Some((6_186_144, 6_185_959)));
        assert_eq!(counts(SHOWN, 2), Some((6_186_200, 6_185_959)));
        assert_eq!(counts(SHOWN, 3), None);
        assert_eq!(counts("", 1), None);
        assert_eq!((missed(SHOWN), missed("")), (Some(68), None));
    }

    #[test]
    fn a_large_load_is_cut_for_its_pools() {
        let load = |flows| Load { shape: crate::load::Shape::Plain, flows, mac_pairs: 64, seed: 1 };
        assert_eq!([1, 250_000, 250_001, 1_000_000].map(|flows| captures_of(&load(flows))), [1, 1, 2, 4]);
    }
}
