//! Counts that outlive the process: written into a file after every turn, so that a generator that is killed has told what
//! it had sent and received, but for its last turn.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use serde::Serialize;

use crate::generator::{end::End, stream::Stream};

/// The file, whose one line of JSON is always whole: it is overwritten in place by one call, and counts never shrink.
#[derive(Debug)]
pub(crate) struct Journal(File);

/// What is in it.
#[derive(Serialize)]
struct Line {
    ports: Vec<PortCounts>,
}

#[derive(Serialize)]
struct PortCounts {
    port: u8,
    /// Packets and announcements the device took.
    sent: u64,
    /// Frames of all kinds.
    received: u64,
}

impl Journal {
    pub(crate) fn create(path: &Path) -> io::Result<Journal> {
        Ok(Journal(File::create(path)?))
    }

    pub(crate) fn write(&self, ends: &[End], streams: &[Stream]) -> io::Result<()> {
        let counts = |end: &End| {
            let sent: u64 = streams.iter().filter(|stream| stream.from == end.number).map(|stream| stream.sent).sum();
            PortCounts { port: end.number, sent: sent + end.counts.announced, received: end.counts.received }
        };
        let mut line = serde_json::to_vec(&Line { ports: ends.iter().map(counts).collect() })?;
        line.push(b'\n');
        self.0.write_all_at(&line, 0)
    }
}
