//! The overlay round trip: out of a tunnel, to a guest, which sends every frame back, and into the tunnel again. Both halves
//! are one worker's work.

use std::{fmt::Write, path::Path, process::Command, thread};

use api::{Ports, Request};
use serde::Serialize;

use super::{Vhost, containers, pipeline::Plan};
use crate::{
    folder::Folder,
    load::{LOCAL_VTEP, LOCAL_VTEP_MAC, Load, NETWORK, REMOTE_VTEP, REMOTE_VTEP_MAC, Shape, mac},
    millraced, pcap,
    report::two_digits_of_some,
    run,
    sample::{self, Sample},
    testpmd::{Mode, Running, Sink, Testpmd},
    traffic,
};

/// Five-tuples of the loads, and pairs of MACs they are spread over.
const FLOWS: [u32; 2] = [1000, 100_000];
const MAC_PAIRS: u32 = 64;

/// Buffers beside those the capture is kept in.
const SPARE_FRAMES: u32 = 16_384;

/// Frames that may come in and not go out again, as a share: more, and the guest was too slow for the switch.
const LOST_MAX: f64 = 0.05;

const UPLINK: &str = "uplink";
const GUEST: &str = "guest";

/// CPU ns a round trip, beside what it takes to pass the same capture on without a look.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    flows: u32,
    /// Whether every packet is keyed by its five-tuple, both ways.
    five_tuples: bool,
    #[serde(serialize_with = "two_digits_of_some")]
    floor_ns: Option<f64>,
    #[serde(serialize_with = "two_digits_of_some")]
    ours_ns: Option<f64>,
    #[serde(serialize_with = "two_digits_of_some")]
    over_floor_ns: Option<f64>,
    /// Why something above is missing.
    refused: Vec<String>,
}

impl Row {
    fn new(flows: u32, five_tuples: bool, floor: &Taken, ours: &Taken) -> Row {
        let mut refused = Vec::new();
        let [floor_ns, ours_ns] = [("testpmd io", floor), ("millraced", ours)]
            .map(|(name, taken)| taken.usable().map_err(|why| refused.push(format!("{name}: {why}"))).ok());
        let over_floor_ns = ours_ns.zip(floor_ns).map(|(ours, floor)| ours - floor);
        Row { flows, five_tuples, floor_ns, ours_ns, over_floor_ns, refused }
    }

    pub(super) fn is_refused(&self) -> bool {
        !self.refused.is_empty()
    }
}

/// Measurements of one program.
#[derive(Default)]
struct Taken {
    samples: Vec<Sample>,
    failed: Option<String>,
    /// Why the last round without a figure has none.
    missed: Option<String>,
}

/// Why there is no figure of a round.
enum Miss {
    /// It would be so the next time, too.
    Failed(String),
    /// Others may have had the guest's CPU.
    TooSlow(String),
}

impl From<String> for Miss {
    fn from(why: String) -> Miss {
        Miss::Failed(why)
    }
}

impl Taken {
    fn take(&mut self, again: u32, measure: impl Fn() -> Result<Sample, Miss>) {
        if self.failed.is_some() {
            return;
        }
        for _ in 0..=again {
            match measure() {
                Ok(sample) if sample.is_disturbed() => {
                    eprint!("{:.1} ns, disturbed ... ", sample.packet_ns());
                    self.missed = Some(sample.disturbance.to_string());
                }
                Err(Miss::TooSlow(why)) => {
                    eprint!("{why} ... ");
                    self.missed = Some(why);
                }
                Ok(sample) => {
                    eprintln!("{:.1} ns", sample.packet_ns());
                    return self.samples.push(sample);
                }
                Err(Miss::Failed(why)) => {
                    eprintln!("FAILED: {why}");
                    self.failed = Some(why);
                    return;
                }
            }
        }
        eprintln!("no figure");
    }

    fn usable(&self) -> Result<f64, String> {
        match (&self.failed, sample::median(&self.samples)) {
            (Some(why), _) => Err(why.clone()),
            (None, None) => Err(self.missed.clone().unwrap_or_else(|| "no round was run".to_owned())),
            (None, Some(middle)) => Ok(middle.packet_ns()),
        }
    }
}

/// Every load, keyed by MACs and by five-tuples, in turns with the floor.
pub(super) fn measure(arguments: &Vhost, folder: &Folder) -> Vec<Row> {
    let plan = &Plan::of(arguments);
    let millraced = arguments.millraced.clone().unwrap_or_else(run::millraced_beside_us);
    let mut rows = Vec::new();
    for flows in FLOWS {
        let load = Load { shape: Shape::Vxlan, flows, mac_pairs: MAC_PAIRS, seed: 1 };
        let capture = folder.path().join("overlay.pcap");
        let trip = Trip { arguments, millraced: &millraced, load, capture: &capture, folder: folder.path(), plan };
        let written = pcap::write_file(&capture, load.packets()).map_err(|error| error.to_string());
        let mut floor = Taken { failed: written.err(), ..Taken::default() };
        let mut ours = [Taken::default(), Taken::default()];
        for round in 1..=plan.rounds {
            eprint!("[{round}/{}] overlay, flows: {flows}, testpmd io ... ", plan.rounds);
            floor.take(plan.again, || trip.floor());
            for (five_tuples, ours) in [false, true].into_iter().zip(&mut ours) {
                let keys = if five_tuples { "five-tuples" } else { "MACs" };
                eprint!("[{round}/{}] overlay, flows: {flows}, millraced by {keys} ... ", plan.rounds);
                ours.take(plan.again, || trip.ours(five_tuples));
            }
        }
        rows.extend([false, true].into_iter().zip(&ours).map(|(by, ours)| Row::new(flows, by, &floor, ours)));
    }
    rows
}

/// One load on its way.
struct Trip<'a> {
    arguments: &'a Vhost,
    millraced: &'a Path,
    load: Load,
    capture: &'a Path,
    folder: &'a Path,
    plan: &'a Plan,
}

impl Trip<'_> {
    fn floor(&self) -> Result<Sample, Miss> {
        let &Vhost { ref testpmd, cpu, .. } = self.arguments;
        let (packets, capture, sink) = (self.load.packet_count(), self.capture, Sink::Null);
        let testpmd =
            Testpmd { program: testpmd, mode: Mode::Io, capture, packets, cpu, burst: None, hugepages: true, sink };
        testpmd.measure(self.plan.warm_up, self.plan.window).map_err(|error| Miss::Failed(error.to_string()))
    }

    /// CPU time for every frame that came back into the tunnel.
    fn ours(&self, five_tuples: bool) -> Result<Sample, Miss> {
        let said = |error: millraced::MillracedError| error.to_string();
        let guest_socket = self.folder.join("overlay.sock");
        let _ = std::fs::remove_file(&guest_socket);
        let text = self.config(&self.folder.join(millraced::SOCKET), &guest_socket, five_tuples);
        let mut switch = millraced::Running::start(self.millraced, self.folder, &text).map_err(said)?;
        let mut control = switch.ready().map_err(said)?;
        let worker = switch.worker(self.arguments.cpu).map_err(said)?;
        let guest = self.guest(&guest_socket)?;
        let mut read = || -> Result<_, String> {
            let ports = control.ask(&Request::ShowPorts, traffic::ports).map_err(|error| error.to_string())?;
            Ok((Turned::of(&ports), worker.mark().ok_or("millraced ended while it was measured")?))
        };
        thread::sleep(self.plan.warm_up);
        let before = read()?;
        thread::sleep(self.plan.window);
        let after = read()?;
        let turned = after.0.since(before.0);
        drop((guest, control));
        switch.stop().map_err(said)?;
        turned.objection().map_or_else(|| Ok(after.1.since(&before.1, turned.sent)), |why| Err(Miss::TooSlow(why)))
    }

    /// The guest: it swaps the MACs of whatever comes and sends it back.
    fn guest(&self, socket: &Path) -> Result<Running, String> {
        let (cpu, prefix) = (self.arguments.containers_cpu, Running::prefix());
        let mut command = Command::new(&self.arguments.testpmd);
        command.args(containers::eal(cpu, cpu, &prefix));
        command.arg(format!("--vdev=net_virtio_user0,path={},server=1,queue_size=1024", socket.display()));
        command.args(["--", "-i", "--no-mlockall", "--forward-mode=macswap", "--total-num-mbufs=16384"]);
        command.args(["--rxd=1024", "--txd=1024"]);
        let guest = Running::spawn(command, prefix).and_then(|guest| guest.begin("start", cpu));
        guest.map(|(guest, _)| guest).map_err(|error| format!("the guest: {error}"))
    }

    /// The switch: an uplink that replays the capture for ever and takes everything, the guest's port, the tunnel between
    /// both VTEPs, and every station known beforehand.
    fn config(&self, socket: &Path, guest: &Path, five_tuples: bool) -> String {
        let (cpu, frames) = (self.arguments.cpu, self.load.packet_count() + SPARE_FRAMES);
        let (flow_key, flows_max) = (if five_tuples { "five-tuple" } else { "mac" }, 4 * self.load.packet_count());
        let mut text = format!(
            "[switch]\nname = \"perf-{}\"\nsocket = \"{}\"\n\n[workers]\ncores = [{cpu}]\nidle = \"busy\"\n\n\
             [memory]\nhugepages = \"always\"\nframes = {frames}\n\n[tables]\nflows_max = {flows_max}\n\n\
             [[port]]\nname = \"{UPLINK}\"\nkind = \"eth\"\ndevice = \"net_pcap0,rx_pcap={},infinite_rx=1\"\n\
             role = \"uplink\"\nmac = \"{LOCAL_VTEP_MAC}\"\naddresses = [\"{LOCAL_VTEP}/24\"]\n\n\
             [[port]]\nname = \"{GUEST}\"\nkind = \"vhost-user\"\nsocket = \"{}\"\nnetwork = \"net\"\nanti_spoof = false\n\n\
             [[tunnel]]\nname = \"remote\"\nuplink = \"{UPLINK}\"\nremote = \"{REMOTE_VTEP}\"\n\
             next_hop_mac = \"{REMOTE_VTEP_MAC}\"\n\n\
             [[network]]\nname = \"net\"\nvni = {NETWORK}\nflow_key = \"{flow_key}\"\ntunnels = [\"remote\"]\nstatic = [\n",
            std::process::id(),
            socket.display(),
            self.capture.display(),
            guest.display(),
        );
        for pair in 0..self.load.mac_pairs {
            let _ = writeln!(text, "    {{ mac = \"{}\", port = \"{GUEST}\" }},", mac(2, pair));
            let _ = writeln!(text, "    {{ mac = \"{}\", tunnel = \"remote\" }},", mac(1, pair));
        }
        text + "]\n"
    }
}

/// Frames that came in by the uplink, and that went out by it.
#[derive(Clone, Copy, Debug, Default)]
struct Turned {
    received: u64,
    sent: u64,
}

impl Turned {
    fn of(ports: &Ports) -> Turned {
        let uplink = ports.ports.iter().find(|port| port.name == UPLINK);
        uplink.map_or(Turned::default(), |uplink| Turned { received: uplink.rx_frames, sent: uplink.tx_frames })
    }

    fn since(self, earlier: Turned) -> Turned {
        Turned { received: self.received - earlier.received, sent: self.sent - earlier.sent }
    }

    /// What is wrong with these counts.
    fn objection(self) -> Option<String> {
        let Turned { received, sent } = self;
        let is_lost = received == 0 || (received.saturating_sub(sent)) as f64 > LOST_MAX * received as f64;
        is_lost.then(|| format!("{received} frames came out of the tunnel and {sent} went back: the guest is too slow"))
    }
}

/// A line for each load and way of keying.
pub(super) fn table(rows: &[Row]) -> String {
    let number = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.1}"));
    let mut text =
        format!("{:<30} {:>7} {:>7} {:>7} {:>7}\n", "overlay: decap, guest, encap", "flows", "floor", "ours", "over");
    for row in rows {
        let keys = if row.five_tuples { "keyed by five-tuples" } else { "keyed by MACs" };
        let [floor, ours, over] = [row.floor_ns, row.ours_ns, row.over_floor_ns].map(number);
        text += &format!("{keys:<30} {:>7} {floor:>7} {ours:>7} {over:>7}\n", row.flows);
        for why in &row.refused {
            text += &format!("    not compared: {why}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use clap::Parser;
    use control::config::{self, FlowKey};

    use super::*;
    use crate::sample::tests::second;

    fn arguments() -> Vhost {
        let cli = crate::Cli::parse_from(["perf", "vhost"]);
        let crate::Command::Vhost(vhost) = cli.command else { panic!("that is `vhost`") };
        vhost
    }

    #[test]
    fn the_switch_takes_the_configuration_both_ways_of_keying() {
        let plan = Plan { rounds: 1, warm_up: Duration::ZERO, window: Duration::ZERO, again: 0 };
        let (arguments, load) = (arguments(), Load { shape: Shape::Vxlan, flows: 1000, mac_pairs: 64, seed: 1 });
        let [millraced, capture, folder] = ["millraced", "/tmp/x.pcap", "/tmp"].map(PathBuf::from);
        let trip = Trip {
            arguments: &arguments,
            millraced: &millraced,
            load,
            capture: &capture,
            folder: &folder,
            plan: &plan,
        };
        for (five_tuples, key) in [(false, FlowKey::Mac), (true, FlowKey::FiveTuple)] {
            let text = trip.config(Path::new("/tmp/switch.sock"), Path::new("/tmp/guest.sock"), five_tuples);
            let config = config::load(&text, "overlay").unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
            assert!(config.warnings.is_empty(), "{:?}", config.warnings);
            assert_eq!((config.networks[0].flow_key, config.networks[0].statics.len()), (key, 128));
        }
    }

    #[test]
    fn a_guest_that_is_too_slow_is_no_figure() {
        let objection = |received, sent| Turned { received, sent }.objection();
        assert_eq!(objection(1000, 990), None);
        assert!(objection(1000, 900).is_some_and(|why| why.contains("900 went back")) && objection(0, 0).is_some());
    }

    #[test]
    fn a_row_is_beside_its_floor_and_says_what_is_missing() {
        let taken = |packets| Taken { samples: vec![second(packets, 1000)], ..Taken::default() };
        let row = Row::new(1000, true, &taken(50_000_000), &taken(8_000_000));
        assert_eq!((row.floor_ns, row.ours_ns, row.over_floor_ns), (Some(20.0), Some(125.0), Some(105.0)));
        let text = table(&[row, Row::new(1000, false, &taken(50_000_000), &Taken::default())]);
        assert!(text.contains("keyed by five-tuples              1000    20.0   125.0   105.0"), "{text}");
        assert!(text.ends_with("    not compared: millraced: no round was run\n"), "{text}");
    }
}
