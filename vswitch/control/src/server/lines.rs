//! Cuts a stream of octets into lines, within a bound.

use api::LINE_MAX;

/// The line is longer than [`LINE_MAX`], its end included.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Octets received and not yet taken as lines: at most one line of the greatest length.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Where the first line not yet taken starts.
    start: usize,
    /// How far behind `start` no line end was found.
    scanned: usize,
}

impl Lines {
    /// Takes as many of `bytes` as there is room for, and says how many.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        self.buffer.drain(..self.start);
        self.start = 0;
        let taken = bytes.len().min(LINE_MAX - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// Whether [`Lines::next`] has something; skips blank lines.
    pub(super) fn has_next(&mut self) -> bool {
        loop {
            let waiting = &self.buffer[self.start..];
            let Some(at) = waiting[self.scanned..].iter().position(|&octet| octet == b'\n') else {
                self.scanned = waiting.len();
                return waiting.len() >= LINE_MAX;
            };
            self.scanned += at;
            if !waiting[..self.scanned].trim_ascii().is_empty() {
                return true;
            }
            self.start += self.scanned + 1;
            self.scanned = 0;
        }
    }

    /// The next line that is not blank, without its end; `None` where more octets are needed.
    pub(super) fn next(&mut self) -> Option<Result<&[u8], TooLong>> {
        if !self.has_next() {
            return None;
        }
        let line = self.start..self.start + self.scanned;
        if line.end == self.buffer.len() {
            return Some(Err(TooLong));
        }
        self.start = line.end + 1;
        self.scanned = 0;
        Some(Ok(self.buffer[line].trim_ascii()))
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Lines::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(lines: &mut Lines) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(Ok(line)) = lines.next() {
            found.push(String::from_utf8_lossy(line).into_owned());
        }
        found
    }

    #[test]
    fn lines_come_out_whole_however_the_octets_come_in() {
        let text = b"one\r\n\n  two \nthree";
        for step in 1..text.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for piece in text.chunks(step) {
                assert_eq!(lines.push(piece), piece.len());
                found.extend(lines_of(&mut lines));
            }
            assert_eq!(found, ["one", "two"]);
            assert_eq!(lines.push(b"\n"), 1);
            assert_eq!(lines_of(&mut lines), ["three"]);
        }
    }

    #[test]
    fn the_longest_line_passes_and_one_octet_more_does_not() {
        let mut lines = Lines::default();
        let longest = vec![b'x'; LINE_MAX - 1];
        assert_eq!(lines.push(&longest), LINE_MAX - 1);
        assert_eq!(lines.next(), None);
        assert_eq!(lines.push(b"\nrest"), 1);
        assert_eq!(lines.next(), Some(Ok(&longest[..])));
        assert_eq!(lines.push(&longest), LINE_MAX - 1);
        assert_eq!(lines.push(b"xx"), 1);
        assert_eq!(lines.next(), Some(Err(TooLong)));
        assert_eq!(lines.push(b"x"), 0);
    }
}
