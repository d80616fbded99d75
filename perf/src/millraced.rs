//! The switch under measurement: started with a configuration of its own, asked over its control socket, stopped.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use api::{PortState, Reply, Request, Version};

use crate::{
    control_socket::{ControlSocket, SocketError},
    interrupt,
    load::Load,
    poll_core::PollThread,
    process,
    sample::Sample,
    traffic::{self, Counts},
    work::{Bench, Work},
};

/// The longest start: buffers are cleared, and a large capture is read, first.
const START_MAX: Duration = Duration::from_secs(60);

/// How long a thread that was started may take to run.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest stop.
const STOP_MAX: Duration = Duration::from_secs(10);

/// The name of its control socket, in the folder of its files.
pub(crate) const SOCKET: &str = "switch.sock";

/// One run of the switch.
#[derive(Clone, Debug)]
pub(crate) struct Millraced<'a> {
    pub(crate) program: &'a Path,
    pub(crate) work: Work,
    /// Every packet keyed by its five-tuple.
    pub(crate) five_tuples: bool,
    pub(crate) load: &'a Load,
    pub(crate) capture: &'a Path,
    /// The CPU that forwards.
    pub(crate) cpu: u32,
    /// Frames it takes at once, where it is not to be what it does by itself.
    pub(crate) burst: Option<u32>,
    /// On hugepages or not at all; else on ordinary pages.
    pub(crate) hugepages: bool,
    /// Where its configuration, socket and log go.
    pub(crate) folder: &'a Path,
}

/// Why the switch gave no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MillracedError {
    #[error("cannot run {}: {cause} (build it with `cargo build --release`, or name it with --millraced)", program.display())]
    Start { program: PathBuf, cause: io::Error },
    #[error("cannot write {}: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("millraced did not begin to forward: {log}")]
    NotForwarding { log: String },
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("{0}")]
    Misled(String),
    #[error("millraced did not stop cleanly: {log}")]
    Stop { log: String },
}

impl Millraced<'_> {
    /// Forwards for `warm_up`, then measures for `window`, and makes sure that all frames went where they should.
    pub(crate) fn measure(&self, warm_up: Duration, window: Duration) -> Result<(Sample, Version), MillracedError> {
        let text = self.config();
        let mut running = Running::start(self.program, self.folder, &text)?;
        let mut socket = running.ready()?;
        let thread = running.worker(self.cpu)?;
        let version = socket.ask(&Request::Version, version)?;
        thread::sleep(warm_up);
        let (before, start) = (Counts::read(&mut socket)?, thread.mark());
        thread::sleep(window);
        let (after, end) = (Counts::read(&mut socket)?, thread.mark());
        let (Some(start), Some(end)) = (start, end) else { return Err(running.stuck()) };
        let counts = after.since(&before);
        if let Some(what) = traffic::objection(self.work, &counts, &mut socket)? {
            return Err(MillracedError::Misled(what));
        }
        drop(socket);
        running.stop()?;
        Ok((end.since(&start, counts.received), version))
    }

    fn config(&self) -> String {
        let Millraced { work, five_tuples, load, capture, cpu, burst, hugepages, folder, .. } = *self;
        Bench { work, five_tuples, load, capture, socket: &folder.join(SOCKET), cpu, burst, hugepages }.config()
    }
}

fn version(reply: Reply) -> Option<Version> {
    if let Reply::Version(version) = reply { Some(version) } else { None }
}

/// A switch under way.
pub(crate) struct Running {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Running {
    /// Starts it with a configuration whose socket is [`SOCKET`] in `folder`; its file and the log go there, too.
    pub(crate) fn start(program: &Path, folder: &Path, text: &str) -> Result<Running, MillracedError> {
        let [config, socket, log] = ["switch.toml", SOCKET, "switch.log"].map(|name| folder.join(name));
        let write = |path: &Path| {
            let path = path.to_owned();
            move |cause| MillracedError::Write { path, cause }
        };
        fs::write(&config, text).map_err(write(&config))?;
        let errors = File::create(&log).map_err(write(&log))?;
        let mut command = Command::new(program);
        command.arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        command.env_remove("RUST_LOG");
        let child = interrupt::spawn(&mut command)
            .map_err(|cause| MillracedError::Start { program: program.to_owned(), cause })?;
        Ok(Running { child, socket, log })
    }

    /// Who it is, once it answers.
    pub(crate) fn version(&mut self) -> Result<Version, MillracedError> {
        let deadline = Instant::now() + START_MAX;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            match ControlSocket::connect(&self.socket) {
                Ok(mut socket) => return Ok(socket.ask(&Request::Version, version)?),
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
        Err(self.stuck())
    }

    /// The thread that forwards, where there is one, on this CPU.
    pub(crate) fn worker(&self, cpu: u32) -> Result<PollThread, MillracedError> {
        self.worker_thread(0, cpu)
    }

    /// The thread of a worker, on this CPU. A switch that answers has started it, but a thread gets its name only once it
    /// runs.
    pub(crate) fn worker_thread(&self, worker: usize, cpu: u32) -> Result<PollThread, MillracedError> {
        let deadline = Instant::now() + PATIENCE;
        let name = format!("worker-{worker}");
        loop {
            match PollThread::find(self.child.id(), &name, cpu) {
                Some(thread) => return Ok(thread),
                None if Instant::now() >= deadline => return Err(self.stuck()),
                None => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Waits until all ports are served.
    pub(crate) fn ready(&mut self) -> Result<ControlSocket, MillracedError> {
        let deadline = Instant::now() + START_MAX;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
            let Ok(mut socket) = ControlSocket::connect(&self.socket) else { continue };
            let Ok(ports) = socket.ask(&Request::ShowPorts, traffic::ports) else { continue };
            if !ports.ports.is_empty() && ports.ports.iter().all(|port| port.state == PortState::Up) {
                return Ok(socket);
            }
        }
        Err(self.stuck())
    }

    pub(crate) fn stuck(&self) -> MillracedError {
        MillracedError::NotForwarding { log: self.last_words() }
    }

    /// The last lines of the log, without times.
    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().map(|line| line.split_once("] ").map_or(line, |(_, said)| said)).collect();
        lines[lines.len().saturating_sub(3)..].join(" | ")
    }

    /// Asks it to stop, and expects it to find nothing wrong with itself.
    pub(crate) fn stop(mut self) -> Result<(), MillracedError> {
        let clean = self.end() && !fs::read_to_string(&self.log).unwrap_or_default().contains("were lost");
        if clean { Ok(()) } else { Err(MillracedError::Stop { log: self.last_words() }) }
    }

    /// Ends the process, by force in the end; whether it went by itself and well.
    fn end(&mut self) -> bool {
        process::end(&mut self.child, STOP_MAX)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;

    fn measure(program: &str) -> String {
        let folder = Folder::create().unwrap();
        let load = Load { shape: crate::load::Shape::Plain, flows: 1, mac_pairs: 1, seed: 1 };
        let (program, capture, folder) = (Path::new(program), Path::new("x.pcap"), folder.path());
        let run = Millraced {
            program,
            work: Work::L2,
            five_tuples: false,
            load: &load,
            capture,
            cpu: 0,
            burst: None,
            hugepages: false,
            folder,
        };
        run.measure(Duration::ZERO, Duration::ZERO).unwrap_err().to_string()
    }

    #[test]
    fn a_missing_switch_says_how_to_build_it() {
        assert!(measure("/no/millraced").contains("cargo build --release"));
    }

    #[test]
    fn a_program_that_is_no_switch_is_quoted() {
        let said = measure("/bin/cat");
        assert!(said.starts_with("millraced did not begin to forward: ") && said.contains("--config"), "{said}");
    }
}
