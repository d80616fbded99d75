//! A load generator that knows what became of every packet.
//!
//! It opens DPDK devices of its own (the other end of a switch's vhost-user or memif port, a veth, a ring) and gives each a
//! number, an *end*. A *stream* goes from one end to another: UDP packets that carry a sequence number, the time and a
//! pattern (`packet.rs`), sent at even distances (`pace.rs`, `stream.rs`). What comes is judged octet by octet (`end.rs`,
//! `tally.rs`): received, lost, duplicated, out of order, torn; the longest time without a packet; and how long it took.
//!
//! Streams may have their sender and their receiver in different processes of one machine, as long as the ends have the
//! same numbers there: all that the receiver needs to know is in the packets.

mod clock;
mod end;
mod gaps;
mod journal;
mod pace;
mod packet;
mod poller;
mod report;
mod seen;
mod stream;
mod table;
mod tally;

use std::{
    io,
    path::PathBuf,
    str::FromStr,
    sync::{
        Arc,
        atomic::AtomicBool,
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::Duration,
};

use clap::Args;
use dpdk::{Eal, EalConfig, EalError, EthError, Pool, PoolError};
use log::LevelFilter;

pub(crate) use crate::generator::{
    packet::{LEN_MAX, LEN_MIN},
    poller::{Poller, Run},
    report::{Latency, Report, StreamRow},
    stream::Traffic,
};

use crate::{
    generator::{
        end::{DESCRIPTORS, End},
        journal::Journal,
        packet::FLOWS_MAX,
    },
    output::{self, OutputError},
};

/// Buffers beside those in the rings of devices.
const SPARE_FRAMES: u32 = 4096;

/// Octets of a buffer.
const BUFFER: u16 = 2048;

/// Memory DPDK needs beside the buffers, in MiB.
const SPARE_MIB: u64 = 48;

/// How to load.
#[derive(Args)]
pub(crate) struct LoadArguments {
    /// An end of the load: its number (1 to 254) and the DPDK device that it is. May be given several times.
    ///
    /// Its hosts have the MACs 02:4c:NUMBER:00:00:00 and on, and the addresses 10.NUMBER.0.0 and on. The number counts in
    /// hexadecimal in the MAC.
    #[arg(long = "port", value_name = "NUMBER=DEVICE", required = true)]
    ports: Vec<PortArgument>,
    /// A direction in which packets are sent: the numbers of two ends. May be given several times; without it packets are
    /// only received.
    #[arg(long = "stream", value_name = "FROM:TO")]
    streams: Vec<StreamArgument>,
    /// Packets a second of each stream; 0 is as many as possible.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    rate: u64,
    /// Packets sent at once at most.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u8).range(1..=64))]
    burst: u8,
    /// Octets of a packet, without FCS.
    #[arg(long, value_name = "OCTETS", default_value_t = LEN_MIN as u16,
          value_parser = clap::value_parser!(u16).range(LEN_MIN as i64..=LEN_MAX as i64))]
    size: u16,
    /// Different five-tuples of each stream.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=FLOWS_MAX as i64))]
    flows: u32,
    /// Hosts of each end: the flows are spread over so many pairs of MACs.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    hosts: u16,
    /// Stop after so many seconds. Without this and --count: on SIGINT or SIGTERM.
    #[arg(long, value_name = "N")]
    seconds: Option<f64>,
    /// Stop when each stream has sent so many packets.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// How long to wait for packets on their way at the end, in milliseconds.
    #[arg(long, value_name = "N", default_value_t = 500)]
    settle_ms: u64,
    /// Rest so many microseconds when there is nothing to do, where a whole core is too much; latencies suffer.
    #[arg(long, value_name = "N", default_value_t = 0)]
    rest_us: u64,
    /// The CPU to poll on.
    #[arg(long)]
    cpu: Option<usize>,
    /// Take memory from hugepages.
    #[arg(long)]
    hugepages: bool,
    /// Also write the report to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write what was sent and received into this file after every turn, so that it outlives a kill.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Say nothing while it runs.
    #[arg(long)]
    quiet: bool,
}

/// `NUMBER=DEVICE`
#[derive(Clone, Debug, PartialEq, Eq)]
struct PortArgument {
    number: u8,
    device: String,
}

impl FromStr for PortArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, device) = text.split_once('=').ok_or("write NUMBER=DEVICE, such as 1=net_memif0,role=client")?;
        Ok(PortArgument { number: end_number(number)?, device: device.to_owned() })
    }
}

/// `FROM:TO`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StreamArgument(u8, u8);

impl FromStr for StreamArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once(':').ok_or("write FROM:TO, such as 1:2")?;
        let (from, to) = (end_number(from)?, end_number(to)?);
        if from == to {
            Err(format!("a stream from {from} to itself has nowhere to go"))
        } else {
            Ok(StreamArgument(from, to))
        }
    }
}

fn end_number(text: &str) -> Result<u8, String> {
    let number = text.parse().ok().filter(|number| (1..=254).contains(number));
    number.ok_or_else(|| format!("{text:?} is no number from 1 to 254"))
}

/// Why there was no load.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("--port {0} is given twice: give each device a number of its own")]
    Twice(u8),
    #[error("--stream {from}:{to}: its packets leave by port {from}, which is not given: add --port {from}=DEVICE", from = .0, to = .1)]
    NoSender(u8, u8),
    #[error("--seconds {0}: it must be a number above 0")]
    Seconds(f64),
    #[error(transparent)]
    Eal(#[from] EalError),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Device(#[from] EthError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("cannot handle signals or start the thread that polls: {0}")]
    Start(io::Error),
    #[error("cannot write the journal: {0}")]
    Journal(io::Error),
    #[error("the thread that polls has died")]
    Died,
}

/// Loads as asked, prints the report, and writes it where asked.
pub(crate) fn run(arguments: &LoadArguments) -> Result<(), LoadError> {
    check(arguments)?;
    let devices: Vec<_> = arguments.ports.iter().map(|port| (port.number, port.device.clone())).collect();
    let mut poller = open(&devices, arguments.hugepages, arguments.quiet)?;
    if let Some(path) = &arguments.journal {
        let journal = Journal::create(path).map_err(|cause| OutputError::Write { path: path.clone(), cause })?;
        poller.journal = Some(journal);
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(LoadError::Start)?;
    }
    let plan = plan(arguments);
    let (tell, told) = sync_channel(4);
    let cpu = arguments.cpu;
    let thread = thread::Builder::new().name("load".to_owned()).spawn(move || {
        if let Some(id) = cpu {
            core_affinity::set_for_current(core_affinity::CoreId { id });
        }
        poller.run(&plan, &stop, &tell)
    });
    show_progress(&told, arguments.quiet);
    let report = thread.map_err(LoadError::Start)?.join().map_err(|_| LoadError::Died)?.map_err(LoadError::Journal)?;
    print!("{}", table::table(&report));
    if let Some(path) = &arguments.json {
        output::write_json(path, &report)?;
    }
    Ok(())
}

fn check(arguments: &LoadArguments) -> Result<(), LoadError> {
    let mut numbers: Vec<_> = arguments.ports.iter().map(|port| port.number).collect();
    for StreamArgument(from, to) in &arguments.streams {
        if !numbers.contains(from) {
            return Err(LoadError::NoSender(*from, *to));
        }
    }
    numbers.sort_unstable();
    if let Some(twice) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(LoadError::Twice(twice[0]));
    }
    match arguments.seconds {
        Some(seconds) if Duration::try_from_secs_f64(seconds).is_err() || seconds == 0.0 => {
            Err(LoadError::Seconds(seconds))
        }
        _ => Ok(()),
    }
}

fn plan(arguments: &LoadArguments) -> Run {
    let traffic = Traffic {
        rate: (arguments.rate > 0).then_some(arguments.rate),
        burst: arguments.burst.into(),
        size: arguments.size.into(),
        flows: arguments.flows,
        hosts: arguments.hosts,
        count: arguments.count,
    };
    Run {
        traffic,
        streams: arguments.streams.iter().map(|StreamArgument(from, to)| (*from, *to)).collect(),
        duration: arguments.seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        settle: Duration::from_millis(arguments.settle_ms),
        rest: Duration::from_micros(arguments.rest_us),
    }
}

/// Starts DPDK and opens the devices, each with its number.
pub(crate) fn open(devices: &[(u8, String)], hugepages: bool, quiet: bool) -> Result<Poller, LoadError> {
    let frames = SPARE_FRAMES + devices.len() as u32 * 2 * u32::from(DESCRIPTORS);
    let memory_mib = (Pool::memory_needed(frames, BUFFER, hugepages) >> 20) + SPARE_MIB;
    let eal = Eal::init(&EalConfig {
        hugepages,
        memory_mib: if hugepages { 0 } else { memory_mib as u32 },
        file_prefix: Some(format!("millrace-load-{}", std::process::id())),
        log_level: LevelFilter::Error,
        ..EalConfig::default()
    })?;
    let pool = Pool::create(&eal, "load", frames, BUFFER, None)?;
    let mut ends = Vec::new();
    for (number, device) in devices {
        ends.push(End::open(&eal, *number, device, &pool)?);
        if !quiet {
            eprintln!("port {number}: {device} is open");
        }
    }
    Ok(Poller { ends, pool, journal: None })
}

/// Until the run is over.
fn show_progress(told: &Receiver<Vec<StreamRow>>, quiet: bool) {
    for (seconds, rows) in told.iter().enumerate() {
        if !quiet {
            eprintln!("{}", table::progress(seconds as u64, &rows));
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        load: LoadArguments,
    }

    fn arguments(line: &str) -> Result<LoadArguments, String> {
        let words = std::iter::once("load").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.load).map_err(|error| error.to_string())
    }

    #[test]
    fn a_line_says_what_is_sent_where() {
        let arguments =
            arguments("--port 1=net_null0,size=64 --port 2=net_null1 --stream 1:2 --stream 2:3 --seconds 0.5 --rate 0")
                .unwrap();
        assert!(check(&arguments).is_ok(), "the end that receives may be elsewhere");
        let plan = plan(&arguments);
        assert_eq!(plan.streams, [(1, 2), (2, 3)]);
        assert_eq!((plan.traffic.rate, plan.duration), (None, Some(Duration::from_millis(500))));
        assert_eq!(arguments.ports[0].device, "net_null0,size=64");
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_value_and_the_fix() {
        for (line, said) in [
            ("--port net_null0", "write NUMBER=DEVICE"),
            ("--port 0=net_null0", "\"0\" is no number from 1 to 254"),
            ("--port 1=x --stream 1", "write FROM:TO"),
            ("--port 1=x --stream 1:1", "nowhere to go"),
            ("--port 1=x --size 63", "64..=1514"),
        ] {
            let error = arguments(line).err().unwrap_or_default();
            assert!(error.contains(said), "{line}: {error}");
        }
        for (line, said) in [
            ("--port 1=x --stream 2:1", "add --port 2=DEVICE"),
            ("--port 1=x --port 1=y", "--port 1 is given twice"),
            ("--port 1=x --seconds=-1", "--seconds -1: it must be a number above 0"),
            ("--port 1=x --seconds nan", "above 0"),
        ] {
            let error = check(&arguments(line).unwrap()).unwrap_err().to_string();
            assert!(error.contains(said), "{line}: {error}");
        }
    }

    /// The only test of this program that starts DPDK.
    #[test]
    fn over_shared_memory_every_packet_arrives_once_and_whole() {
        let folder = crate::folder::Folder::create().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let memif =
            |end: u8, role: &str| format!("{end}=net_memif{end},role={role},socket-abstract=no,socket={}", file("m"));
        let line = format!(
            "--port {} --port {} --stream 1:2 --stream 2:1 --count 3000 --rate 20000 --flows 7 --size 300 --quiet \
             --seconds 30 --settle-ms 5000 --json {} --journal {}",
            memif(1, "server"),
            memif(2, "client"),
            file("report"),
            file("journal"),
        );
        run(&arguments(&line).unwrap()).unwrap();
        let read =
            |name: &str| -> serde_json::Value { serde_json::from_slice(&std::fs::read(file(name)).unwrap()).unwrap() };
        let report = read("report");
        for (at, number) in [1, 2].into_iter().enumerate() {
            let (stream, port) = (&report["streams"][at], &report["ports"][at]);
            assert_eq!((&stream["from"], &port["port"]), (&number.into(), &number.into()));
            assert_eq!(
                (&stream["sent"], &stream["received"], &stream["lost"]),
                (&3000.into(), &3000.into(), &0.into())
            );
            assert_eq!((&stream["duplicated"], &stream["reordered"], &port["torn"]), (&0.into(), &0.into(), &0.into()));
            assert!(stream["latency_us"]["max"].as_f64() > Some(0.0), "{stream}");
            let journal = &read("journal")["ports"][at];
            assert_eq!((&journal["sent"], &journal["received"]), (&3000.into(), &port["received"]));
        }
    }
}
