//! Brings configurations into force and keeps the switch informed, sans-IO.
//!
//! [`Control`] owns the running configuration, the snapshot compiled from it, the open devices, the node's host stack and
//! the mail to the workers. It waits for nothing (but `show_ledger`, for a few milliseconds at most, while frames are
//! handed between workers): [`Control::tick`] is called whenever a worker has said something, and otherwise as often as
//! [`Control::patience`] says, takes what has come, and does what can be done now. The daemon and the simulator drive the
//! same code; what differs is the [`PortFactory`] and who turns the workers.

mod apply;
mod desk;
mod factory;
mod gone;
mod host_loss;
mod load;
mod open_port;
mod own_mac;
mod paths;
mod request;
mod revision;
mod show;
mod stop;
mod transaction;
mod underlay;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use datapath::{Books, Order, PortId, Report, WorkerId};
use frame::Pool;

pub use desk::WorkerLink;
pub use factory::{Opened, PortFactory};
pub use request::Answer;
pub use transaction::Ticket;

use crate::{
    compile::{Compiled, Facts, compile, own_addresses},
    config::{Config, Name, Path, Port, Role, Sourced, Tunnel},
    host::{Attachment, NextHop, Sent},
};
use desk::Desk;
use gone::Gone;
use open_port::OpenPort;
use paths::Active;
use revision::Revisions;
use stop::Stopping;
use transaction::{Plan, Transaction};
use underlay::Underlay;
use watch::Watch;

/// How long control may go without a look at what nobody tells of: devices that go or come back, links, clocks. A link that is
/// down for less may go unnoticed, where there is no other to use meanwhile.
const PATIENCE: Duration = Duration::from_millis(50);
/// The same while something is under way.
const PATIENCE_BUSY: Duration = Duration::from_millis(1);

/// Snapshots that may be on their way to a worker.
const SNAPSHOTS_OPEN_MAX: u64 = 4;

/// What the daemon knows about itself, for `version`.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The product's version.
    pub version: String,
    /// The commit it was built from.
    pub git: Option<String>,
    /// The DPDK in use.
    pub dpdk: Option<String>,
    /// The level of the x86-64 psABI it was built for.
    pub cpu_level: Option<String>,
    /// The process.
    pub pid: u32,
}

/// The control thread's whole state. Times are since an origin of the caller's choice, the same from which the workers'
/// ticks are counted.
pub struct Control<F: PortFactory> {
    identity: Identity,
    factory: F,
    books: Books,
    desks: Vec<Desk<F::Queue>>,
    underlay: Underlay,
    watch: Watch,
    gone: Gone,
    config: Config,
    revisions: Revisions,
    /// What the newest snapshot was compiled from, beside the configuration.
    facts: Facts,
    compiled: Compiled,
    active: Active,
    ports: BTreeMap<Name, OpenPort<F::Queue>>,
    transaction: Option<Transaction>,
    /// How the last transaction ended.
    outcome: Option<(Ticket, Result<api::Applied, api::RpcError>)>,
    tickets: u64,
    macs_looked_at: Option<Duration>,
    stopping: Option<Stopping>,
    started: Duration,
    now: Duration,
}

impl<F: PortFactory> Control<F> {
    /// Opens all ports of `source` and starts to bring it into force; [`Control::is_settled`] tells when it is.
    ///
    /// # Errors
    /// A port that cannot be opened, by name; what was opened before it is closed again.
    pub fn start(
        identity: Identity,
        source: Sourced,
        factory: F,
        workers: Vec<WorkerLink<F::Queue>>,
        books: Books,
        pool: Box<dyn Pool>,
        now: Duration,
    ) -> Result<Self, String> {
        let nothing = Config { ports: Vec::new(), networks: Vec::new(), tunnels: Vec::new(), ..source.config.clone() };
        let mut control = Control {
            identity,
            factory,
            books,
            desks: workers.into_iter().map(Desk::new).collect(),
            underlay: Underlay::new(pool),
            watch: Watch::default(),
            gone: Gone::default(),
            facts: Facts::default(),
            active: Active::new(),
            compiled: compile(&nothing, &Facts::default(), None),
            config: nothing,
            revisions: Revisions::new(),
            ports: BTreeMap::new(),
            transaction: None,
            outcome: None,
            tickets: 0,
            macs_looked_at: None,
            stopping: None,
            started: now,
            now,
        };
        control.apply(source, None).map_err(|error| error.message)?;
        Ok(control)
    }

    /// The configuration in force (or on its way into force, once nothing can stop it).
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The generation of the newest snapshot.
    pub fn generation(&self) -> u64 {
        self.compiled.snapshot.generation
    }

    /// The factory, for whoever made it.
    pub fn factory(&mut self) -> &mut F {
        &mut self.factory
    }

    /// Whether no transaction is under way and every worker works by the newest snapshot.
    pub fn is_settled(&self) -> bool {
        self.transaction.is_none() && self.is_installed(self.generation())
    }

    /// How long to wait for the next [`Control::tick`] at the longest, while nobody has anything to say to control.
    pub fn patience(&self) -> Duration {
        let is_calm = self.is_settled()
            && self.desks.iter().all(Desk::is_up_to_date)
            && self.ports.values().all(OpenPort::is_settled);
        if !is_calm {
            return PATIENCE_BUSY;
        }
        let has_choice = self.config.tunnels.iter().any(|tunnel| tunnel.paths.len() > 1);
        self.watch.rest_of(if has_choice { watch::PERIOD } else { PATIENCE }, self.now)
    }

    /// Turns that each worker has begun: a number that stands still is a worker that hangs.
    pub fn turns_begun(&self) -> impl Iterator<Item = u64> {
        self.desks.iter().map(|desk| self.books.turns_begun(desk.link.view.worker()))
    }

    /// Frames that all workers have received: a number that stands still is a switch without traffic.
    pub fn frames_received(&self) -> u64 {
        self.desks.iter().map(|desk| self.books.frames_received(desk.link.view.worker())).sum()
    }

    /// Takes what has come since the last call, and does what can be done now. Never waits.
    pub fn tick(&mut self, now: Duration) {
        self.now = now;
        self.take_reports();
        self.underlay.hear(&mut self.desks, now);
        self.look_at_links();
        if self.stopping.is_none() {
            let cut_off = self.cut_off();
            let uplinks =
                self.ports.values().filter(|open| open.port.is_uplink() && !cut_off.contains(&open.port.name));
            let ready = uplinks.filter_map(|open| open.id).collect();
            self.underlay.speak(&mut self.desks, &ready, now);
        }
        self.advance_transaction();
        self.advance_stop();
        self.refresh();
        self.follow_macs();
        self.look_after_gone();
        self.look_at_loads();
        self.desks.iter_mut().for_each(Desk::pump);
    }

    /// Whether a worker has said something, or a frame for the node itself waits: a reason to call [`Control::tick`] at
    /// once.
    pub fn has_work(&self) -> bool {
        self.desks.iter().any(|desk| desk.link.wires.mail.has_mail() || !desk.link.wires.punts.is_empty())
    }

    fn take_reports(&mut self) {
        for index in 0..self.desks.len() {
            while let Some(report) = self.desks[index].report() {
                if let Report::Detached { port, queue } = report {
                    self.take_back(WorkerId(index as u8), port, queue);
                }
            }
        }
    }

    fn take_back(&mut self, worker: WorkerId, port: PortId, mut queue: F::Queue) {
        for open in self.ports.values_mut().filter(|open| open.id == Some(port)) {
            match open.take_back(worker, queue) {
                Ok(()) => return,
                Err(back) => queue = back,
            }
        }
        log::error!("worker {} gave back a queue of port {} that nobody had given to it", worker.0, port.0);
    }

    fn is_installed(&self, generation: u64) -> bool {
        self.desks.iter().all(|desk| desk.installed >= generation)
    }

    /// Compiles the running configuration with what is known now, and gives it to the workers.
    fn install(&mut self) {
        self.facts = self.facts();
        self.compiled = compile(&self.config, &self.facts, Some(&self.compiled));
        let snapshot = Arc::new(self.compiled.snapshot.clone());
        for desk in &mut self.desks {
            desk.order(Order::Install(Arc::clone(&snapshot)));
        }
        self.name_ports();
        let (uplinks, wanted, sent) = (self.uplinks(), self.wanted(), self.sent());
        self.underlay.configure(uplinks, &wanted, sent, self.now);
        self.announce_moved();
    }

    /// The underlay has changed: a next hop was found, moved or fell silent, a link came or went, packets may be longer or
    /// have to be shorter. The workers need other paths, whatever transaction is under way; only behind a worker that lags far, snapshots do not pile up.
    fn refresh(&mut self) {
        let lags = |desk: &Desk<F::Queue>| self.generation() - desk.installed >= SNAPSHOTS_OPEN_MAX;
        if self.stopping.is_some() || self.desks.iter().any(lags) {
            return;
        }
        let has_news = self.underlay.neighbours.take_changed() | self.underlay.path_mtus.take_changed();
        if has_news | (self.cut_off() != self.facts.cut_off) {
            self.install();
        }
    }

    fn look_at_links(&mut self) {
        if !self.watch.is_due(self.now) {
            return;
        }
        let uplinks = self.ports.keys().filter(|name| self.config.port(name.as_str()).is_some_and(Port::is_uplink));
        let links = uplinks.map(|name| (name.clone(), self.factory.link(name.as_str())));
        for name in self.watch.look(links, self.now) {
            // Behind a link that was away may be somebody else: nobody is sent anything before he has answered.
            if let Some(id) = self.compiled.port_id(name.as_str()) {
                self.underlay.neighbours.forget(id, self.now);
            }
        }
    }

    fn look_at_loads(&mut self) {
        for desk in self.desks.iter_mut().filter(|desk| desk.load.is_due(self.now)) {
            desk.load.note(self.now, self.factory.cpu_time(desk.link.view.worker()));
        }
    }

    /// The uplinks that can send nothing now.
    fn cut_off(&self) -> BTreeSet<Name> {
        let uplinks = self.config.ports.iter().filter(|port| port.is_uplink());
        let is_served = |port: &Port| self.ports.get(&port.name).is_some_and(OpenPort::is_served);
        uplinks
            .filter(|port| self.watch.is_down(&port.name) || !is_served(port))
            .map(|port| port.name.clone())
            .collect()
    }

    /// Gives open ports the ids that the newest snapshot calls them by.
    fn name_ports(&mut self) {
        for (name, open) in &mut self.ports {
            let id = self.compiled.port_id(name.as_str());
            if let (None, Some(id)) = (open.id, id) {
                open.id = Some(id);
                open.base = show::port_total(&self.books, id);
            }
        }
    }

    /// What only run time knows of the configuration.
    fn facts(&self) -> Facts {
        let mut facts = Facts { cut_off: self.cut_off(), ..Facts::default() };
        for (name, open) in &self.ports {
            if let Some(mac) = open.mac {
                facts.macs.insert(name.clone(), mac);
            }
        }
        let lowered = self.underlay.path_mtus.lowered();
        facts.path_mtus = lowered.iter().map(|(&between, lowered)| (between, lowered.mtu)).collect();
        facts.macs.extend(self.gone.macs().map(|(name, mac)| (name.clone(), mac)));
        for (next_hop, mac) in self.underlay.neighbours.resolved() {
            // By the name's id: a device opened anew has none yet, and what is known behind it still holds.
            let is_there = |name: &&Name| self.compiled.port_id(name.as_str()) == Some(next_hop.uplink);
            if let Some(uplink) = self.ports.keys().find(is_there) {
                facts.next_hops.insert((uplink.clone(), next_hop.address), mac);
            }
        }
        facts
    }

    /// The node's uplinks, and the worker that sends for each.
    fn uplinks(&self) -> BTreeMap<PortId, (Attachment, WorkerId)> {
        let attachment = |port: &Port| {
            let Role::Uplink { gateway, gateway6, .. } = port.role else { return None };
            let open = self.ports.get(&port.name)?;
            let (id, mac) = open.id.zip(open.mac)?;
            let home = *self.compiled.snapshot.port(id)?.workers.first()?;
            let addresses = own_addresses(port, mac);
            Some((id, (Attachment { mac, mtu: port.mtu, addresses, gateway, gateway6 }, home)))
        };
        self.config.ports.iter().filter_map(attachment).collect()
    }

    /// The next hops that tunnels need and the configuration does not know.
    fn wanted(&self) -> BTreeSet<NextHop> {
        let asks = self.config.tunnels.iter().filter(|tunnel| tunnel.next_hop_mac.is_none());
        asks.flat_map(|tunnel| tunnel.paths.iter().filter_map(|path| self.next_hop(tunnel, path))).collect()
    }

    /// The packets of tunnels that no router may fragment.
    fn sent(&self) -> BTreeSet<Sent> {
        let whole = self.config.tunnels.iter().filter(|tunnel| tunnel.df || tunnel.remote.is_ipv6());
        let sent =
            |tunnel: &Tunnel, path: &Path| Sent { between: (path.local, tunnel.remote), udp_port: tunnel.udp_port };
        whole.flat_map(|tunnel| tunnel.paths.iter().map(|path| sent(tunnel, path))).collect()
    }
}

#[cfg(test)]
mod tests;
