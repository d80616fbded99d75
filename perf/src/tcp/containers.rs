//! Two containers, and what is asked of whatever is between them.

use std::{
    fmt,
    net::Ipv4Addr,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::congestion::{self, Controls};
use crate::{
    interrupt,
    process::{self, Namespace, Started},
};

/// The interface in each of them, and their addresses.
pub(super) const INTERFACE: &str = "eth0";
pub(super) const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
pub(super) const MACS: [&str; 2] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b"];

/// Where the answering one listens.
const ECHO_PORT: u16 = 5005;

/// Octets of a small datagram's payload: 60 octets of Ethernet.
const SMALL: &str = "18";

/// How long whoever listens may take to do so, and how long the first packet may take to get through.
const PATIENCE: Duration = Duration::from_secs(15);

const IPERF: &str = "Debian: `apt install iperf3`";
const TASKSET: &str = "Debian: `apt install util-linux iproute2`";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// One TCP stream, as fast as it can.
    Stream,
    /// One whose sender goes by a timer.
    Paced,
    /// Small datagrams, as many as there can be: those received.
    Datagrams,
    /// The time of a question and its answer.
    Median,
    /// The same of the slowest hundredth.
    Tail,
}

impl Probe {
    pub(super) const ALL: [Probe; 5] = [Probe::Stream, Probe::Paced, Probe::Datagrams, Probe::Median, Probe::Tail];

    /// Those of a question and its answer.
    pub(super) const TRIPS: [Probe; 2] = [Probe::Median, Probe::Tail];

    pub(super) fn name(self) -> &'static str {
        match self {
            Probe::Stream => "TCP stream",
            Probe::Paced => "TCP stream, paced (bbr)",
            Probe::Datagrams => "UDP of 18 octets received",
            Probe::Median => "round trip p50",
            Probe::Tail => "round trip p99",
        }
    }

    pub(super) fn unit(self) -> &'static str {
        match self {
            Probe::Stream | Probe::Paced => "Gbit/s",
            Probe::Datagrams => "Mpps",
            Probe::Median | Probe::Tail => "us",
        }
    }

    /// Digits behind the point that mean something: of a tenth of a million packets a second four do.
    pub(super) fn digits(self) -> usize {
        if self == Probe::Datagrams { 4 } else { 2 }
    }
}

/// What is to be found out.
#[derive(Clone, Copy)]
pub(super) struct Questions<'a> {
    /// How long each probe takes.
    pub(super) window: Duration,
    pub(super) probes: &'a [Probe],
    /// How senders of streams find their pace, where there are to be any.
    pub(super) controls: Option<Controls>,
}

/// What was found, by probe.
#[derive(Clone, Debug)]
pub(super) struct Figures(pub(super) Vec<(Probe, f64)>);

impl Figures {
    pub(super) fn of(&self, wanted: Probe) -> Option<f64> {
        self.0.iter().find(|(probe, _)| *probe == wanted).map(|(_, figure)| *figure)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.0.iter().map(|(probe, figure)| format!("{figure:.*} {}", probe.digits(), probe.unit()));
        f.write_str(&figures.collect::<Vec<_>>().join(", "))
    }
}

/// Two namespaces. What is in them goes with them.
pub(super) struct Containers {
    pub(super) ends: [Namespace; 2],
    cpu: u32,
}

impl Containers {
    pub(super) fn create(cpu: u32) -> Result<Containers, String> {
        let create = |name| Namespace::create(name).map_err(|error| error.to_string());
        Ok(Containers { ends: [create("a")?, create("b")?], cpu })
    }

    /// Gives the interface of each its address, where the switch has not done so.
    pub(super) fn address(&self) -> Result<(), String> {
        for (end, address) in self.ends.iter().zip(ADDRESSES) {
            for words in [format!("addr add {address}/24 dev {INTERFACE}"), format!("link set {INTERFACE} up")] {
                end.ip(&words).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// The answers to all questions.
    pub(super) fn measure(&self, questions: &Questions<'_>) -> Result<Figures, String> {
        let Questions { window, probes, controls } = *questions;
        let seconds = window.as_secs().max(1).to_string();
        let mut figures = Figures(Vec::new());
        if Probe::TRIPS.iter().any(|trip| probes.contains(trip)) {
            let echo = self.start_echo()?;
            let [median, tail] = self.ask(&seconds)?;
            drop(echo);
            figures.0.extend([(Probe::Median, median / 1e3), (Probe::Tail, tail / 1e3)]);
        }
        if let Some(Controls { free, timed }) = controls {
            figures.0.push((Probe::Stream, self.stream(&seconds, free)? / 1e9));
            if let Some(timed) = timed {
                figures.0.push((Probe::Paced, self.stream(&seconds, timed)? / 1e9));
            }
        }
        if probes.contains(&Probe::Datagrams) {
            let small = self.iperf(&["-t", &seconds, "-u", "-b", "0", "-l", SMALL])?;
            let packets = received_per_second(&small).ok_or("iperf3 gave no figures")?;
            figures.0.push((Probe::Datagrams, packets / 1e6));
        }
        Ok(figures)
    }

    /// Bits a second of a stream with that congestion control.
    fn stream(&self, seconds: &str, control: &str) -> Result<f64, String> {
        self.ends.iter().try_for_each(|end| congestion::set(end, control)).map_err(|error| error.to_string())?;
        bits_per_second(&self.iperf(&["-t", seconds])?).ok_or_else(|| "iperf3 gave no figures".to_owned())
    }

    /// A program in one of them, on their CPU.
    fn command(&self, end: usize, program: &str) -> Command {
        let mut command = self.ends[end].command("taskset");
        command.args(["-c", &self.cpu.to_string(), program]);
        command
    }

    fn spawn(&self, end: usize, program: &str, arguments: &[&str]) -> Result<Started, String> {
        let mut command = self.command(end, program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = interrupt::spawn(&mut command)
            .map_err(|cause| process::start_error(&command, cause, TASKSET).to_string())?;
        Ok(Started::new(child, Duration::from_secs(2)))
    }

    fn start_echo(&self) -> Result<Started, String> {
        let address = format!("{}:{ECHO_PORT}", ADDRESSES[1]);
        self.spawn(1, &this_program()?, &["echo", "--answer", &address])
    }

    /// Median and 99th percentile of the round trips, in ns, once the first one succeeds.
    fn ask(&self, seconds: &str) -> Result<[f64; 2], String> {
        let (address, deadline) = (format!("{}:{ECHO_PORT}", ADDRESSES[1]), Instant::now() + PATIENCE);
        let ask = |seconds: &str| -> Result<[f64; 2], String> {
            let mut command = self.command(0, &this_program()?);
            command.args(["echo", "--ask", &address, "--seconds", seconds]);
            let printed = process::output(&mut command, TASKSET).map_err(|error| error.to_string())?;
            let mut numbers = printed.split_whitespace().filter_map(|word| word.parse().ok());
            Ok([numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()])
        };
        while ask("1")?[0] == 0.0 {
            if Instant::now() > deadline {
                return Err("no question was answered".to_owned());
            }
        }
        ask(seconds)
    }

    /// What iperf3 says of a run, as JSON.
    fn iperf(&self, arguments: &[&str]) -> Result<String, String> {
        let mut server = self.spawn(1, "iperf3", &["-s", "-1"])?;
        let deadline = Instant::now() + PATIENCE;
        while !self.listens()? {
            if Instant::now() > deadline || !server.is_running() {
                return Err(format!("iperf3 does not listen ({IPERF})"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        let mut client = self.command(0, "iperf3");
        client.args(["-J", "-c", &ADDRESSES[1].to_string()]).args(arguments);
        process::output(&mut client, IPERF).map_err(|error| error.to_string())
    }

    fn listens(&self) -> Result<bool, String> {
        let mut ss = self.ends[1].command("ss");
        ss.args(["-Hltn", "sport = :5201"]);
        Ok(!process::output(&mut ss, TASKSET).map_err(|error| error.to_string())?.is_empty())
    }
}

fn this_program() -> Result<String, String> {
    let path = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(path.display().to_string())
}

/// Bits of a TCP stream that were received in a second.
fn bits_per_second(json: &str) -> Option<f64> {
    let said: serde_json::Value = serde_json::from_str(json).ok()?;
    said["end"]["sum_received"]["bits_per_second"].as_f64()
}

/// Datagrams that were received in a second.
fn received_per_second(json: &str) -> Option<f64> {
    let said: serde_json::Value = serde_json::from_str(json).ok()?;
    let sum = &said["end"]["sum"];
    let (sent, lost) = (sum["packets"].as_f64()?, sum["lost_packets"].as_f64()?);
    Some((sent - lost) / sum["seconds"].as_f64().filter(|seconds| *seconds > 0.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_datagrams_only_those_received_count() {
        let json = r#"{"end":{"sum":{"packets":1000,"lost_packets":400,"seconds":2.0}}}"#;
        assert_eq!(received_per_second(json), Some(300.0));
        let json = r#"{"end":{"sum_received":{"bits_per_second":7e9}}}"#;
        assert_eq!((bits_per_second(json), received_per_second(json), bits_per_second("")), (Some(7e9), None, None));
    }
}
