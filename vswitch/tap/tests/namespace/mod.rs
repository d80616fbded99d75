//! A network namespace of a test's own, and commands inside it.

use std::{
    num::NonZero,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use tap::{Behind, Netns, TapConfig};

/// A network namespace that goes with the test.
pub(crate) struct Namespace(pub(crate) String);

impl Namespace {
    /// `None`, with the reason printed, where this machine cannot make one.
    pub(crate) fn new() -> Option<Namespace> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mrtap{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let why = match Command::new("ip").args(["netns", "add", &name]).output() {
            Ok(made) if made.status.success() => return Some(Namespace(name)),
            Ok(made) => format!("ip netns add: {}", String::from_utf8_lossy(&made.stderr).trim()),
            Err(error) => format!("ip: {error}"),
        };
        assert!(std::env::var_os("MILLRACE_NO_SKIP").is_none(), "may not be skipped: {why}");
        println!("skipped: {why}");
        None
    }

    pub(crate) fn netns(&self) -> Option<Netns> {
        Some(Netns::new(&self.0).unwrap())
    }

    pub(crate) fn config(&self) -> TapConfig {
        TapConfig {
            netns: self.netns(),
            interface: "eth0".into(),
            mac: Some([2, 0, 0, 0, 0, 7]),
            mtu: 1400,
            addresses: vec![("10.9.0.1".parse().unwrap(), 24), ("fd09::1".parse().unwrap(), 64)],
            up: true,
            queues: NonZero::<u16>::MIN,
            offloads: true,
            behind: Behind::Container,
            coalesce: std::time::Duration::ZERO,
        }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).args(line.split_whitespace());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    pub(crate) fn text(&self, line: &str) -> String {
        String::from_utf8(self.run(line).stdout).unwrap()
    }

    /// A Python program, inside.
    pub(crate) fn spawn_python(&self, program: &str) -> Child {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, "python3", "-c", program]);
        command.spawn().unwrap()
    }

    pub(crate) fn spawn(&self, line: &str) -> Child {
        self.command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}
