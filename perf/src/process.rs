//! Programs that are run beside the measurement: asked to end, and ended when they do not.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{self, Pid, Signal};

use crate::interrupt;

/// A program could not be run, or said no.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error("cannot run {}: {cause} ({hint})", program.display())]
    Start { program: PathBuf, cause: io::Error, hint: &'static str },
    #[error("`{command}` failed: {said}")]
    Failed { command: String, said: String },
}

/// Runs a short command to its end and gives what it printed.
pub(crate) fn output(command: &mut Command, hint: &'static str) -> Result<String, ProcessError> {
    let output = run(command).map_err(|cause| start_error(command, cause, hint))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ProcessError::Failed { command: line(command), said })
}

/// Runs a short command to its end, and gives what it printed and how it ended.
pub(crate) fn run(command: &mut Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = interrupt::spawn(command)?.wait_with_output();
    interrupt::heed();
    output
}

pub(crate) fn start_error(command: &Command, cause: io::Error, hint: &'static str) -> ProcessError {
    ProcessError::Start { program: Path::new(command.get_program()).to_owned(), cause, hint }
}

/// The command as it would be typed.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Sends a program a signal, if it is there still.
pub(crate) fn signal(signal: Signal, number: u32) {
    if let Some(pid) = Pid::from_raw(number.cast_signed()) {
        let _ = process::kill_process(pid, signal);
    }
}

/// Ends a program, by force where it takes longer than `patience`; whether it went by itself and well.
pub(crate) fn end(child: &mut Child, patience: Duration) -> bool {
    signal(Signal::TERM, child.id());
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            _ => thread::sleep(Duration::from_millis(5)),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

/// A program that goes when this does.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) child: Child,
    patience: Duration,
}

impl Started {
    pub(crate) fn new(child: Child, patience: Duration) -> Started {
        Started { child, patience }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if self.is_running() {
            end(&mut self.child, self.patience);
        }
    }
}

/// A network namespace of our own: what peers configure there, the host does not see.
#[derive(Debug)]
pub(crate) struct Namespace(String);

/// Where `ip` comes from.
pub(crate) const IPROUTE: &str = "Debian: `apt install iproute2`; it needs root";

const PREFIX: &str = "perf-";

fn suffix() -> String {
    format!("-{}", std::process::id())
}

impl Namespace {
    /// Whether a namespace of that name is of this process.
    pub(crate) fn is_ours(name: &str) -> bool {
        name.starts_with(PREFIX) && name.ends_with(&suffix())
    }

    /// Makes one called after `name` and this process.
    pub(crate) fn create(name: &str) -> Result<Namespace, ProcessError> {
        let namespace = Namespace(format!("{PREFIX}{name}{}", suffix()));
        output(Command::new("ip").args(["netns", "add", &namespace.0]), IPROUTE)?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// What it is called on the machine.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// `ip` with these words, inside.
    pub(crate) fn ip(&self, words: &str) -> Result<String, ProcessError> {
        output(Command::new("ip").args(["-n", &self.0]).args(words.split_whitespace()), IPROUTE)
    }

    /// A program that will run inside.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = output(Command::new("ip").args(["netns", "del", &self.0]), IPROUTE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_says_is_given_or_quoted() {
        let shell = |script: &str| output(Command::new("sh").args(["-c", script]), "");
        assert_eq!(shell("echo yes").unwrap(), "yes\n");
        let error = shell("echo no >&2; exit 1").unwrap_err().to_string();
        assert_eq!(error, "`sh -c echo no >&2; exit 1` failed: no");
        let error = output(&mut Command::new("/no/such/program"), "install it").unwrap_err().to_string();
        assert!(error.starts_with("cannot run /no/such/program: ") && error.ends_with("(install it)"), "{error}");
    }

    #[test]
    fn a_program_that_does_not_go_is_made_to() {
        let deaf = Command::new("sh").args(["-c", "trap '' TERM; echo; while :; do sleep 0.05; done"]).spawn().unwrap();
        let mut deaf = Started::new(deaf, Duration::from_millis(100));
        std::thread::sleep(Duration::from_millis(200));
        assert!(deaf.is_running());
        assert!(!end(&mut deaf.child, Duration::from_millis(100)) && !deaf.is_running());
        let mut heeding = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!end(&mut heeding, Duration::from_secs(5)), "a signal is not a good end");
    }
}
