//! The control thread's loop: waits for the socket and the workers' reports, lets control do its work, and ends with the
//! signals that ask for it.

use std::{
    collections::HashMap,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use control::{
    config::{Access, Pace},
    control::{Answer, Control, Ticket},
};
use log::{error, info, warn};

use crate::{
    access,
    alive::Alive,
    factory::Factory,
    notify::Manager,
    os::{self, Watch},
    socket::ControlSocket,
    workers::Workers,
};

/// How long the loop waits at most while a guest waits for a worker, ...
const WAIT_GUEST: Duration = Duration::from_millis(1);
/// ... and while somebody who has asked too much is made to wait.
const WAIT_DELAYED: Duration = Duration::from_millis(5);
/// Between two rings of the bell, at least: whoever floods the node with frames for itself is to cost workers next to nothing.
const DEAF: Duration = Duration::from_millis(1);
/// How long workers may take to stop before the switch ends without them.
const STOP: Duration = Duration::from_secs(5);
/// How long their threads may take to end after that.
const END: Duration = Duration::from_secs(1);

/// When the switch began, and what of the time to its first packet is DPDK's.
#[derive(Clone, Copy)]
pub(crate) struct Began {
    /// The process's begin.
    pub(crate) start: Instant,
    /// How long DPDK took to start.
    pub(crate) dpdk_took: Duration,
}

/// Everything the control thread owns.
pub(crate) struct Service {
    control: Control<Factory>,
    socket: ControlSocket,
    workers: Workers,
    /// When their bell was heard last.
    rung: Duration,
    start: Instant,
    dpdk_took: Duration,
    asked_to_stop: Arc<AtomicBool>,
    manager: Manager,
    /// The generation the manager was told of.
    told: Option<u64>,
    /// When its watchdog was last fed, or would have been.
    fed: Duration,
    alive: Alive,
    /// Who may use the socket, and how much, by the configuration last taken up.
    heeded: (Access, Pace),
    /// Answers promised, by connection.
    promised: HashMap<u64, Ticket>,
    /// Something was answered in this round, so more may have been asked.
    has_answered: bool,
    /// A guest waits for a worker.
    guests_are_busy: bool,
}

impl Service {
    pub(crate) fn new(
        control: Control<Factory>,
        socket: ControlSocket,
        workers: Workers,
        began: Began,
        asked_to_stop: Arc<AtomicBool>,
        manager: Manager,
    ) -> Service {
        let switch = &control.config().switch;
        let heeded = (switch.access.clone(), switch.pace);
        Service {
            control,
            socket,
            workers,
            rung: Duration::ZERO,
            start: began.start,
            dpdk_took: began.dpdk_took,
            asked_to_stop,
            manager,
            told: None,
            fed: Duration::ZERO,
            alive: Alive::default(),
            heeded,
            promised: HashMap::new(),
            has_answered: false,
            guests_are_busy: false,
        }
    }

    /// Runs until asked to stop. An error is what ended it otherwise.
    pub(crate) fn run(mut self) -> Result<(), String> {
        let mut ended = Ok(());
        while !self.asked_to_stop.load(Relaxed) {
            self.wait();
            self.serve();
            self.guests_are_busy = self.control.factory().turn(Instant::now());
            self.control.tick(self.start.elapsed());
            // What that has brought to an end; what is to be written ends the next wait.
            self.keep_promises();
            self.heed_access();
            self.follow_traffic();
            self.tell_manager();
            self.feed_watchdog();
            if self.workers.any_ended() {
                ended = Err("a worker thread ended by itself".to_owned());
                break;
            }
        }
        ended.and(self.stop())
    }

    /// Says that the switch forwards, and by which configuration. An `apply` is no `RELOADING=1`: the switch is ready
    /// throughout, and a unit that reloads would look as if it were not.
    fn tell_manager(&mut self) {
        let generation = self.control.generation();
        if self.told == Some(generation) || !self.control.is_settled() {
            return;
        }
        if self.told.is_none() {
            let (all, dpdk) = (self.start.elapsed().as_millis(), self.dpdk_took.as_millis());
            info!("ready in {all} ms (DPDK {dpdk} ms): forwarding");
            self.manager.tell("READY=1");
        }
        self.told = Some(generation);
        let config = self.control.config();
        let (ports, networks, tunnels) = (config.ports.len(), config.networks.len(), config.tunnels.len());
        self.manager.tell(&format!(
            "STATUS=forwarding by generation {generation}: {ports} port(s), {networks} network(s), {tunnels} tunnel(s), {} \
             worker(s)",
            config.workers.count()
        ));
    }

    /// Tells the watchdog that all is well, four times as often as it wants to hear it, and only if all is well.
    fn feed_watchdog(&mut self) {
        let Some(patience) = self.manager.watchdog else { return };
        let now = self.start.elapsed();
        self.alive.note(self.control.turns_begun(), now);
        if now.saturating_sub(self.fed) < patience / 4 {
            return;
        }
        self.fed = now;
        match self.alive.hanging(now) {
            None => self.manager.tell("WATCHDOG=1"),
            Some(worker) => error!("worker {worker} hangs in a turn: the watchdog is not fed"),
        }
    }

    fn wait(&mut self) {
        if self.control.has_work() || self.has_answered {
            return;
        }
        let mut watches: Vec<_> = self.socket.watches().collect();
        watches.extend(self.control.factory().watches());
        if self.start.elapsed().saturating_sub(self.rung) < DEAF {
            return os::wait(&mut watches, DEAF);
        }
        watches.push(Watch::to_read(&self.workers.bell.as_fd()));
        self.workers.bell.doze();
        // Again: what came before control dozed was said without a ring.
        if !self.control.has_work() {
            os::wait(&mut watches, self.patience());
        }
        if self.workers.bell.get_up() {
            self.rung = self.start.elapsed();
        }
    }

    /// How long to wait at most for whoever may have something to say.
    fn patience(&self) -> Duration {
        let is_delayed = self.socket.connections.iter().any(|connection| connection.session.is_delayed());
        let guests = if self.guests_are_busy { WAIT_GUEST } else { Duration::MAX };
        let delayed = if is_delayed { WAIT_DELAYED } else { Duration::MAX };
        self.control.patience().min(guests).min(delayed)
    }

    /// Answers one request of each user, over whichever of its connections waits longest: whoever asks for much at once
    /// keeps neither the others waiting nor the signals and the node's own traffic.
    fn serve(&mut self) {
        self.socket.exchange();
        self.keep_promises();
        let (now, mut served) = (self.start.elapsed(), Vec::new());
        for connection in &mut self.socket.connections {
            let uid = connection.session.peer().uid;
            if served.contains(&uid) {
                continue;
            }
            let Some(request) = connection.session.next_request(&mut self.socket.gate, now) else { continue };
            served.push(uid);
            connection.was_served = true;
            match self.control.handle(request, Some(uid)) {
                Answer::Now(answer) => connection.session.answer(answer),
                Answer::Later(ticket) => _ = self.promised.insert(connection.id, ticket),
            }
        }
        self.has_answered = !served.is_empty();
        self.socket.queue_up();
        self.socket.exchange();
        let connections = &self.socket.connections;
        self.promised.retain(|id, _| connections.iter().any(|connection| connection.id == *id));
    }

    /// Lets those in whom a new configuration names, and nobody else; those inside are now what it says.
    fn heed_access(&mut self) {
        let switch = &self.control.config().switch;
        if self.heeded.0 != switch.access || self.heeded.1 != switch.pace {
            self.heeded = (switch.access.clone(), switch.pace);
            self.socket.set_access(access::resolve(&switch.access), switch.pace);
        }
    }

    /// Keeps CPUs from deep sleep while there is traffic, where the configuration wants that.
    fn follow_traffic(&mut self) {
        let (wish, received) = (self.control.config().workers.cpu_latency_us, self.control.frames_received());
        self.control.factory().cpu_latency.follow(wish, received, self.start.elapsed());
    }

    /// Gives the answers that have come, before any new request can lead to others.
    fn keep_promises(&mut self) {
        for connection in &mut self.socket.connections {
            let Some(&ticket) = self.promised.get(&connection.id) else { continue };
            let Some(answer) = self.control.answer_later(ticket) else { continue };
            self.promised.remove(&connection.id);
            connection.session.answer(answer);
        }
    }

    /// Lets the workers send what they hold, closes all ports, ends the threads. An error where one of them hangs.
    fn stop(mut self) -> Result<(), String> {
        info!("stopping");
        self.manager.tell("STOPPING=1\nSTATUS=stopping");
        self.control.stop();
        let deadline = Instant::now() + STOP;
        while !self.control.is_stopped() && Instant::now() < deadline {
            self.control.tick(self.start.elapsed());
            std::thread::sleep(Duration::from_millis(1));
        }
        if !self.control.is_stopped() {
            error!("the workers did not stop within {} s", STOP.as_secs());
        }
        self.workers.end(END)?;
        match frame::lost_frames() {
            0 => info!("stopped"),
            lost => warn!("stopped; {lost} frames were lost inside the switch: please report this"),
        }
        Ok(())
    }
}
