//! What is left behind when somebody interrupts a measurement: nothing.
//!
//! Whatever this program makes carries its process number: namespaces, folders, DPDK's run directories; and the programs it runs
//! are its children. So a signal needs no list of what there is at the moment; it only has to see to it that nothing is added.

use std::{
    fs, io,
    path::Path,
    process::{self, Command},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

/// How long programs may take to end before they are ended by force.
const PATIENCE: Duration = Duration::from_secs(5);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT and SIGTERM end this program with all that it has made.
pub(crate) fn watch() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            INTERRUPTED.store(true, Relaxed);
            eprintln!("\nperf: interrupted; cleaning up");
            clean_up();
            process::exit(128 + signal);
        }
    })?;
    Ok(())
}

/// Called wherever a program is started, or has ended: after an interrupt nothing is begun, or judged, any more.
pub(crate) fn heed() {
    while INTERRUPTED.load(Relaxed) {
        thread::park();
    }
}

fn clean_up() {
    end_children();
    let number = process::id();
    for namespace in
        entries("/run/netns").filter(|name| name.starts_with("perf-") && name.ends_with(&format!("-{number}")))
    {
        let _ = Command::new("ip").args(["netns", "del", &namespace]).status();
    }
    for place in [&std::env::temp_dir(), Path::new("/var/run/dpdk")] {
        for folder in entries(place).filter(|name| name.starts_with(&format!("millrace-perf-{number}-"))) {
            let _ = fs::remove_dir_all(place.join(folder));
        }
    }
}

/// Asks them to end, and ends those that do not. Whoever started them learns of it by himself.
fn end_children() {
    let deadline = Instant::now() + PATIENCE;
    kill("-TERM", &children());
    while !children().is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    kill("-KILL", &children());
}

/// The standard library has no word for signals; every shell has.
fn kill(signal: &str, numbers: &[String]) {
    if !numbers.is_empty() {
        let _ = Command::new("sh").args(["-c", "kill \"$@\" 2>/dev/null", "sh", signal]).args(numbers).status();
    }
}

/// The process numbers of the programs that this one runs (proc_pid_status(5): one that has ended is no program any more).
fn children() -> Vec<String> {
    let ours = format!("PPid:\t{}", process::id());
    let is_ours = |number: &String| {
        let status = fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
        status.lines().any(|line| line == ours) && !status.contains("State:\tZ")
    };
    entries("/proc").filter(|name| name.bytes().all(|octet| octet.is_ascii_digit())).filter(is_ours).collect()
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
    fn a_program_is_a_child_until_it_has_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let number = child.id().to_string();
        assert!(children().contains(&number));
        kill("-KILL", std::slice::from_ref(&number));
        let deadline = Instant::now() + PATIENCE;
        while children().contains(&number) {
            assert!(Instant::now() < deadline);
        }
        child.wait().unwrap();
    }
}
