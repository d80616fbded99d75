//! Who receives what and who sends it: the switches that are compared, and their configurations.

use std::{fmt::Write, path::Path};

use crate::load::{Load, mac};

/// Buffers beside those the captures are kept in: what workers, rings between them and devices hold.
const SPARE_FRAMES: u32 = 24_576;

/// What streams have in common is nothing: each has a network of its own, one port it comes in by and one it leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One worker, on one CPU, with one stream.
    Alone,
    /// A worker on each CPU, with a stream of its own.
    Apart,
    /// The same, but each stream leaves by a port that the other worker holds: every packet is handed over.
    Crossed,
}

impl Layout {
    pub(super) const ALL: [Layout; 3] = [Layout::Alone, Layout::Apart, Layout::Crossed];

    pub(super) fn name(self) -> &'static str {
        match self {
            Layout::Alone => "alone",
            Layout::Apart => "apart",
            Layout::Crossed => "crossed",
        }
    }

    /// Workers, which is also the number of streams.
    pub(super) fn workers(self) -> usize {
        match self {
            Layout::Alone => 1,
            Layout::Apart | Layout::Crossed => 2,
        }
    }

    /// The worker that holds the port by which a stream leaves.
    fn sender(self, stream: usize) -> usize {
        match self {
            Layout::Alone | Layout::Apart => stream,
            Layout::Crossed => 1 - stream,
        }
    }
}

/// A switch whose streams never end and whose destinations are all known beforehand.
pub(super) struct Bench<'a> {
    pub(super) layout: Layout,
    pub(super) load: &'a Load,
    pub(super) capture: &'a Path,
    pub(super) socket: &'a Path,
    /// The CPU of each worker.
    pub(super) cpus: &'a [u32],
    pub(super) hugepages: bool,
}

impl Bench<'_> {
    /// The configuration file.
    pub(super) fn config(&self) -> String {
        let mut text = self.switch();
        for stream in 0..self.layout.workers() {
            self.stream(stream, &mut text);
        }
        text
    }

    fn switch(&self) -> String {
        let Bench { layout, load, socket, hugepages, .. } = *self;
        let pages = if hugepages { "always" } else { "never" };
        let frames = layout.workers() as u32 * load.packet_count() + SPARE_FRAMES;
        format!(
            "[switch]\nname = \"scale-{}\"\nsocket = \"{}\"\n\n\
             [workers]\ncores = {:?}\nidle = \"busy\"\n\n\
             [memory]\nhugepages = \"{pages}\"\nframes = {frames}\n\n\
             [tables]\nflows_max = {}\n",
            std::process::id(),
            socket.display(),
            &self.cpus[..layout.workers()],
            2 * load.packet_count(),
        )
    }

    fn stream(&self, stream: usize, text: &mut String) {
        let replay = format!("net_pcap{stream},rx_pcap={},infinite_rx=1", self.capture.display());
        port("in", stream, &replay, stream, text);
        port("out", stream, &format!("net_null{stream},no-rx=1"), self.layout.sender(stream), text);
        let _ = writeln!(text, "\n[[network]]\nname = \"net-{stream}\"\nvni = {}\nstatic = [", 100 + stream);
        for pair in 0..self.load.mac_pairs {
            let _ = writeln!(text, "    {{ mac = \"{}\", port = \"out-{stream}\" }},", mac(2, pair));
        }
        text.push_str("]\n");
    }
}

fn port(name: &str, stream: usize, device: &str, worker: usize, text: &mut String) {
    let _ = writeln!(
        text,
        "\n[[port]]\nname = \"{name}-{stream}\"\nkind = \"eth\"\ndevice = \"{device}\"\nworkers = [{worker}]\n\
         network = \"net-{stream}\"\nanti_spoof = false"
    );
}

#[cfg(test)]
mod tests {
    use control::config;

    use super::*;
    use crate::load::Shape;

    #[test]
    fn the_switch_takes_each_layout_without_a_warning() {
        let load = Load { shape: Shape::Plain, flows: 10_000, mac_pairs: 64, seed: 1 };
        let (capture, socket) = (Path::new("/tmp/load.pcap"), Path::new("/tmp/switch.sock"));
        for layout in Layout::ALL {
            let text = Bench { layout, load: &load, capture, socket, cpus: &[1, 0], hugepages: true }.config();
            let config = config::load(&text, layout.name()).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
            assert!(config.warnings.is_empty(), "{:?}", config.warnings);
            assert_eq!((config.ports.len(), config.networks.len()), (2 * layout.workers(), layout.workers()));
        }
    }

    #[test]
    fn every_packet_is_handed_over_only_where_they_cross() {
        assert_eq!((Layout::Apart.sender(0), Layout::Apart.sender(1)), (0, 1));
        assert_eq!((Layout::Crossed.sender(0), Layout::Crossed.sender(1)), (1, 0));
    }
}
