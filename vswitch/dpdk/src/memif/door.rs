//! One socket of the operator's: who may come by it, and who is there.

use std::{
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    sync::{Arc, Mutex, mpsc::Sender},
    time::{Duration, Instant},
};

use super::{
    closing::Closing,
    end::End,
    gate::Gate,
    link::{Around, Link, SOON, State},
    patience::Patience,
    place::{Memif, Place, Role},
    socket::{Channel, Listener},
};
use crate::{Errno, eal::lock};

/// Connections at one door, those that are being closed included.
const LINKS_MAX: usize = 16;
/// When the driver is started again that could not be.
const START_AGAIN: Duration = Duration::from_secs(1);

/// What is known of a port's other end, for whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// How many were refused.
    pub(crate) refused: u64,
    /// Why the last one was.
    pub(crate) last: Option<String>,
}

/// A port that is served.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its number among all.
    pub(crate) number: u64,
    /// What log lines call it.
    pub(crate) name: String,
    pub(crate) id: u32,
    /// DPDK's number of it.
    pub(crate) port: u16,
    pub(crate) queues: u16,
    pub(crate) gate: Arc<Gate>,
    pub(crate) standing: Arc<Mutex<Standing>>,
    /// It is about to go; who waits for that.
    pub(crate) leaving: Option<Sender<()>>,
    /// A client's driver has to be started, not before then.
    pub(crate) start: Option<Instant>,
}

/// A socket, its ports and their connections.
#[derive(Debug)]
pub(crate) struct Door {
    role: Role,
    /// The operator's socket.
    place: Place,
    /// The driver's.
    private: Place,
    listener: Listener,
    /// Devices that have been sent here.
    pub(crate) users: usize,
    pub(crate) members: Vec<Member>,
    links: Vec<Link>,
    closings: Vec<Closing>,
    patience: Patience,
}

impl Door {
    /// Listens: for a server at the operator's socket, for a client where the driver will call.
    pub(crate) fn open(memif: &Memif, private: &Path) -> Result<Door, String> {
        let private = Place { name: private.display().to_string(), is_abstract: false };
        let place = memif.place.clone();
        let listener = Listener::open(if memif.role == Role::Server { &place } else { &private })?;
        let (members, links, closings) = Default::default();
        let role = memif.role;
        Ok(Door { role, place, private, listener, users: 0, members, links, closings, patience: Default::default() })
    }

    /// Whether a memif comes by this door. A server's is shared by all that name its socket.
    pub(crate) fn is_for(&self, memif: &Memif) -> bool {
        memif.role == Role::Server && self.role == Role::Server && self.place == memif.place
    }

    /// Does what can be done without waiting.
    pub(crate) fn turn(&mut self, now: Instant) {
        self.closings.retain_mut(|closing| !closing.is_through());
        self.let_in(now);
        for at in 0..self.links.len() {
            let around = self.around(at);
            let link = &mut self.links[at];
            match link.state {
                State::Leaving => self.part_if_clear(at),
                State::Parting => link.await_parting(),
                _ => {
                    let was = link.state;
                    match link.turn(now, &around) {
                        Ok(()) => self.join_if_connected(at, was),
                        Err(end) => self.end(at, &end, now),
                    }
                }
            }
        }
        self.forget_links(now);
        self.start_drivers(now);
        self.let_go();
    }

    fn is_full(&self) -> bool {
        let most = if self.role == Role::Client { 1 } else { LINKS_MAX };
        self.links.len() >= most || self.closings.len() >= LINKS_MAX
    }

    /// Whether somebody would be let in now.
    fn is_open(&mut self, now: Instant) -> bool {
        let is_served = self.members.iter().any(|member| member.leaving.is_none());
        is_served && !self.is_full() && (self.role == Role::Client || self.patience.until(now).is_none())
    }

    fn let_in(&mut self, now: Instant) {
        while self.is_open(now) {
            let Some(channel) = Channel::accept(&self.listener.socket) else { return };
            // Who was refused is called no sooner than patience allows.
            let call = self.patience.until(now).unwrap_or(now);
            self.links.push(match (self.role, self.members.first()) {
                (Role::Client, Some(own)) => Link::with_inner(channel, (own.id, own.queues), call),
                _ => Link::with_outer(channel, now),
            });
        }
    }

    fn around(&self, at: usize) -> Around {
        let served = self.members.iter().filter(|member| member.leaving.is_none());
        let ending =
            |link: &Link| matches!(link.state, State::Leaving | State::Parting).then_some(link.talk.id).flatten();
        let others = self.links.iter().enumerate().filter(|(other, _)| *other != at);
        Around {
            whom: if self.role == Role::Server { self.private.clone() } else { self.place.clone() },
            queues: served.map(|member| (member.id, member.queues)).collect(),
            ending: others.filter_map(|(_, link)| ending(link)).collect(),
        }
    }

    fn member_of(&self, link: &Link) -> Option<&Member> {
        self.members.iter().find(|member| link.talk.id == Some(member.id))
    }

    /// Opens the gate where a connection has just come so far.
    fn join_if_connected(&mut self, at: usize, was: State) {
        let Some(member) = self.member_of(&self.links[at]) else { return };
        let is_joined = matches!(self.links[at].state, State::Joining(_)) && is_linked(member.port);
        if is_joined || (self.links[at].state == State::Open && was != State::Open) {
            log::info!("port {}: connected with its memif peer", member.name);
            member.gate.open();
            self.links[at].state = State::Open;
            self.patience.regain();
        }
    }

    /// The other end of a connection has come to its end, or is brought to it.
    fn end(&mut self, at: usize, end: &End, now: Instant) {
        let was_open = self.links[at].state == State::Open;
        self.tell(at, end, was_open);
        // A server that lets us in and goes at once is called less and less often, too.
        if end.is_refusal() || (self.role == Role::Client && !was_open) {
            self.patience.lose(now);
        }
        if let Some((channel, letters)) = self.links[at].dismiss(end) {
            self.closings.push(Closing::new(channel, letters));
        }
        // Only by a connection that was open did anybody get into the driver.
        if !was_open {
            return self.links[at].part();
        }
        if let Some(member) = self.member_of(&self.links[at]) {
            member.gate.shut();
        }
        self.links[at].state = State::Leaving;
        self.part_if_clear(at);
    }

    fn tell(&self, at: usize, end: &End, was_open: bool) {
        let member = self.member_of(&self.links[at]);
        let who =
            member.map_or_else(|| format!("memif socket {}", self.place), |member| format!("port {}", member.name));
        match end {
            _ if end.is_refusal() => log::warn!("{who}: a memif peer is refused: {end}"),
            _ if was_open => log::info!("{who}: the memif peer is gone: {end}"),
            End::Said(_) => log::warn!("{who}: a memif peer goes before it was connected: {end}"),
            _ => log::debug!("{who}: a memif peer goes before it was connected: {end}"),
        }
        if let Some(member) = member.filter(|_| end.is_refusal()) {
            let mut standing = lock(&member.standing);
            standing.refused += 1;
            standing.last = Some(end.to_string());
        }
    }

    /// Lets the driver hear of an end where nobody is in it any more.
    fn part_if_clear(&mut self, at: usize) {
        if self.member_of(&self.links[at]).is_none_or(|member| member.gate.is_clear()) {
            self.links[at].part();
        }
    }

    /// Forgets connections the driver has parted with. A client's driver has to be started to call again.
    fn forget_links(&mut self, now: Instant) {
        let before = self.links.len();
        self.links.retain(|link| link.state != State::Over);
        if self.links.len() < before && self.role == Role::Client {
            self.members.iter_mut().for_each(|member| member.start = Some(now));
        }
    }

    fn start_drivers(&mut self, now: Instant) {
        let due = |member: &&mut Member| member.leaving.is_none() && member.start.is_some_and(|when| when <= now);
        for member in self.members.iter_mut().filter(due) {
            member.start = match restart(member.port) {
                Ok(()) => None,
                Err(error) => {
                    log::warn!("port {}: its memif driver cannot be started again: {error}", member.name);
                    Some(now + START_AGAIN)
                }
            };
        }
    }

    /// A port is to go: its connections end, and the sender hears when the driver knows of none any more.
    pub(crate) fn leave(&mut self, number: u64, heard: Sender<()>, now: Instant) {
        let is_last = self.members.iter().filter(|member| member.leaving.is_none()).count() <= 1;
        let Some(member) = self.members.iter_mut().find(|member| member.number == number) else { return };
        member.leaving = Some(heard);
        let id = Some(member.id);
        for at in 0..self.links.len() {
            let link = &self.links[at];
            let is_concerned = link.talk.id == id || (is_last && link.talk.id.is_none());
            if is_concerned && !matches!(link.state, State::Leaving | State::Parting | State::Over) {
                self.end(at, &End::Closed, now);
            }
        }
    }

    fn let_go(&mut self) {
        let links = &self.links;
        let is_last = self.members.len() == 1;
        self.members.retain(|member| {
            let Some(heard) = &member.leaving else { return true };
            let concerns = |link: &Link| link.talk.id == Some(member.id) || (is_last && link.talk.id.is_none());
            let is_there = links.iter().any(concerns);
            if !is_there {
                let _ = heard.send(()); // whoever asked may have lost patience
            }
            is_there
        });
    }

    /// What something is waited for on.
    pub(crate) fn watched(&mut self, now: Instant) -> impl Iterator<Item = BorrowedFd<'_>> {
        let is_open = self.is_open(now);
        let listener = is_open.then(|| self.listener.socket.as_fd());
        listener.into_iter().chain(self.links.iter().flat_map(Link::watched).map(AsFd::as_fd))
    }

    /// When it wants to be looked after although nothing was heard.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Instant> {
        let closing = (!self.closings.is_empty()).then_some(now + 10 * SOON);
        let start = self.members.iter().filter_map(|member| member.start);
        let links = self.links.iter().filter_map(|link| link.due(now));
        let patience = if self.role == Role::Server { self.patience.until(now) } else { None };
        links.chain(start).chain(closing).chain(patience).min()
    }
}

/// Whether the driver says that it is connected.
fn is_linked(port: u16) -> bool {
    let mut speed = 0;
    // SAFETY: the port is open as long as it is served; fills the integer it is given.
    unsafe { dpdk_sys::millrace_link(port, &mut speed) == 1 }
}

/// Makes the driver connect.
fn restart(port: u16) -> Result<(), Errno> {
    // SAFETY: the port is open as long as it is served; its gate is shut and clear, so nobody uses its queues.
    let result = unsafe {
        dpdk_sys::rte_eth_dev_stop(port);
        dpdk_sys::rte_eth_dev_start(port)
    };
    if result < 0 { Err(Errno::new(result)) } else { Ok(()) }
}
