//! The two containers: a virtio-user device each, in one testpmd on a CPU of its own. What one receives the other one
//! sends, so frames go round through the switch, both ways, as fast as the slower of switch and containers lets them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::rig::Ring;
use crate::{
    poll_core::PollThread,
    sample::{Disturbance, Sample},
    testpmd::{self, RECEIVED, Running},
};

/// Their MACs.
pub(super) const MACS: [&str; 2] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b"];

/// Has each container send 16 bursts of 32 frames of 64 octets: twice what a ring holds. What finds no place is lost; the
/// rest goes round without loss from then on, or it would soon be gone.
const START: &str = "start tx_first 16";

/// The longest until frames go round, and until testpmd answers.
const START_MAX: Duration = Duration::from_secs(20);
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long frames are watched for whether they go round.
const WATCHED: Duration = Duration::from_millis(100);

/// The containers under way.
pub(super) struct Containers {
    running: Running,
    thread: PollThread,
}

impl Containers {
    /// Starts both: they listen on the sockets, to which a switch connects, and run on `cpu`.
    pub(super) fn start(
        program: &Path,
        sockets: &[PathBuf; 2],
        ring: Ring,
        cpu: u32,
    ) -> Result<Containers, testpmd::TestpmdError> {
        let prefix = Running::prefix();
        // Into a pipe, testpmd prints nothing before its end, unless it is told to keep no lines back.
        let mut command = Command::new("stdbuf");
        command.arg("--output=L").arg(program).args(arguments(sockets, ring, cpu, &prefix));
        let (running, thread) = Running::spawn(command, prefix)?.begin(START, cpu)?;
        Ok(Containers { running, thread })
    }

    /// Waits until frames go round, then for `warm_up`, and counts those that arrive within `window`.
    pub(super) fn measure(
        &mut self,
        switch: &PollThread,
        warm_up: Duration,
        window: Duration,
    ) -> Result<Sample, String> {
        self.wait_for_frames()?;
        thread::sleep(warm_up);
        let from = (self.received()?, switch.mark(), self.thread.mark());
        thread::sleep(window);
        let to = (self.received()?, switch.mark(), self.thread.mark());
        let packets = (0..2).map(|port| to.0[port] - from.0[port]).sum();
        let since = |to: Option<_>, from: Option<_>| {
            let (to, from): (crate::poll_core::Mark, _) = (to?, from?);
            Some(to.since(&from, packets))
        };
        let ended = || "it ended while it was measured".to_owned();
        let sample = since(to.1, from.1).ok_or_else(ended)?;
        let containers = since(to.2, from.2).ok_or_else(ended)?;
        Ok(Sample { disturbance: both(sample.disturbance, containers.disturbance), ..sample })
    }

    /// Frames go both ways; those that were sent before the switch was ready are lost, and others are sent.
    fn wait_for_frames(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_MAX;
        while Instant::now() < deadline {
            let before = self.received()?;
            thread::sleep(WATCHED);
            let after = self.received()?;
            if before.iter().zip(after).all(|(before, after)| after > *before + 1000) {
                return Ok(());
            }
            let said = self.running.say("stop").and_then(|()| self.running.say(START));
            said.ok_or("the containers ended")?;
        }
        Err("no frames go round between the containers".to_owned())
    }

    /// Frames each has received so far.
    fn received(&mut self) -> Result<[u64; 2], String> {
        let counts = |output: &str| [0, 1].map(|port| testpmd::counted(output, port, RECEIVED));
        let answers = counts(&self.running.printed())[1].len();
        self.running.say("show port stats all").ok_or("the containers ended")?;
        let deadline = Instant::now() + ANSWER_MAX;
        while Instant::now() < deadline {
            let now = counts(&self.running.printed());
            if let ([.., a], [.., b]) = (&now[0][..], &now[1][..])
                && now[1].len() > answers
            {
                return Ok([*a, *b]);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Err("testpmd does not answer".to_owned())
    }
}

/// What came between either of two threads and its CPU. On the containers' CPU the switch's other threads run as well: those are
/// part of what it costs, so only what the host took there counts.
fn both(switch: Disturbance, containers: Disturbance) -> Disturbance {
    Disturbance { stolen: switch.stolen.max(containers.stolen), ..switch }
}

fn arguments(sockets: &[PathBuf; 2], ring: Ring, cpu: u32, prefix: &str) -> Vec<String> {
    let packed = u32::from(ring == Ring::Packed);
    let mut arguments = eal(cpu, cpu, prefix);
    for (n, (socket, mac)) in sockets.iter().zip(MACS).enumerate() {
        let socket = socket.display();
        arguments.push(format!("--vdev=net_virtio_user{n},path={socket},server=1,mac={mac},packed_vq={packed}"));
    }
    arguments.extend(["--", "-i", "--no-mlockall", "--forward-mode=io", "--total-num-mbufs=8192"].map(str::to_owned));
    arguments.extend([0, 1].map(|n: usize| format!("--eth-peer={n},{}", MACS[1 - n])));
    arguments
}

/// What DPDK is told for a testpmd with two vhost ports, its main thread on one CPU and the one that forwards on another.
pub(super) fn eal(main: u32, cpu: u32, prefix: &str) -> Vec<String> {
    let rest = ["--no-pci", "--no-telemetry", "--in-memory", "--single-file-segments"].map(str::to_owned);
    [format!("--lcores=0@{main},1@{cpu}"), format!("--file-prefix={prefix}")].into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_container_has_its_own_socket_and_the_other_ones_mac_to_send_to() {
        let line = arguments(&["/a".into(), "/b".into()], Ring::Packed, 0, "p").join(" ");
        assert!(line.starts_with("--lcores=0@0,1@0 --file-prefix=p "), "{line}");
        let second = "net_virtio_user1,path=/b,server=1,mac=02:00:00:00:00:0b,packed_vq=1";
        assert!(line.contains(second) && line.ends_with("--eth-peer=1,02:00:00:00:00:0a"), "{line}");
    }

    #[test]
    fn what_a_switch_takes_from_its_containers_is_no_disturbance() {
        let ms = Duration::from_millis;
        let switch = Disturbance { switches: 1, waited: ms(3), stolen: ms(0) };
        let containers = Disturbance { switches: 7, waited: ms(9), stolen: ms(2) };
        assert_eq!(both(switch, containers), Disturbance { switches: 1, waited: ms(3), stolen: ms(2) });
    }
}
