//! The CPU time of the thread that polls, from the kernel: on a shared machine the only time that means something.

use std::{fs, path::PathBuf, time::Duration};

/// A thread of another process.
#[derive(Clone, Debug)]
pub(crate) struct PollThread(PathBuf);

impl PollThread {
    /// The thread of process `pid` whose name contains this, once there is one.
    pub(crate) fn find(pid: u32, name: &str) -> Option<PollThread> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let named = |path: &PathBuf| fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.contains(name));
        tasks.flatten().map(|task| task.path()).find(named).map(PollThread)
    }

    /// The time it has run so far; `None` when it has ended.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        parse(&fs::read_to_string(self.0.join("schedstat")).ok()?)
    }
}

/// `schedstat`: nanoseconds run, nanoseconds waited, time slices.
fn parse(text: &str) -> Option<Duration> {
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_is_the_time_run() {
        assert_eq!(parse("1500000000 77 3\n"), Some(Duration::from_millis(1500)));
        assert_eq!(parse(""), None);
        assert_eq!(parse("x y z"), None);
    }

    #[test]
    fn our_own_threads_are_found_and_their_time_grows() {
        let worker = std::thread::Builder::new().name("poll-test".to_owned());
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let worker = worker.spawn(move || while stopped.try_recv().is_err() {}).unwrap();
        let find = || PollThread::find(std::process::id(), "poll-test");
        let thread = std::iter::repeat_with(find).find_map(|thread| thread).unwrap();
        let before = thread.cpu_time().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(thread.cpu_time().unwrap() > before);
        stop.send(()).unwrap();
        worker.join().unwrap();
    }
}
