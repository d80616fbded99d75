//! DPDK's log lines: into the `log` crate, and, while somebody listens, into the error of the call that caused them.
//!
//! Drivers often say why they failed only in their log, so [`capture`] collects this thread's warnings and errors during
//! a call.

use std::{cell::RefCell, ffi::c_char, fmt, slice};

use log::Level;

/// Lines kept per captured call; a driver in a loop says nothing new after these.
const LINES_MAX: usize = 16;

/// Octets kept of a line.
const LINE_LEN_MAX: usize = 300;

/// DPDK's level WARNING (RFC 5424 counted from 1); what is more urgent has a lower number.
const DPDK_WARNING: i32 = 5;

thread_local! {
    static CAPTURED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// What DPDK complained about in its log during a call that failed: as a rule the only text of the cause. Displays as the
/// tail of an error, or as nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said(Vec<String>);

impl Said {
    /// The lines, oldest first.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl From<Vec<String>> for Said {
    fn from(lines: Vec<String>) -> Self {
        Said(lines)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " (DPDK says: {})", self.0.join("; ")) }
    }
}

/// Sends DPDK's log through this module. Before `rte_eal_init`, once.
pub(crate) fn install() -> bool {
    // SAFETY: `sink` is a C function that lives as long as the process.
    unsafe { dpdk_sys::millrace_log_to(Some(sink)) == 0 }
}

/// Runs `call` and returns its result with what DPDK complained about on this thread meanwhile.
pub(crate) fn capture<T>(call: impl FnOnce() -> T) -> (T, Said) {
    CAPTURED.with(|c| c.replace(Some(Vec::new())));
    let result = call();
    let lines = CAPTURED.with(|c| c.take()).unwrap_or_default();
    (result, Said(lines))
}

/// What DPDK calls with the text of a message; runs on the thread that logs.
extern "C" fn sink(text: *const c_char, len: usize) {
    // SAFETY: the C library passes `len` readable bytes.
    let text = String::from_utf8_lossy(unsafe { slice::from_raw_parts(text.cast(), len) });
    // SAFETY: reads a thread-local integer that DPDK set for this message.
    let level = unsafe { dpdk_sys::rte_log_cur_msg_loglevel() };
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // A complaint that becomes part of an error is the caller's to report; do not report it twice.
        let level = if keep(line, level) { Level::Debug } else { log_level(level) };
        log::log!(target: "dpdk", level, "{line}");
    }
}

/// Keeps a complaint for [`capture`]; whether somebody listens.
fn keep(line: &str, level: i32) -> bool {
    let try_keep = |captured: &RefCell<Option<Vec<String>>>| {
        let Ok(mut captured) = captured.try_borrow_mut() else { return false };
        let Some(lines) = captured.as_mut() else { return false };
        if level <= DPDK_WARNING && lines.len() < LINES_MAX {
            let end = line.floor_char_boundary(LINE_LEN_MAX);
            lines.push(line[..end].to_owned());
        }
        true
    };
    CAPTURED.try_with(try_keep).unwrap_or(false)
}

/// A DPDK level as ours. What DPDK tells at NOTICE and INFO is detail for an operator of the switch.
fn log_level(level: i32) -> Level {
    match level {
        ..=4 => Level::Error,
        DPDK_WARNING => Level::Warn,
        6..=7 => Level::Debug,
        _ => Level::Trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) {
        sink(text.as_ptr().cast(), text.len());
    }

    #[test]
    fn complaints_are_captured_only_while_somebody_listens() {
        say("EAL: before\n");
        // Outside a message, DPDK's level of the message is 0: the most urgent.
        let ((), lines) = capture(|| say("EAL: one\n\n PMD: two \n"));
        assert_eq!(lines.lines(), ["EAL: one", "PMD: two"]);
        assert_eq!(lines.to_string(), " (DPDK says: EAL: one; PMD: two)");
        say("EAL: after\n");
        assert_eq!(capture(|| ()).1.to_string(), "");
    }

    #[test]
    fn a_chatty_driver_fills_no_memory() {
        let ((), lines) = capture(|| (0..1000).for_each(|_| say(&"ü".repeat(1000))));
        assert_eq!(lines.lines().len(), LINES_MAX);
        assert!(lines.lines().iter().all(|line| line.len() <= LINE_LEN_MAX));
    }

    #[test]
    fn dpdk_errors_are_errors_and_its_chatter_is_detail() {
        assert_eq!(log_level(4), Level::Error);
        assert_eq!(log_level(5), Level::Warn);
        assert_eq!(log_level(7), Level::Debug);
        assert_eq!(log_level(8), Level::Trace);
    }
}
