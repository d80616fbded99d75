//! The house rules as a test: `cargo run -q -p tidy` from anywhere in the repository.
//!
//! Prints one line a violation, `path:line: what is wrong`, and ends with code 1 where there is any. What rustfmt and
//! clippy can check is theirs; here is what they cannot: the arrows between rooms, the places of `unsafe`, lengths, names.
#![forbid(unsafe_code)]

mod arrows;
mod finding;
mod lengths;
mod names;
mod source;
mod spelling;
mod unsafe_places;
mod workspace;

use std::{collections::BTreeSet, error::Error, path::Path, process::ExitCode};

use finding::Finding;
use source::Source;
use workspace::Workspace;

/// Existing offenders against the length limits, which may only shrink.
const RATCHET: &str = "scripts/tidy/ratchet.txt";

fn main() -> ExitCode {
    match run() {
        Ok((files, findings)) if findings.is_empty() => {
            println!("tidy: {files} files in order");
            ExitCode::SUCCESS
        }
        Ok((_, findings)) => {
            findings.iter().for_each(|finding| println!("{finding}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tidy: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many files there are, and what is wrong with them, in order and without duplicates.
fn run() -> Result<(usize, BTreeSet<Finding>), Box<dyn Error>> {
    let workspace = Workspace::load()?;
    let paths = source::list(&workspace.root)?;
    let mut findings = BTreeSet::new();
    findings.extend(names::check(&paths));

    let mut sources = Vec::new();
    for path in &paths {
        match Source::read(&workspace.root, path) {
            Ok(Some(source)) => sources.push(source),
            Ok(None) => {}
            Err(finding) => findings.extend([finding]),
        }
    }
    for source in &sources {
        findings.extend(unsafe_places::check_places(source));
        findings.extend(spelling::check(source));
    }
    for root in &workspace.crate_roots {
        match sources.iter().find(|source| &source.path == root) {
            Some(source) => findings.extend(unsafe_places::check_root(source)),
            None => findings.extend([Finding::new(root, 1, "a crate root that is not in the repository")]),
        }
    }
    let ratchet = read_or_empty(&workspace.root.join(RATCHET))?;
    findings.extend(lengths::check(&sources, RATCHET, &ratchet));
    let readme = read_or_empty(&workspace.root.join("README.md"))?;
    findings.extend(arrows::check("README.md", &readme, &workspace.arrows));
    Ok((paths.len(), findings))
}

/// A file that is not there has no content; each rule says itself what it misses in it.
fn read_or_empty(path: &Path) -> std::io::Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        other => other,
    }
}
