//! Who carries frames between the containers: our whole pipeline, testpmd's bare patch, Open vSwitch.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use api::{Reply, Request};

use super::{
    containers::{self, Containers, MACS},
    rig::Ring,
};
use crate::{millraced, ovs, sample::Sample, testpmd};

/// A switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    Millraced,
    Testpmd,
    Ovs,
}

impl Switch {
    pub(super) const ALL: [Switch; 3] = [Switch::Millraced, Switch::Testpmd, Switch::Ovs];

    pub(super) fn name(self) -> &'static str {
        match self {
            Switch::Millraced => "millraced",
            Switch::Testpmd => "testpmd",
            Switch::Ovs => "ovs",
        }
    }
}

/// Where switches are measured.
pub(super) struct Stage<'a> {
    pub(super) testpmd: &'a Path,
    pub(super) millraced: &'a Path,
    /// The CPU of the switch, and that of the containers.
    pub(super) cpu: u32,
    pub(super) containers_cpu: u32,
    /// Where sockets, configurations and logs go.
    pub(super) folder: &'a Path,
    pub(super) warm_up: Duration,
    pub(super) window: Duration,
}

impl Stage<'_> {
    /// Starts a switch and the containers, and counts what goes through.
    pub(super) fn measure(&self, switch: Switch, ring: Ring) -> Result<Sample, String> {
        let sockets = ["a", "b"].map(|name| self.folder.join(format!("{name}.sock")));
        sockets.iter().for_each(|socket| drop(std::fs::remove_file(socket)));
        match switch {
            Switch::Millraced => self.millraced(&sockets, ring),
            Switch::Testpmd => self.testpmd(&sockets, ring).map_err(|error| error.to_string()),
            Switch::Ovs => self.ovs(&sockets, ring).map_err(|error| error.to_string()),
        }
    }

    fn containers(&self, sockets: &[PathBuf; 2], ring: Ring) -> Result<Containers, String> {
        let containers = Containers::start(self.testpmd, sockets, ring, self.containers_cpu);
        containers.map_err(|error| format!("the containers: {error}"))
    }

    fn millraced(&self, sockets: &[PathBuf; 2], ring: Ring) -> Result<Sample, String> {
        let said = |error: millraced::MillracedError| error.to_string();
        let text = config(&self.folder.join(millraced::SOCKET), sockets, self.cpu);
        let mut switch = millraced::Running::start(self.millraced, self.folder, &text).map_err(said)?;
        let mut control = switch.ready().map_err(said)?;
        let worker = switch.worker(self.cpu).map_err(said)?;
        let mut containers = self.containers(sockets, ring)?;
        let sample = containers.measure(&worker, self.warm_up, self.window)?;
        let balanced = control.ask(&Request::ShowLedger, balanced).map_err(|error| error.to_string())?;
        drop((containers, control));
        switch.stop().map_err(said)?;
        if balanced { Ok(sample) } else { Err("the ledger does not balance".to_owned()) }
    }

    fn testpmd(&self, sockets: &[PathBuf; 2], ring: Ring) -> Result<Sample, String> {
        let said = |error: testpmd::TestpmdError| error.to_string();
        let prefix = testpmd::Running::prefix();
        let mut command = Command::new(self.testpmd);
        command.args(containers::eal(self.containers_cpu, self.cpu, &prefix));
        for (n, socket) in sockets.iter().enumerate() {
            command.arg(format!("--vdev=net_vhost{n},iface={},client=1", socket.display()));
        }
        command.args(["--", "-i", "--no-mlockall", "--forward-mode=io", "--total-num-mbufs=16384"]);
        let switch = testpmd::Running::spawn(command, prefix).and_then(|it| it.begin("start", self.cpu));
        let (_switch, worker) = switch.map_err(said)?;
        self.containers(sockets, ring)?.measure(&worker, self.warm_up, self.window)
    }

    fn ovs(&self, sockets: &[PathBuf; 2], ring: Ring) -> Result<Sample, String> {
        let said = |error: ovs::OvsError| error.to_string();
        let mut switch = ovs::Running::start(self.folder, self.cpu, ovs::Cache::Exact).map_err(said)?;
        switch.vsctl("add-br br0 -- set bridge br0 datapath_type=netdev").map_err(said)?;
        for (name, socket) in ["a", "b"].iter().zip(sockets) {
            let socket = socket.display();
            let port = format!("add-port br0 {name} -- set interface {name} type=dpdkvhostuserclient");
            switch.vsctl(&format!("{port} options:vhost-server-path={socket}")).map_err(said)?;
        }
        for (name, mac) in ["a", "b"].iter().zip(MACS) {
            switch.control("fdb/add", &["br0", name, "0", mac]).map_err(|error| error.to_string())?;
        }
        let worker = switch.forwarding(self.cpu, |_| true).map_err(said)?;
        self.containers(sockets, ring)?.measure(&worker, self.warm_up, self.window)
    }
}

fn balanced(reply: Reply) -> Option<bool> {
    if let Reply::Ledger(ledger) = reply { Some(ledger.balanced) } else { None }
}

/// Our switch: one worker that never rests, and two containers that may send from their own MACs only.
fn config(socket: &Path, sockets: &[PathBuf; 2], cpu: u32) -> String {
    let mut text = format!(
        "[switch]\nname = \"perf-{}\"\nsocket = \"{}\"\n\n\
         [workers]\ncores = [{cpu}]\nidle = \"busy\"\n\n\
         [memory]\nhugepages = \"always\"\nframes = 16383\n\n\
         [[network]]\nname = \"net\"\nvni = 1\n",
        std::process::id(),
        socket.display()
    );
    for ((name, socket), mac) in ["a", "b"].iter().zip(sockets).zip(MACS) {
        let socket = socket.display();
        text += &format!("\n[[port]]\nname = \"{name}\"\nkind = \"vhost-user\"\nsocket = \"{socket}\"\n");
        text += &format!("mac = \"{mac}\"\nnetwork = \"net\"\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use control::config::Role;

    use super::*;

    #[test]
    fn the_switch_takes_the_configuration_and_checks_what_containers_send() {
        let text = config(Path::new("/tmp/switch.sock"), &["/tmp/a".into(), "/tmp/b".into()], 1);
        let config = control::config::load(&text, "perf").unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        assert!(
            config.ports.len() == 2
                && config.ports.iter().all(|port| matches!(port.role, Role::Access { anti_spoof: true, .. })),
            "{:?}",
            config.ports
        );
    }
}
