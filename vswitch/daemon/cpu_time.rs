//! CPU time of this process's threads, as the kernel counts it.

use std::{collections::HashMap, fs, path::PathBuf, time::Duration};

/// The threads of this process (proc_pid_task(5)).
const TASKS: &str = "/proc/self/task";

/// Where the times are, by the name of the thread: threads that are asked for live as long as the process.
#[derive(Debug, Default)]
pub(crate) struct CpuTimes {
    files: HashMap<String, PathBuf>,
}

impl CpuTimes {
    /// What the thread of this name (15 octets at most) has used since it began; `None` where there is none, or the kernel
    /// does not count.
    pub(crate) fn of(&mut self, thread: &str) -> Option<Duration> {
        if !self.files.contains_key(thread) {
            self.files.insert(thread.to_owned(), file(thread)?);
        }
        let text = fs::read_to_string(&self.files[thread]).ok()?;
        // Time on a CPU, time in its queue, both in ns; how often (Documentation/scheduler/sched-stats.rst).
        Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
    }
}

fn file(thread: &str) -> Option<PathBuf> {
    let tasks = fs::read_dir(TASKS).ok()?.flatten().map(|task| task.path());
    let mut named =
        tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == thread));
    named.next().map(|task| task.join("schedstat"))
}

#[cfg(test)]
mod tests {
    use std::{
        hint, thread,
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn a_thread_that_works_uses_time_and_one_that_sleeps_does_not() {
        let work = || {
            let (mut times, start) = (CpuTimes::default(), Instant::now());
            let mut used = || times.of("thrifty").unwrap();
            let before = used();
            while used() < before + Duration::from_millis(20) {
                assert!(start.elapsed() < Duration::from_secs(60));
                hint::spin_loop();
            }
            let before = used();
            thread::sleep(Duration::from_millis(50));
            used() - before
        };
        let asleep = thread::Builder::new().name("thrifty".to_owned()).spawn(work).unwrap().join().unwrap();
        assert!(asleep < Duration::from_millis(25), "{asleep:?}");
        assert_eq!(CpuTimes::default().of("nobody"), None);
    }
}
