//! Why packets that the kernel gave were not taken, counted by the worker and read by control.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use wire::virtio_net;

/// Why a packet was not taken. Each is an `rx_error` of the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is nothing behind the header.
    Empty,
    /// It does not fit a buffer, and is not to be cut: somebody inside has enlarged the MTU, or `gso_max_size`.
    TooLong,
    /// The kernel could not say what is left to be done to it, and has thrown it away.
    Kernel,
    /// Its header lies.
    Header(virtio_net::Fault),
}

/// How often which was met.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    empty: AtomicU64,
    too_long: AtomicU64,
    kernel: AtomicU64,
    header: [AtomicU64; virtio_net::Fault::ALL.len()],
}

impl Faults {
    /// Counts one.
    pub(crate) fn count(&self, fault: Fault) {
        let counter = match fault {
            Fault::Empty => &self.empty,
            Fault::TooLong => &self.too_long,
            Fault::Kernel => &self.kernel,
            Fault::Header(fault) => &self.header[fault as usize],
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Those that were met, with what is wrong.
    pub(crate) fn met(&self) -> Vec<(&'static str, u64)> {
        let own = [
            ("nothing behind the header", &self.empty),
            ("longer than a buffer", &self.too_long),
            ("work left that the kernel cannot tell of", &self.kernel),
        ];
        let header = virtio_net::Fault::ALL.map(virtio_net::Fault::text).into_iter().zip(&self.header);
        let met = own.into_iter().chain(header).map(|(text, counter)| (text, counter.load(Relaxed)));
        met.filter(|&(_, count)| count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_met_is_told_and_nothing_else() {
        let faults = Faults::default();
        assert!(faults.met().is_empty());
        for fault in [Fault::TooLong, Fault::Header(virtio_net::Fault::Segments), Fault::TooLong] {
            faults.count(fault);
        }
        assert_eq!(faults.met(), [("longer than a buffer", 2), (virtio_net::Fault::Segments.text(), 1)]);
    }
}
