//! The other peer: the kernel's own bridge and VXLAN, between veth pairs in a namespace.
//!
//! testpmd writes the capture into one end of a veth pair by AF_PACKET, and the kernel does the rest in the same thread's
//! time, or in that of its helper on the same CPU. The floor is the same with a veth pair that leads nowhere: so what is
//! left is what bridge and tunnel cost. No figure of the kernel's includes a NIC, as none of ours does.

use std::{fs, path::Path, thread, time::Duration};

use crate::{
    load::{LOCAL_VTEP, LOCAL_VTEP_MAC, Load, NETWORK, REMOTE_VTEP, REMOTE_VTEP_MAC, mac},
    poll_core::PollThread,
    process::{Namespace, ProcessError},
    sample::Sample,
    testpmd::{Mode, Sink, Testpmd, TestpmdError},
    work::Work,
};

/// Why the kernel gave no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KernelError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    Testpmd(#[from] TestpmdError),
    #[error("interface {0} has no counters")]
    NoCounters(&'static str),
    #[error("no frame arrived at interface {0}")]
    Nothing(&'static str),
}

/// What the kernel does with the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Takes them off the wire and throws them away.
    Nowhere,
    /// This work.
    To(Work),
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Kernel<'a> {
    pub(crate) way: Way,
    pub(crate) testpmd: &'a Path,
    pub(crate) load: &'a Load,
    pub(crate) capture: &'a Path,
    pub(crate) cpu: u32,
    pub(crate) hugepages: bool,
}

/// The end that testpmd writes to, the one the kernel gets it by, and the pair it leaves by.
const WRITER: &str = "w0";
const INSIDE: &str = "w1";
const EXIT: &str = "x0";
const SINK: &str = "x1";

impl Kernel<'_> {
    /// Forwards for `warm_up`, then measures for `window`; counts what arrived at the other end.
    pub(crate) fn measure(&self, warm_up: Duration, window: Duration) -> Result<Sample, KernelError> {
        let namespace = Namespace::create("kernel")?;
        for (one, other) in [(WRITER, INSIDE), (EXIT, SINK)] {
            namespace.ip(&format!("link add {one} type veth peer name {other}"))?;
        }
        self.set_up(&namespace)?;
        for interface in [WRITER, INSIDE, EXIT, SINK] {
            namespace.ip(&format!("link set {interface} up"))?;
        }
        let end = if self.way == Way::Nowhere { INSIDE } else { SINK };
        let sink = Sink::Interface { namespace: &namespace, name: WRITER };
        let Kernel { testpmd: program, load, capture, cpu, hugepages, .. } = *self;
        let packets = load.packet_count();
        let testpmd = Testpmd { program, mode: Mode::Io, capture, packets, cpu, burst: None, hugepages, sink };
        let (running, thread) = testpmd.begin()?;
        let helper = PollThread::of_kernel(&format!("ksoftirqd/{cpu}"), cpu);
        let mark = || (thread.mark(), helper.as_ref().and_then(PollThread::cpu_time).unwrap_or_default());
        thread::sleep(warm_up);
        let (before, (start, helped_before)) = (arrived(&namespace, end)?, mark());
        thread::sleep(window);
        let (after, (stop, helped_after)) = (arrived(&namespace, end)?, mark());
        running.end();
        let (Some(start), Some(stop)) = (start, stop) else { return Err(KernelError::Nothing(end)) };
        if after <= before {
            return Err(KernelError::Nothing(end));
        }
        let mut sample = stop.since(&start, after - before);
        // While the helper works testpmd waits, and is not disturbed by that.
        let helped = helped_after.saturating_sub(helped_before);
        sample.cpu += helped;
        sample.disturbance.waited = sample.disturbance.waited.saturating_sub(helped);
        sample.disturbance.switches = 0;
        Ok(sample)
    }

    /// Bridge, tunnel and their tables.
    fn set_up(&self, namespace: &Namespace) -> Result<(), KernelError> {
        let Way::To(work) = self.way else { return Ok(()) };
        namespace.ip("link add br0 type bridge mcast_snooping 0")?;
        let (from, to) = match work {
            Work::L2 => (INSIDE, EXIT),
            Work::VxlanEncap => (INSIDE, "vx"),
            Work::VxlanDecap => ("vx", EXIT),
        };
        if work != Work::L2 {
            let uplink = if work == Work::VxlanEncap { EXIT } else { INSIDE };
            let port = wire::vxlan::PORT;
            namespace.ip(&format!("link set {uplink} address {LOCAL_VTEP_MAC}"))?;
            namespace.ip(&format!("addr add {LOCAL_VTEP}/24 dev {uplink}"))?;
            namespace.ip(&format!("neigh add {REMOTE_VTEP} lladdr {REMOTE_VTEP_MAC} dev {uplink} nud permanent"))?;
            namespace.ip(&format!(
                "link add vx type vxlan id {NETWORK} local {LOCAL_VTEP} remote {REMOTE_VTEP} dstport {port} nolearning"
            ))?;
            namespace.ip("link set vx up")?;
        }
        for interface in [from, to] {
            namespace.ip(&format!("link set {interface} master br0"))?;
        }
        namespace.ip("link set br0 up")?;
        for pair in 0..self.load.mac_pairs {
            let mut bridge = namespace.command("bridge");
            bridge.args(["fdb", "add", &mac(2, pair).to_string(), "dev", to, "master", "static"]);
            crate::process::output(&mut bridge, crate::process::IPROUTE)?;
        }
        Ok(())
    }
}

/// Frames that have come to an interface.
fn arrived(namespace: &Namespace, interface: &'static str) -> Result<u64, KernelError> {
    received(&namespace.ip(&format!("-json -stats link show dev {interface}"))?)
        .ok_or(KernelError::NoCounters(interface))
}

fn received(json: &str) -> Option<u64> {
    let links: serde_json::Value = serde_json::from_str(json).ok()?;
    links.get(0)?.get("stats64")?.get("rx")?.get("packets")?.as_u64()
}

impl PollThread {
    /// A thread of the kernel's own, such as `ksoftirqd/1`; `None` where processes of the kernel are not to be seen.
    pub(crate) fn of_kernel(name: &str, cpu: u32) -> Option<PollThread> {
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        numbers.find_map(|pid| PollThread::find(pid, name, cpu))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_that_of_frames_received() {
        let json = r#"[{"ifname":"x1","stats64":{"rx":{"bytes":90,"packets":7},"tx":{"bytes":1,"packets":2}}}]"#;
        assert_eq!(received(json), Some(7));
        assert_eq!((received("[]"), received("no")), (None, None));
    }
}
