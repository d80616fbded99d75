//! The kinds of work that are measured, and the configuration in which the switch does each.

use std::{fmt::Write, path::Path};

use wire::outer::OUTER_IPV4_LEN;

use crate::load::{INNER_LEN, LOCAL_VTEP, LOCAL_VTEP_MAC, Load, NETWORK, REMOTE_VTEP, REMOTE_VTEP_MAC, Shape, mac};

/// Buffers beside those the capture is kept in: what workers and devices hold.
const SPARE_FRAMES: u32 = 16_384;

/// What the switch's ports are called.
pub(crate) const IN: &str = "in";
pub(crate) const OUT: &str = "out";

/// What the switch does with the frames of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Work {
    /// From one access port to another, by MAC.
    L2,
    /// From an access port into a tunnel.
    VxlanEncap,
    /// Out of a tunnel to an access port.
    VxlanDecap,
}

impl Work {
    pub(crate) const ALL: [Work; 3] = [Work::L2, Work::VxlanEncap, Work::VxlanDecap];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::L2 => "l2",
            Work::VxlanEncap => "vxlan-encap",
            Work::VxlanDecap => "vxlan-decap",
        }
    }

    /// What comes in.
    pub(crate) fn shape(self) -> Shape {
        match self {
            Work::L2 | Work::VxlanEncap => Shape::Plain,
            Work::VxlanDecap => Shape::Vxlan,
        }
    }

    /// Those of `wanted`, of all where none is, that are done to loads of one shape.
    pub(crate) fn of(shape: Shape, wanted: &[Work]) -> impl Iterator<Item = Work> {
        let wanted = |work: &Work| wanted.is_empty() || wanted.contains(work);
        Work::ALL.into_iter().filter(wanted).filter(move |work| work.shape() == shape)
    }

    /// Octets of every frame that goes out.
    pub(crate) fn sent_len(self) -> usize {
        match self {
            Work::L2 | Work::VxlanDecap => INNER_LEN,
            Work::VxlanEncap => OUTER_IPV4_LEN + INNER_LEN,
        }
    }

    /// Where the destinations of the frames are: the verdict about each flow names it.
    pub(crate) fn egress(self) -> &'static str {
        match self {
            Work::L2 | Work::VxlanDecap => OUT,
            Work::VxlanEncap => TUNNEL,
        }
    }
}

const TUNNEL: &str = "to-remote";

/// A switch that does one kind of work on one load: one worker that never rests, a port that replays the capture for
/// ever, a port that throws away, and every destination known beforehand.
pub(crate) struct Bench<'a> {
    pub(crate) work: Work,
    /// Every packet keyed by its five-tuple.
    pub(crate) five_tuples: bool,
    pub(crate) load: &'a Load,
    pub(crate) capture: &'a Path,
    pub(crate) socket: &'a Path,
    /// The CPU of the worker.
    pub(crate) cpu: u32,
    /// Frames it takes at once, where it is not to be what it does by itself.
    pub(crate) burst: Option<u32>,
    pub(crate) hugepages: bool,
}

impl Bench<'_> {
    /// The configuration file.
    pub(crate) fn config(&self) -> String {
        let mut text = self.switch();
        let replay = format!("net_pcap0,rx_pcap={},infinite_rx=1", self.capture.display());
        text += &port(IN, &replay, self.work == Work::VxlanDecap);
        text += &port(OUT, "net_null0,no-rx=1", self.work == Work::VxlanEncap);
        text += &self.network();
        match self.work {
            Work::L2 => {}
            Work::VxlanEncap => text += &tunnel(OUT),
            Work::VxlanDecap => text += &tunnel(IN),
        }
        text
    }

    fn switch(&self) -> String {
        let (socket, cpu) = (self.socket.display(), self.cpu);
        let pages = if self.hugepages { "always" } else { "never" };
        let frames = self.load.packet_count() + SPARE_FRAMES;
        let flows_max = 2 * self.load.packet_count();
        let burst = self.burst.map(|burst| format!("burst = {burst}\n")).unwrap_or_default();
        format!(
            "[switch]\nname = \"perf-{}\"\nsocket = \"{socket}\"\n\n\
             [workers]\ncores = [{cpu}]\nidle = \"busy\"\n{burst}\n\
             [memory]\nhugepages = \"{pages}\"\nframes = {frames}\n\n\
             [tables]\nflows_max = {flows_max}\n",
            std::process::id()
        )
    }

    fn network(&self) -> String {
        let (place, name) = match self.work {
            Work::L2 | Work::VxlanDecap => ("port", OUT),
            Work::VxlanEncap => ("tunnel", TUNNEL),
        };
        let tunnels = if self.work == Work::L2 { String::new() } else { format!("tunnels = [\"{TUNNEL}\"]\n") };
        let flow_key = if self.five_tuples { "five-tuple" } else { "mac" };
        let mut text =
            format!("\n[[network]]\nname = \"net\"\nvni = {NETWORK}\nflow_key = \"{flow_key}\"\n{tunnels}static = [\n");
        for pair in 0..self.load.mac_pairs {
            let _ = writeln!(text, "    {{ mac = \"{}\", {place} = \"{name}\" }},", mac(2, pair));
        }
        text + "]\n"
    }
}

fn port(name: &str, device: &str, is_uplink: bool) -> String {
    let role = match is_uplink {
        true => format!("role = \"uplink\"\nmac = \"{LOCAL_VTEP_MAC}\"\naddresses = [\"{LOCAL_VTEP}/24\"]\n"),
        false => "network = \"net\"\nanti_spoof = false\n".to_owned(),
    };
    format!("\n[[port]]\nname = \"{name}\"\nkind = \"eth\"\ndevice = \"{device}\"\n{role}")
}

fn tunnel(uplink: &str) -> String {
    format!(
        "\n[[tunnel]]\nname = \"{TUNNEL}\"\nuplink = \"{uplink}\"\nremote = \"{REMOTE_VTEP}\"\n\
         next_hop_mac = \"{REMOTE_VTEP_MAC}\"\n"
    )
}

#[cfg(test)]
mod tests {
    use control::config::{self, Config, FlowKey};

    use super::*;

    fn load(work: Work, five_tuples: bool) -> Config {
        let load = Load { shape: work.shape(), flows: 100_000, mac_pairs: 64, seed: 1 };
        let (capture, socket) = (Path::new("/tmp/load.pcap"), Path::new("/tmp/switch.sock"));
        let bench = Bench { work, five_tuples, load: &load, capture, socket, cpu: 1, burst: Some(8), hugepages: true };
        let text = bench.config();
        config::load(&text, work.name()).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"))
    }

    #[test]
    fn the_switch_takes_each_configuration_without_a_warning() {
        for work in Work::ALL {
            let config = load(work, false);
            assert_eq!(load(work, true).networks[0].flow_key, FlowKey::FiveTuple);
            assert_eq!(config.networks[0].flow_key, FlowKey::Mac);
            assert!(config.warnings.is_empty(), "{:?}", config.warnings);
            assert_eq!(config.networks[0].statics.len(), 64, "{work:?}");
            assert_eq!(config.tables.flows_max, 200_000);
            assert_eq!(config.workers.burst, 8);
            assert!(config.memory.frames > 100_000, "the capture is kept in buffers");
        }
    }

    #[test]
    fn tunnel_packets_are_addressed_to_the_uplink_they_come_in_by() {
        let config = load(Work::VxlanDecap, false);
        let uplink = config.port(IN).unwrap();
        assert!(uplink.is_uplink() && uplink.mac == Some(LOCAL_VTEP_MAC) && uplink.has_address(LOCAL_VTEP.into()));
        assert_eq!((config.tunnels[0].remote, config.tunnels[0].udp_port), (REMOTE_VTEP.into(), wire::vxlan::PORT));
        assert!(load(Work::VxlanEncap, false).port(OUT).unwrap().is_uplink());
        assert!(load(Work::L2, false).tunnels.is_empty());
    }
}
