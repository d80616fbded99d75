//! What is left behind when somebody interrupts a measurement: nothing.
//!
//! Namespaces, folders and DPDK's run directories carry this program's process number, so a signal needs no list of them. The
//! programs that it runs are started here, so that they are known, and so that none is added while it cleans up.

use std::{
    fs, io,
    path::Path,
    process::{self, Child, Command},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    folder,
    process::{Namespace, signal},
    testpmd,
};

/// How long programs may take to end before they are ended by force.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long they may take that a terminal has told already: asked a second time, some end at once and clean nothing up.
const TOLD_ALREADY: Duration = Duration::from_secs(1);

/// The numbers of all programs that were started. Held for good by whoever cleans up.
static STARTED: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn started() -> MutexGuard<'static, Vec<u32>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on SIGINT, SIGTERM and SIGHUP end this program with all that it has made.
pub(crate) fn watch() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let started = started();
            eprintln!("\nperf: interrupted; cleaning up");
            if signal != SIGTERM {
                wait(&started, TOLD_ALREADY);
            }
            clean_up(&started);
            process::exit(128 + signal);
        }
    })?;
    Ok(())
}

/// Starts a program. After an interrupt this does not return.
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut started = started();
    let child = command.spawn()?;
    started.push(child.id());
    Ok(child)
}

/// Called where a program has ended: after an interrupt nothing is judged by it, and this does not return.
pub(crate) fn heed() {
    drop(started());
}

fn clean_up(started: &[u32]) {
    running(started).for_each(|number| signal(Signal::TERM, number));
    wait(started, PATIENCE);
    running(started).for_each(|number| signal(Signal::KILL, number));
    for namespace in entries("/run/netns").filter(|name| Namespace::is_ours(name)) {
        let _ = Command::new("ip").args(["netns", "del", &namespace]).status();
    }
    for place in [&std::env::temp_dir(), Path::new(testpmd::RUN_DIRECTORIES)] {
        for name in entries(place).filter(|name| folder::is_own_name(name)) {
            let _ = fs::remove_dir_all(place.join(name));
        }
    }
}

/// Waits until they have ended, for so long at most.
fn wait(started: &[u32], patience: Duration) {
    let deadline = Instant::now() + patience;
    while running(started).next().is_some() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
}

/// Those of the programs that run still. A number that is another program's by now is not one of our children (proc_pid_status(5)).
fn running(started: &[u32]) -> impl Iterator<Item = u32> {
    let ours = format!("PPid:\t{}", process::id());
    started.iter().copied().filter(move |number| {
        let status = fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
        status.lines().any(|line| line == ours) && !status.contains("State:\tZ")
    })
}

/// The names of what is in a folder, if there is such a folder.
fn entries(folder: impl AsRef<Path>) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_from_its_start_and_runs_until_it_has_ended() {
        let mut child = spawn(Command::new("sleep").arg("60")).unwrap();
        let number = child.id();
        assert!(started().contains(&number));
        assert!(running(&[1, number]).eq([number]), "not whoever else has a number");
        signal(Signal::KILL, number);
        wait(&[number], PATIENCE);
        assert_eq!(running(&[number]).next(), None);
        child.wait().unwrap();
    }
}
