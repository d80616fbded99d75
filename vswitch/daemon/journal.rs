//! How lines are logged: for people with the time in front, for the journal with their priority.
//!
//! Where standard error is the journal's own stream (`JOURNAL_STREAM`, systemd.exec(5)), the journal knows the time, and
//! takes `<N>` in front of a line for its priority (sd-daemon(3)), so that `journalctl -p warning` finds what it should.

use std::{
    env, fs,
    io::{self, Write},
    os::{fd::AsFd, unix::fs::MetadataExt},
};

use env_logger::Builder;
use log::{Level, LevelFilter, Record};

/// Logs to standard error from now on; `RUST_LOG` overrides `level`.
pub(crate) fn start(level: LevelFilter) {
    let mut builder = Builder::new();
    builder.filter_level(level).parse_default_env();
    if is_ours(env::var("JOURNAL_STREAM").ok().as_deref(), stderr_id()) {
        builder.format(line);
    }
    builder.init();
}

/// Device and inode of standard error.
fn stderr_id() -> Option<(u64, u64)> {
    let stderr = io::stderr().as_fd().try_clone_to_owned().ok()?;
    let metadata = fs::File::from(stderr).metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Whether the stream that the environment names is standard error: a child whose output was redirected inherits the
/// variable all the same.
fn is_ours(stream: Option<&str>, stderr: Option<(u64, u64)>) -> bool {
    let named = stream.and_then(|text| text.split_once(':'));
    let named = named.and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
    named.is_some() && named == stderr
}

/// Each line of a message with its priority: the journal makes an entry of each.
fn line<W: Write>(to: &mut W, record: &Record) -> io::Result<()> {
    let priority = match record.level() {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    let message = record.args().to_string();
    message.lines().try_for_each(|line| writeln!(to, "<{priority}>{}: {line}", record.target()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_stream_that_is_standard_error_counts() {
        assert!(is_ours(Some("8:123"), Some((8, 123))));
        let others = [None, Some(""), Some("8"), Some("8:"), Some("8:124"), Some("x:123"), Some("8:123:1")];
        others.iter().for_each(|stream| assert!(!is_ours(*stream, Some((8, 123))), "{stream:?}"));
        assert!(!is_ours(None, None) && !is_ours(Some("8:123"), None));
        assert!(stderr_id().is_some());
    }

    #[test]
    fn every_line_carries_its_priority_and_no_time() {
        let logged = |level, text: &str| {
            let mut to = Vec::new();
            line(&mut to, &Record::builder().level(level).target("millraced").args(format_args!("{text}")).build())
                .unwrap();
            String::from_utf8(to).unwrap()
        };
        assert_eq!(logged(Level::Error, "a\nb"), "<3>millraced: a\n<3>millraced: b\n");
        assert_eq!(logged(Level::Warn, "w") + &logged(Level::Info, "i"), "<4>millraced: w\n<6>millraced: i\n");
        assert_eq!(logged(Level::Trace, "t"), "<7>millraced: t\n");
    }
}
