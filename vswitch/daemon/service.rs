//! The control thread's loop: waits for the socket and the workers' reports, lets control do its work, and ends with the
//! signals that ask for it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use control::{
    config::Admin,
    control::{Answer, Control, Ticket},
};
use log::{error, info, warn};

use crate::{factory::Factory, os, socket::ControlSocket, workers::Workers};

/// How long the loop waits at most; a frame for the node itself waits no longer than this.
const WAIT: Duration = Duration::from_millis(5);
/// The same while a transaction is under way.
const WAIT_BUSY: Duration = Duration::from_millis(1);
/// How long workers may take to stop before the switch ends without them.
const STOP: Duration = Duration::from_secs(5);
/// How long their threads may take to end after that.
const END: Duration = Duration::from_secs(1);

/// Everything the control thread owns.
pub(crate) struct Service {
    control: Control<Factory>,
    socket: ControlSocket,
    workers: Workers,
    start: Instant,
    asked_to_stop: Arc<AtomicBool>,
    /// Whom the configuration names as those who may use the socket.
    admins: Vec<Admin>,
    /// Answers promised, by connection.
    promised: HashMap<u64, Ticket>,
    /// Something was answered in this round, so more may have been asked.
    has_answered: bool,
}

impl Service {
    pub(crate) fn new(
        control: Control<Factory>,
        socket: ControlSocket,
        workers: Workers,
        start: Instant,
        asked_to_stop: Arc<AtomicBool>,
    ) -> Service {
        let admins = control.config().switch.admins.clone();
        let (promised, has_answered) = (HashMap::new(), false);
        Service { control, socket, workers, start, asked_to_stop, admins, promised, has_answered }
    }

    /// Runs until asked to stop. An error is what ended it otherwise.
    pub(crate) fn run(mut self) -> Result<(), String> {
        let mut ready = false;
        let mut ended = Ok(());
        while !self.asked_to_stop.load(Relaxed) {
            self.wait();
            self.serve();
            self.control.tick(self.start.elapsed());
            self.heed_admins();
            if !ready && self.control.is_settled() {
                ready = true;
                info!("forwarding after {:.2} s", self.start.elapsed().as_secs_f64());
            }
            if self.workers.any_ended() {
                ended = Err("a worker thread ended by itself".to_owned());
                break;
            }
        }
        ended.and(self.stop())
    }

    fn wait(&self) {
        if self.control.has_work() || self.has_answered {
            return;
        }
        let mut watches: Vec<_> = self.socket.watches().collect();
        os::wait(&mut watches, if self.control.is_settled() { WAIT } else { WAIT_BUSY });
    }

    /// Answers one request of each connection: whoever asks for much at once keeps neither the others waiting nor the
    /// signals and the node's own traffic.
    fn serve(&mut self) {
        self.socket.exchange();
        self.keep_promises();
        self.has_answered = false;
        for connection in &mut self.socket.connections {
            let Some(request) = connection.session.next_request() else { continue };
            self.has_answered = true;
            match self.control.handle(request, Some(connection.session.uid())) {
                Answer::Now(answer) => connection.session.answer(answer),
                Answer::Later(ticket) => _ = self.promised.insert(connection.id, ticket),
            }
        }
        self.socket.exchange();
        let connections = &self.socket.connections;
        self.promised.retain(|id, _| connections.iter().any(|connection| connection.id == *id));
    }

    /// Lets those in whom a new configuration names, and nobody else. Connections that are open stay.
    fn heed_admins(&mut self) {
        let config = self.control.config();
        if self.admins != config.switch.admins {
            self.admins.clone_from(&config.switch.admins);
            self.socket.set_admins(crate::admins(config));
        }
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
