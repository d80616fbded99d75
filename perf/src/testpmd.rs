//! DPDK's own forwarder, the floor under every figure: it replays a capture on one core and throws the packets away.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    folder, interrupt,
    poll_core::{Mark, PollThread},
    process::Namespace,
    sample::Sample,
};

/// The longest start: DPDK without hugepages clears its memory first.
const START_MAX: Duration = Duration::from_secs(60);

/// Part of the name of DPDK's forwarding thread: "rte-worker-1" in 22.11, "dpdk-worker1" later.
const WORKER: &str = "worker";

/// Counters of a port.
const SENT: &str = "TX-packets:";
pub(crate) const RECEIVED: &str = "RX-packets:";

/// Buffers beside those the capture is kept in.
const SPARE_BUFFERS: u32 = 16_384;

/// Octets of one buffer in memory, rounded up.
const BUFFER_LEN: u32 = 2560;

/// What testpmd does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes it on without a look.
    Io,
    /// Swaps its MACs: touches its first cache line.
    Macswap,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Io => "io",
            Mode::Macswap => "macswap",
        }
    }
}

/// One run of testpmd.
#[derive(Clone, Debug)]
pub(crate) struct Testpmd<'a> {
    pub(crate) program: &'a Path,
    pub(crate) mode: Mode,
    pub(crate) capture: &'a Path,
    /// Packets in the capture.
    pub(crate) packets: u32,
    /// The CPU that forwards.
    pub(crate) cpu: u32,
    /// Frames it takes at once, where it is not to be what it does by itself.
    pub(crate) burst: Option<u32>,
    /// From hugepages, if there are any.
    pub(crate) hugepages: bool,
    pub(crate) sink: Sink<'a>,
}

/// Where the packets go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sink<'a> {
    /// Nowhere: they are given back at once.
    Null,
    /// Out of an interface of the kernel's, in a namespace.
    Interface { namespace: &'a Namespace, name: &'a str },
}

/// Why testpmd gave no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TestpmdError {
    #[error("cannot run {}: {cause} (Debian: `apt install dpdk-dev`)", program.display())]
    Start { program: PathBuf, cause: io::Error },
    #[error("testpmd did not begin to forward: {}", tail(.output))]
    NotForwarding { output: String },
    #[error("testpmd printed no counters: {}", tail(.output))]
    NoCounters { output: String },
}

/// The last lines of an output.
fn tail(output: &str) -> String {
    let mut lines: Vec<_> = output.lines().filter(|line| !line.trim().is_empty()).rev().take(5).collect();
    lines.reverse();
    lines.join(" | ")
}

impl Testpmd<'_> {
    /// Forwards for `warm_up`, then measures for `window`.
    pub(crate) fn measure(&self, warm_up: Duration, window: Duration) -> Result<Sample, TestpmdError> {
        let (mut running, thread) = self.begin()?;
        thread::sleep(warm_up);
        let from = running.mark(&thread);
        thread::sleep(window);
        let to = running.mark(&thread);
        let output = running.end();
        let (Some(from), Some(to)) = (from, to) else {
            return Err(TestpmdError::NotForwarding { output });
        };
        match counted(&output, 1, SENT)[..] {
            [before, after] if after > before => Ok(to.since(&from, after - before)),
            _ => Err(TestpmdError::NoCounters { output }),
        }
    }

    /// Begins to forward: the program, and its thread that does.
    pub(crate) fn begin(&self) -> Result<(Running, PollThread), TestpmdError> {
        let mut command = match self.sink {
            Sink::Null => Command::new(self.program),
            Sink::Interface { namespace, .. } => namespace.command(self.program),
        };
        let prefix = Running::prefix();
        command.args(self.arguments(&prefix));
        Running::spawn(command, prefix)?.begin("start", self.cpu)
    }

    /// Two ports: the capture, for ever, and a sink that gives nothing back.
    fn arguments(&self, prefix: &str) -> Vec<String> {
        let buffers = self.packets + SPARE_BUFFERS;
        let main = if self.cpu == 0 { 1 } else { 0 };
        let mut arguments = vec![format!("--lcores=0@{main},1@{}", self.cpu)];
        arguments.extend(["--no-pci", "--no-telemetry"].map(str::to_owned));
        arguments.push(format!("--file-prefix={prefix}"));
        if self.hugepages {
            arguments.extend(["--in-memory", "--single-file-segments"].map(str::to_owned));
        } else {
            let mib = (u64::from(buffers) * u64::from(BUFFER_LEN)).div_ceil(1 << 20) + 64;
            arguments.extend(["--no-huge", "--no-shconf", "-m"].map(str::to_owned));
            arguments.push(mib.to_string());
        }
        arguments.push(format!("--vdev=net_pcap0,rx_pcap={},infinite_rx=1", self.capture.display()));
        arguments.push(match self.sink {
            Sink::Null => "--vdev=net_null0,no-rx=1".to_owned(),
            // Past the queueing discipline, as fast as it gets.
            Sink::Interface { name, .. } => format!("--vdev=net_af_packet0,iface={name},qdisc_bypass=1"),
        });
        arguments.extend(["--", "-i", "--no-mlockall"].map(str::to_owned));
        arguments.push(format!("--forward-mode={}", self.mode.name()));
        arguments.push(format!("--total-num-mbufs={buffers}"));
        arguments.extend(self.burst.map(|burst| format!("--burst={burst}")));
        arguments
    }
}

/// Where DPDK keeps a run directory for each of its processes, as root.
pub(crate) const RUN_DIRECTORIES: &str = "/var/run/dpdk";

/// A testpmd under way.
pub(crate) struct Running {
    child: Child,
    commands: Option<ChildStdin>,
    /// What DPDK calls its run directory.
    prefix: String,
    printed: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// A name for a run directory that nobody else uses.
    pub(crate) fn prefix() -> String {
        folder::own_name()
    }

    /// Starts it; `prefix` is among its arguments.
    pub(crate) fn spawn(mut command: Command, prefix: String) -> Result<Running, TestpmdError> {
        let program = PathBuf::from(command.get_program());
        let error = |cause| TestpmdError::Start { program: program.clone(), cause };
        let (output, errors) = io::pipe().map_err(error)?;
        command.stdin(Stdio::piped());
        command.stdout(errors.try_clone().map_err(error)?).stderr(errors);
        let mut child = interrupt::spawn(&mut command).map_err(error)?;
        // The command holds the writing end of the pipe: while it lives, the reader would wait for ever.
        drop(command);
        let commands = child.stdin.take();
        let printed = Arc::default();
        let reader = Some(thread::spawn({
            let printed = Arc::clone(&printed);
            move || read_all(output, &printed)
        }));
        Ok(Running { child, commands, prefix, printed, reader })
    }

    /// Starts forwarding by `command`; gives the thread that does it, once it runs.
    pub(crate) fn begin(mut self, command: &str, cpu: u32) -> Result<(Running, PollThread), TestpmdError> {
        match self.say(command).and_then(|()| self.forwarding(cpu)) {
            Some(thread) => Ok((self, thread)),
            None => Err(TestpmdError::NotForwarding { output: self.end() }),
        }
    }

    fn forwarding(&mut self, cpu: u32) -> Option<PollThread> {
        let deadline = Instant::now() + START_MAX;
        let mut idle = None;
        while Instant::now() < deadline && self.is_running() {
            if let Some(thread) = PollThread::find(self.child.id(), WORKER, cpu) {
                let now = thread.cpu_time()?;
                // It has forwarded for a while, rather than been set up.
                if now.saturating_sub(*idle.get_or_insert(now)) > Duration::from_millis(30) {
                    return Some(thread);
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
        None
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Makes testpmd note its counters at a moment.
    pub(crate) fn mark(&mut self, thread: &PollThread) -> Option<Mark> {
        self.say("show port stats all")?;
        thread.mark()
    }

    pub(crate) fn say(&mut self, command: &str) -> Option<()> {
        writeln!(self.commands.as_mut()?, "{command}").ok()
    }

    /// What it has printed so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends testpmd and gives all that it printed.
    pub(crate) fn end(mut self) -> String {
        self.say("quit");
        self.finish();
        self.printed()
    }

    fn finish(&mut self) {
        self.commands = None;
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && self.is_running() {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        // DPDK leaves its (empty) run directory behind.
        let _ = std::fs::remove_dir(Path::new(RUN_DIRECTORIES).join(&self.prefix));
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.reader.is_some() {
            self.finish();
        }
    }
}

fn read_all(mut from: impl Read, printed: &Mutex<String>) {
    let mut octets = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut octets) {
        let text = String::from_utf8_lossy(&octets[..read]);
        printed.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
    }
}

/// What `port` had counted each time it was asked, by the name of the counter.
pub(crate) fn counted(output: &str, port: u32, counter: &str) -> Vec<u64> {
    let title = format!("{port} ");
    let blocks = output.split("NIC statistics for port ").skip(1).filter(|block| block.starts_with(&title));
    let number = |block: &str| block.split_once(counter)?.1.split_whitespace().next()?.parse().ok();
    blocks.filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As testpmd 22.11 prints it, with the forward statistics of its end.
    const OUTPUT: &str = "\
testpmd> show port stats 1

  ######################## NIC statistics for port 1  ########################
  RX-packets: 0          RX-missed: 0          RX-bytes:  0
  RX-errors: 0
  RX-nombuf:  0
  TX-packets: 34240832   TX-errors: 0          TX-bytes:  0

  Throughput (since last show)
  Rx-pps:            0          Rx-bps:            0
  Tx-pps:            0          Tx-bps:            0
  ############################################################################
testpmd> show port stats 1

  ######################## NIC statistics for port 1  ########################
  RX-packets: 0          RX-missed: 0          RX-bytes:  0
  RX-errors: 0
  RX-nombuf:  0
  TX-packets: 70346880   TX-errors: 0          TX-bytes:  0

  Throughput (since last show)
  Rx-pps:            0          Rx-bps:            0
  Tx-pps:     18043849          Tx-bps:            0
  ############################################################################
Telling cores to stop...

  ---------------------- Forward statistics for port 1  ----------------------
  RX-packets: 0              RX-dropped: 0             RX-total: 0
  TX-packets: 82954688       TX-dropped: 0             TX-total: 82954688
";

    fn testpmd(program: &Path) -> Testpmd<'_> {
        let capture = Path::new("load.pcap");
        Testpmd {
            program,
            mode: Mode::Macswap,
            capture,
            packets: 1024,
            cpu: 1,
            burst: None,
            hugepages: false,
            sink: Sink::Null,
        }
    }

    #[test]
    fn the_counters_of_a_port_are_found_and_no_others() {
        assert_eq!(counted(OUTPUT, 1, SENT), [34_240_832, 70_346_880]);
        assert_eq!(counted(OUTPUT, 1, RECEIVED), [0, 0]);
        assert_eq!(counted(OUTPUT, 0, SENT), [0; 0]);
        assert_eq!(counted("NIC statistics for port 1 \n TX-packets: what", 1, SENT), [0; 0]);
        assert_eq!(counted("", 1, SENT), [0; 0]);
    }

    #[test]
    fn the_arguments_hold_the_capture_and_the_memory_it_needs() {
        let line = testpmd(Path::new("x")).arguments("p").join(" ");
        assert!(line.contains("--lcores=0@0,1@1 ") && line.contains(" --no-huge --no-shconf -m 107 "), "{line}");
        assert!(line.contains(" --vdev=net_pcap0,rx_pcap=load.pcap,infinite_rx=1 "), "{line}");
        assert!(line.ends_with("--forward-mode=macswap --total-num-mbufs=17408"), "{line}");
        let huge = Testpmd { hugepages: true, cpu: 0, ..testpmd(Path::new("x")) }.arguments("p").join(" ");
        assert!(huge.contains("--in-memory") && !huge.contains("--no-huge"), "{huge}");
        assert!(huge.contains("--lcores=0@1,1@0"), "{huge}");
        let small = Testpmd { burst: Some(8), ..testpmd(Path::new("x")) }.arguments("p").join(" ");
        assert!(small.ends_with(" --burst=8"), "{small}");
    }

    #[test]
    fn a_missing_testpmd_says_where_it_comes_from() {
        let error = testpmd(Path::new("/no/testpmd")).measure(Duration::ZERO, Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("apt install dpdk-dev"), "{error}");
    }

    #[test]
    fn a_program_that_is_no_testpmd_is_quoted() {
        let error = testpmd(Path::new("/bin/echo")).measure(Duration::ZERO, Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("did not begin to forward: --lcores"), "{error}");
    }
}
