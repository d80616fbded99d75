//! DPDK's own forwarder, the floor under every figure: it replays a capture on one core and throws the packets away.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    poll_core::{Mark, PollThread},
    process::Namespace,
    sample::Sample,
};

/// The longest start: DPDK without hugepages clears its memory first.
const START_MAX: Duration = Duration::from_secs(60);

/// Part of the name of DPDK's forwarding thread: "rte-worker-1" in 22.11, "dpdk-worker1" later.
const WORKER: &str = "worker";

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
        match sent(&output)[..] {
            [before, after] if after > before => Ok(to.since(&from, after - before)),
            _ => Err(TestpmdError::NoCounters { output }),
        }
    }

    /// Begins to forward: the program, and its thread that does.
    pub(crate) fn begin(&self) -> Result<(Running, PollThread), TestpmdError> {
        let mut running = Running::start(self)?;
        match running.begin(self.cpu) {
            Some(thread) => Ok((running, thread)),
            None => Err(TestpmdError::NotForwarding { output: running.end() }),
        }
    }

    /// Two ports: the capture, for ever, and a sink that gives nothing back.
    fn arguments(&self) -> Vec<String> {
        let buffers = self.packets + SPARE_BUFFERS;
        let main = if self.cpu == 0 { 1 } else { 0 };
        let mut arguments = vec![format!("--lcores=0@{main},1@{}", self.cpu)];
        arguments.extend(["--no-pci", "--no-telemetry"].map(str::to_owned));
        arguments.push(format!("--file-prefix=millrace-perf-{}", std::process::id()));
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
        arguments
    }
}

/// A testpmd under way. It prints its output at its end, so what it is asked is answered then.
pub(crate) struct Running {
    child: Child,
    commands: Option<ChildStdin>,
    output: Option<JoinHandle<String>>,
}

impl Running {
    fn start(test: &Testpmd<'_>) -> Result<Running, TestpmdError> {
        let error = |cause| TestpmdError::Start { program: test.program.to_owned(), cause };
        let (output, errors) = io::pipe().map_err(error)?;
        let mut command = match test.sink {
            Sink::Null => Command::new(test.program),
            Sink::Interface { namespace, .. } => namespace.command(test.program),
        };
        command.args(test.arguments()).stdin(Stdio::piped());
        command.stdout(errors.try_clone().map_err(error)?).stderr(errors);
        let mut child = command.spawn().map_err(error)?;
        // The command holds the writing end of the pipe: while it lives, the reader would wait for ever.
        drop(command);
        let commands = child.stdin.take();
        Ok(Running { child, commands, output: Some(thread::spawn(move || read_all(output))) })
    }

    /// Starts forwarding; the thread that does it, once it runs.
    fn begin(&mut self, cpu: u32) -> Option<PollThread> {
        self.say("start")?;
        let deadline = Instant::now() + START_MAX;
        let mut idle = None;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
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

    /// Makes testpmd note its counters at a moment.
    fn mark(&mut self, thread: &PollThread) -> Option<Mark> {
        self.say("show port stats 1")?;
        thread.mark()
    }

    fn say(&mut self, command: &str) -> Option<()> {
        writeln!(self.commands.as_mut()?, "{command}").ok()
    }

    /// Ends testpmd and gives what it printed.
    pub(crate) fn end(mut self) -> String {
        self.say("quit");
        self.finish()
    }

    fn finish(&mut self) -> String {
        self.commands = None;
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        // DPDK leaves its (empty) run directory behind.
        let _ = std::fs::remove_dir(format!("/var/run/dpdk/millrace-perf-{}", std::process::id()));
        self.output.take().and_then(|output| output.join().ok()).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.output.is_some() {
            self.finish();
        }
    }
}

fn read_all(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What port 1 had sent each time it was asked.
fn sent(output: &str) -> Vec<u64> {
    let blocks = output.split("NIC statistics for port ").skip(1).filter(|block| block.starts_with("1 "));
    let number = |block: &str| block.split_once("TX-packets:")?.1.split_whitespace().next()?.parse().ok();
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
        Testpmd { program, mode: Mode::Macswap, capture, packets: 1024, cpu: 1, hugepages: false, sink: Sink::Null }
    }

    #[test]
    fn the_counters_of_the_sink_are_found_and_no_others() {
        assert_eq!(sent(OUTPUT), [34_240_832, 70_346_880]);
        assert_eq!(sent(&OUTPUT.replace("for port 1", "for port 0")), [0; 0]);
        assert_eq!(sent("NIC statistics for port 1 \n TX-packets: what"), [0; 0]);
        assert_eq!(sent(""), [0; 0]);
    }

    #[test]
    fn the_arguments_hold_the_capture_and_the_memory_it_needs() {
        let line = testpmd(Path::new("x")).arguments().join(" ");
        assert!(line.contains("--lcores=0@0,1@1 ") && line.contains(" --no-huge --no-shconf -m 107 "), "{line}");
        assert!(line.contains(" --vdev=net_pcap0,rx_pcap=load.pcap,infinite_rx=1 "), "{line}");
        assert!(line.ends_with("--forward-mode=macswap --total-num-mbufs=17408"), "{line}");
        let huge = Testpmd { hugepages: true, cpu: 0, ..testpmd(Path::new("x")) }.arguments().join(" ");
        assert!(huge.contains("--in-memory") && !huge.contains("--no-huge"), "{huge}");
        assert!(huge.contains("--lcores=0@1,1@0"), "{huge}");
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
