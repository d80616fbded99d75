//! The thread that polls, as the kernel sees it: its CPU time, on a shared machine the only time that means something,
//! and how often it had to stand back.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::sample::{Disturbance, Sample};

/// What `/proc/stat` counts in: hundredths of a second on every Linux.
const STAT_TICK: Duration = Duration::from_millis(10);

/// A thread of another process.
#[derive(Clone, Debug)]
pub(crate) struct PollThread {
    folder: PathBuf,
    /// The CPU it is bound to.
    cpu: u32,
}

/// A moment in the life of a polling thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    at: Instant,
    run: Duration,
    disturbance: Disturbance,
}

impl PollThread {
    /// The thread of process `pid` whose name contains this and that runs on `cpu`, once there is one.
    pub(crate) fn find(pid: u32, name: &str, cpu: u32) -> Option<PollThread> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let named = |path: &PathBuf| fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.contains(name));
        let folder = tasks.flatten().map(|task| task.path()).find(named)?;
        Some(PollThread { folder, cpu })
    }

    /// The thread that asks, which is bound to `cpu`. Only it may be given marks.
    pub(crate) fn current(cpu: u32) -> PollThread {
        PollThread { folder: PathBuf::from("/proc/thread-self"), cpu }
    }

    /// The time it has run so far; `None` when it has ended.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        Some(schedstat(&fs::read_to_string(self.folder.join("schedstat")).ok()?)?.0)
    }

    /// This moment; `None` when it has ended.
    pub(crate) fn mark(&self) -> Option<Mark> {
        let at = Instant::now();
        let (run, waited) = schedstat(&fs::read_to_string(self.folder.join("schedstat")).ok()?)?;
        let switches = switches(&fs::read_to_string(self.folder.join("status")).ok()?)?;
        // A kernel that does not tell of stolen time has none to tell of.
        let stolen = fs::read_to_string("/proc/stat").ok().and_then(|text| stolen(&text, self.cpu));
        let disturbance = Disturbance { switches, waited, stolen: stolen.unwrap_or_default() };
        Some(Mark { at, run, disturbance })
    }
}

impl Mark {
    /// What happened from `earlier` on, in which `packets` were forwarded.
    pub(crate) fn since(&self, earlier: &Mark, packets: u64) -> Sample {
        let (now, then) = (self.disturbance, earlier.disturbance);
        Sample {
            packets,
            wall: self.at.duration_since(earlier.at),
            cpu: self.run.saturating_sub(earlier.run),
            disturbance: Disturbance {
                switches: now.switches.saturating_sub(then.switches),
                waited: now.waited.saturating_sub(then.waited),
                stolen: now.stolen.saturating_sub(then.stolen),
            },
        }
    }
}

/// `schedstat`: nanoseconds run, nanoseconds waited, time slices.
fn schedstat(text: &str) -> Option<(Duration, Duration)> {
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok().map(Duration::from_nanos));
    Some((numbers.next()??, numbers.next()??))
}

/// The involuntary context switches in `status`.
fn switches(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"))?.trim().parse().ok()
}

/// Time stolen from a CPU: the eighth number of its line in `/proc/stat`.
fn stolen(text: &str, cpu: u32) -> Option<Duration> {
    let name = format!("cpu{cpu}");
    let mut words = text.lines().map(str::split_whitespace).find_map(|mut w| (w.next()? == name).then_some(w))?;
    let ticks: u32 = words.nth(7)?.parse().ok()?;
    Some(STAT_TICK * ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_kernel_are_read() {
        let ms = Duration::from_millis;
        assert_eq!(schedstat("1500000000 77000000 3\n"), Some((ms(1500), ms(77))));
        assert_eq!(schedstat("1500000000"), None);
        assert_eq!(schedstat("x y z"), None);
        assert_eq!(switches("voluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t42\n"), Some(42));
        assert_eq!(switches("Name: x\n"), None);
        let stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu1 1 2 3 4 5 6 7 8 9 10\ncpu11 0 0 0 0 0 0 0 99 0 0\n";
        assert_eq!((stolen(stat, 1), stolen(stat, 11), stolen(stat, 2)), (Some(ms(80)), Some(ms(990)), None));
    }

    #[test]
    fn our_own_threads_are_found_and_their_time_grows() {
        let worker = std::thread::Builder::new().name("poll-test".to_owned());
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let worker = worker.spawn(move || while stopped.try_recv().is_err() {}).unwrap();
        let find = || PollThread::find(std::process::id(), "poll-test", 0);
        let thread = std::iter::repeat_with(find).find_map(|thread| thread).unwrap();
        let before = thread.mark().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let sample = thread.mark().unwrap().since(&before, 1000);
        assert!(sample.cpu > Duration::ZERO && sample.wall >= Duration::from_millis(50), "{sample:?}");
        assert_eq!(sample.packets, 1000);
        stop.send(()).unwrap();
        worker.join().unwrap();
    }
}
