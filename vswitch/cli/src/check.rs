//! `millrace check`: files are checked right here, without a switch.

use std::path::{Path, PathBuf};

use control::config::{self, Config, ConfigError};
use serde::Serialize;

use crate::{
    console::Console,
    failure::{Exit, Failure},
    file,
};

/// The answer for programs.
#[derive(Serialize)]
struct Answer {
    ok: bool,
    files: Vec<Verdict>,
}

/// What is to be said about one file.
#[derive(Serialize)]
struct Verdict {
    file: String,
    ok: bool,
    errors: Vec<ConfigError>,
    warnings: Vec<ConfigError>,
    #[serde(skip)]
    summary: String,
}

/// Checks all files, and says everything about each.
pub(crate) fn run(paths: &[PathBuf], console: &mut Console) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let verdict = check(path)?;
        if !console.json() {
            tell(&verdict, console)?;
        }
        files.push(verdict);
    }
    let ok = files.iter().all(|file| file.ok);
    if console.json() {
        console.say_json(&Answer { ok, files })?;
    }
    Ok(if ok { Exit::Yes } else { Exit::No })
}

fn check(path: &Path) -> Result<Verdict, Failure> {
    let file = file::read(path)?;
    Ok(match config::load(&file.text, &file.name) {
        Ok(config) => Verdict {
            summary: summary(&config),
            file: file.name,
            ok: true,
            errors: Vec::new(),
            warnings: config.warnings,
        },
        Err(errors) => Verdict {
            summary: counted(errors.len(), "error"),
            file: file.name,
            ok: false,
            errors,
            warnings: Vec::new(),
        },
    })
}

fn tell(verdict: &Verdict, console: &mut Console) -> Result<(), Failure> {
    verdict.warnings.iter().for_each(|warning| console.remark(&format!("{warning} (warning)")));
    verdict.errors.iter().for_each(|error| console.remark(&error.to_string()));
    let state = if verdict.ok { "ok" } else { "refused" };
    console.say(&format!("{}: {state}, {}", verdict.file, verdict.summary))
}

fn summary(config: &Config) -> String {
    let counts = [
        counted(config.ports.len(), "port"),
        counted(config.networks.len(), "network"),
        counted(config.tunnels.len(), "tunnel"),
    ];
    counts.join(", ")
}

/// `1 port`, `2 ports`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
