//! The thread that stands between all memifs and their other ends, and how it is spoken to.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::{read, write},
    process::geteuid,
};

use super::{
    door::{Door, Member, Standing},
    gate::Gate,
    place::Memif,
};
use crate::{Choice, eal::lock};

/// How long a port that closes waits for its driver to part with the other end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the thread is asked to do.
enum Order {
    /// Find or make the door for a memif, and say its number and the driver's socket.
    Admit(Memif, Sender<Result<(u64, PathBuf), String>>),
    /// Serve a port at a door.
    Join(u64, Box<Member>),
    /// Let a port go.
    Leave(u64, u64, Sender<()>),
    /// A device that was sent to a door is closed.
    Vacate(u64),
    /// Go home.
    End,
}

/// How the thread is spoken to.
#[derive(Clone, Debug)]
struct Desk {
    orders: Sender<Order>,
    bell: Arc<OwnedFd>,
}

impl Desk {
    fn order(&self, order: Order) {
        let _ = self.orders.send(order); // it has ended: whoever waits for an answer hears that
        let _ = write(&*self.bell, &1_u64.to_ne_bytes()); // full means rung
    }
}

/// The doorman of this process; goes home when it is dropped.
#[derive(Debug)]
pub(crate) struct Doorman {
    desk: Desk,
    thread: Option<JoinHandle<()>>,
}

impl Doorman {
    /// Starts the thread. Sockets of drivers will be in `folder`, which is there as long as there is one.
    pub(crate) fn start(folder: &Path) -> io::Result<Doorman> {
        let (orders, taken) = channel();
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let rounds = Rounds {
            orders: taken,
            bell: Arc::clone(&bell),
            folder: folder.to_owned(),
            doors: BTreeMap::new(),
            made: 0,
        };
        let thread = Builder::new().name("memif".to_owned()).spawn(move || rounds.run())?;
        Ok(Doorman { desk: Desk { orders, bell }, thread: Some(thread) })
    }

    /// Makes a way for a memif that is about to be opened. The error is a sentence.
    pub(crate) fn admit(&self, memif: &Memif) -> Result<Entry, String> {
        let (tell, heard) = channel();
        self.desk.order(Order::Admit(memif.clone(), tell));
        let (door, socket) = heard.recv().map_err(|_| "the thread that serves memifs has ended".to_owned())??;
        let (desk, standing) = (self.desk.clone(), Arc::default());
        Ok(Entry { desk, door, memif: memif.clone(), socket, standing, gate: None, member: 0 })
    }
}

impl Drop for Doorman {
    fn drop(&mut self) {
        self.desk.order(Order::End);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::warn!("the thread that serves memifs ended in a panic");
        }
    }
}

/// The way of one device by its door.
#[derive(Debug)]
pub(crate) struct Entry {
    desk: Desk,
    door: u64,
    memif: Memif,
    /// The driver's socket.
    socket: PathBuf,
    standing: Arc<Mutex<Standing>>,
    /// What its workers look at, once it is served.
    gate: Option<Arc<Gate>>,
    member: u64,
}

impl Entry {
    /// The socket to be named to the driver.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Begins to serve the device, which is started, under a name for the log. Returns what its ports have to look at.
    pub(crate) fn serve(&mut self, name: &str, port: u16, queues: u16) -> Arc<Gate> {
        let gate = Gate::new(queues);
        self.member = u64::from(port);
        self.gate = Some(Arc::clone(&gate));
        let member = Member {
            number: self.member,
            name: name.to_owned(),
            id: self.memif.id,
            port,
            queues,
            gate: Arc::clone(&gate),
            standing: Arc::clone(&self.standing),
            leaving: None,
            start: None,
        };
        self.desk.order(Order::Join(self.door, Box::new(member)));
        gate
    }

    /// Whether the other end is connected, and workers may send to it.
    pub(crate) fn is_open(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.is_open())
    }

    /// Ends the device's connection, and returns when its driver has heard of that: it may be stopped then.
    pub(crate) fn leave(&self) {
        if self.gate.is_none() {
            return;
        }
        let (tell, heard) = channel();
        self.desk.order(Order::Leave(self.door, self.member, tell));
        if heard.recv_timeout(PATIENCE).is_err() {
            log::warn!("memif socket {}: its driver does not part with the other end", self.memif.place);
        }
    }

    /// What there is to say of the other end.
    pub(crate) fn choice(&self) -> Choice {
        let standing = lock(&self.standing);
        let refused = match &standing.last {
            Some(last) => format!("{} refused, the last one because {last}", standing.refused),
            None => "none refused".to_owned(),
        };
        let state = if self.is_open() { "connected" } else { "waited for" };
        Choice::new("peer", state, format!("at {}; {refused}", self.memif.place))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.desk.order(Order::Vacate(self.door));
    }
}

/// What the thread has.
struct Rounds {
    orders: Receiver<Order>,
    bell: Arc<OwnedFd>,
    folder: PathBuf,
    doors: BTreeMap<u64, Door>,
    /// Doors ever made.
    made: u64,
}

impl Rounds {
    fn run(mut self) {
        while self.take_orders() {
            let now = Instant::now();
            self.doors.values_mut().for_each(|door| door.turn(now));
            self.wait(Instant::now());
        }
    }

    /// Sleeps until something is heard or due.
    fn wait(&mut self, now: Instant) {
        let due = self.doors.values_mut().filter_map(|door| door.due(now)).min();
        let timeout = due.and_then(|due| Timespec::try_from(due.saturating_duration_since(now)).ok());
        let bell = self.bell.as_fd();
        let doors = self.doors.values_mut().flat_map(|door| door.watched(now));
        let mut watched: Vec<_> =
            [bell].into_iter().chain(doors).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let _ = poll(&mut watched, timeout.as_ref()); // a signal: there is nothing new
        let _ = read(&*self.bell, &mut [0; 8]); // not rung
    }

    /// Whether there is to be another round.
    fn take_orders(&mut self) -> bool {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Admit(memif, answer) => {
                    let _ = answer.send(self.admit(&memif)); // whoever asked waits for it
                }
                Order::Join(door, member) => {
                    if let Some(door) = self.doors.get_mut(&door) {
                        door.members.push(*member);
                    }
                }
                Order::Leave(door, member, heard) => {
                    if let Some(door) = self.doors.get_mut(&door) {
                        door.leave(member, heard, Instant::now());
                    }
                }
                Order::Vacate(number) => self.vacate(number),
                Order::End => return false,
            }
        }
        true
    }

    fn admit(&mut self, memif: &Memif) -> Result<(u64, PathBuf), String> {
        let socket = |number: u64| self.folder.join(format!("memif{number}.sock"));
        if let Some((&number, door)) = self.doors.iter_mut().find(|(_, door)| door.is_for(memif)) {
            door.users += 1;
            return Ok((number, socket(number)));
        }
        let (number, path) = (self.made, socket(self.made));
        let failed = |error| format!("cannot make {} for memifs: {error}", self.folder.display());
        make_folder(&self.folder).map_err(failed)?;
        let _ = fs::remove_file(&path); // of a process that was killed and had our number
        let mut door = Door::open(memif, &path)?;
        door.users = 1;
        self.made += 1;
        self.doors.insert(number, door);
        Ok((number, path))
    }

    fn vacate(&mut self, number: u64) {
        let Some(door) = self.doors.get_mut(&number) else { return };
        door.users -= 1;
        if door.users == 0 {
            self.doors.remove(&number);
        }
        if self.doors.is_empty() {
            let _ = fs::remove_dir(&self.folder); // where DPDK uses it too, it is not empty
        }
    }
}

/// Makes a folder that nobody else gets into, or finds it so.
fn make_folder(folder: &Path) -> io::Result<()> {
    let Err(error) = DirBuilder::new().recursive(false).mode(0o700).create(folder) else { return Ok(()) };
    let is_ours = fs::symlink_metadata(folder)
        .is_ok_and(|found| found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o077 == 0);
    if error.kind() == io::ErrorKind::AlreadyExists && is_ours { Ok(()) } else { Err(error) }
}
