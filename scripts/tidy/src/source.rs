//! The files of the repository, and a Rust or shell file read and parsed.

use std::{error::Error, path::Path, process::Command};

use crate::finding::Finding;

/// A file whose text the rules look at.
pub(crate) struct Source {
    /// Relative to the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The syntax, where it is Rust.
    pub(crate) rust: Option<syn::File>,
}

impl Source {
    /// Reads a Rust file or a script; `None` for any other file, and for one that git lists but somebody just removed.
    pub(crate) fn read(root: &Path, path: &str) -> Result<Option<Source>, Finding> {
        let Ok(bytes) = std::fs::read(root.join(path)) else { return Ok(None) };
        if !path.ends_with(".rs") && !path.ends_with(".sh") && !bytes.starts_with(b"#!") {
            return Ok(None);
        }
        let text = String::from_utf8(bytes).map_err(|_| Finding::new(path, 1, "is not UTF-8"))?;
        Source::parse(path, text).map(Some)
    }

    /// A file with this text.
    pub(crate) fn parse(path: &str, text: String) -> Result<Source, Finding> {
        let rust = if path.ends_with(".rs") {
            let parsed = syn::parse_file(&text);
            Some(parsed.map_err(|e| Finding::new(path, e.span().start().line, format!("does not parse: {e}")))?)
        } else {
            None
        };
        Ok(Source { path: path.to_owned(), text, rust })
    }
}

/// Every file git knows or would take, relative to `root`.
pub(crate) fn list(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let arguments = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").args(arguments).current_dir(root).output()?;
    if !listed.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr).trim()).into());
    }
    let names = String::from_utf8(listed.stdout)?;
    let mut names: Vec<_> = names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Err("git lists no file at all".into());
    }
    Ok(names)
}

/// A Rust file for tests.
#[cfg(test)]
pub(crate) fn sample(path: &str, text: &str) -> Source {
    Source::parse(path, text.to_owned()).expect("samples parse")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_parse_is_a_finding_with_its_line() {
        let finding = Source::parse("a.rs", "fn a() {}\nfn {".into()).err().unwrap();
        assert!(finding.to_string().starts_with("a.rs:2: does not parse"), "{finding}");
    }

    #[test]
    fn the_repository_lists_this_very_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert!(list(&root).unwrap().iter().any(|path| path == "scripts/tidy/src/main.rs"));
    }
}
