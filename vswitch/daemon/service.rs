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

use control::control::{Answer, Control, Ticket};
use log::{error, info, warn};

use crate::{factory::Factory, os, socket::ControlSocket, workers::Workers};

/// How long the loop waits at most; a frame for the node itself waits no longer than this.
const WAIT: Duration = Duration::from_millis(5);
/// The same while a transaction is under way.
const WAIT_BUSY: Duration = Duration::from_millis(1);
/// How long workers may take to stop before the switch ends without them.
const STOP: Duration = Duration::from_secs(5);

/// Everything the control thread owns.
pub(crate) struct Service {
    control: Control<Factory>,
    socket: ControlSocket,
    workers: Workers,
    start: Instant,
    asked_to_stop: Arc<AtomicBool>,
    /// Answers promised, by connection.
    promised: HashMap<u64, Ticket>,
}

impl Service {
    pub(crate) fn new(
        control: Control<Factory>,
        socket: ControlSocket,
        workers: Workers,
        start: Instant,
        asked_to_stop: Arc<AtomicBool>,
    ) -> Service {
        Service { control, socket, workers, start, asked_to_stop, promised: HashMap::new() }
    }

    /// Runs until asked to stop. An error is what ended it otherwise.
    pub(crate) fn run(mut self) -> Result<(), String> {
        let mut ready = false;
        let mut ended = Ok(());
        while !self.asked_to_stop.load(Relaxed) {
            self.wait();
            self.serve();
            self.control.tick(self.start.elapsed());
            if !ready && self.control.is_settled() {
                ready = true;
                info!("forwarding after {:.2} s", self.start.elapsed().as_secs_f64());
            }
            if self.workers.any_ended() {
                ended = Err("a worker thread ended by itself".to_owned());
                break;
            }
        }
        self.stop();
        ended
    }

    fn wait(&self) {
        if self.control.has_work() {
            return;
        }
        let mut watches: Vec<_> = self.socket.watches().collect();
        os::wait(&mut watches, if self.control.is_settled() { WAIT } else { WAIT_BUSY });
    }

    /// Answers what has been asked.
    fn serve(&mut self) {
        self.socket.exchange();
        for connection in &mut self.socket.connections {
            if let Some(&ticket) = self.promised.get(&connection.id) {
                let Some(answer) = self.control.answer_later(ticket) else { continue };
                self.promised.remove(&connection.id);
                connection.session.answer(answer);
            }
            while let Some(request) = connection.session.next_request() {
                match self.control.handle(request) {
                    Answer::Now(answer) => connection.session.answer(answer),
                    Answer::Later(ticket) => {
                        self.promised.insert(connection.id, ticket);
                        break;
                    }
                }
            }
        }
        self.socket.exchange();
        let connections = &self.socket.connections;
        self.promised.retain(|id, _| connections.iter().any(|connection| connection.id == *id));
    }

    /// Lets the workers send what they hold, closes all ports, ends the threads.
    fn stop(mut self) {
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
        self.workers.end();
        match frame::lost_frames() {
            0 => info!("stopped"),
            lost => warn!("stopped; {lost} frames were lost inside the switch: please report this"),
        }
    }
}
