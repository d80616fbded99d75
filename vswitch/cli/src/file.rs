//! Configuration files as text.

use std::{
    fs::File,
    io::{self, Read},
    path::{self, Path, PathBuf},
};

use crate::failure::Failure;

/// Longest configuration in octets: it must fit a request line, where quotes and newlines take two octets each.
const OCTETS_MAX: usize = api::LINE_MAX / 2;

/// What standard input is called.
const STDIN: &str = "standard input";

/// A configuration and what its author calls it.
#[derive(Debug)]
pub(crate) struct Text {
    /// The name for messages.
    pub(crate) name: String,
    /// The text.
    pub(crate) text: String,
}

impl Text {
    /// What the switch is told of where the text is: an absolute path, for whoever stands in another folder.
    pub(crate) fn place(&self) -> String {
        if self.name == STDIN {
            return self.name.clone();
        }
        path::absolute(&self.name).map_or_else(|_| self.name.clone(), |path| path.display().to_string())
    }
}

/// Reads a file; `-` is standard input. Errors: unreadable, too long, not UTF-8.
pub(crate) fn read(path: &Path) -> Result<Text, Failure> {
    if path == Path::new("-") {
        return text_of(STDIN.into(), io::stdin().lock());
    }
    match File::open(path) {
        Ok(file) => text_of(path.to_owned(), file),
        Err(error) => Err(Failure::File { path: path.to_owned(), error }),
    }
}

fn text_of(path: PathBuf, from: impl Read) -> Result<Text, Failure> {
    let mut text = String::new();
    match from.take(OCTETS_MAX as u64 + 1).read_to_string(&mut text) {
        Ok(octets) if octets > OCTETS_MAX => Err(Failure::FileTooLong { path, max: OCTETS_MAX }),
        Ok(_) => Ok(Text { name: path.display().to_string(), text }),
        Err(error) => Err(Failure::File { path, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_end_is_refused() {
        let failure = text_of("zero".into(), io::repeat(b'a')).unwrap_err();
        assert_eq!(failure.to_string(), "zero is too long: a configuration is at most 524288 octets");
    }

    #[test]
    fn octets_that_are_no_text_are_refused() {
        let failure = text_of("x".into(), &b"a = \"\xff\""[..]).unwrap_err().to_string();
        assert!(failure.starts_with("cannot read x: "), "{failure}");
    }

    #[test]
    fn the_longest_text_of_newlines_fits_a_request() {
        let config = "\n".repeat(OCTETS_MAX - 1000);
        let request = api::Request::Apply { config, file: "f".repeat(255), dry_run: true, base_revision: None };
        assert!(api::RpcRequest::new(1, request).encode().len() <= api::LINE_MAX);
    }
}
