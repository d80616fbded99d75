//! `millrace check`: files are checked right here, without a switch.

use std::path::{Path, PathBuf};

use control::{
    config::{self, Config, ConfigError},
    need::Need,
};
use serde::Serialize;

use crate::{
    arguments::Check,
    console::Console,
    doctor::{self, Finding},
    failure::{Exit, Failure},
    file,
    quantity::{Numbers, mebioctets},
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
    /// What it needs of memory; `null` where it is wrong.
    memory: Option<Memory>,
    /// What this machine lacks of that.
    machine: Vec<Finding>,
    #[serde(skip)]
    summary: String,
}

/// The memory that a configuration needs.
#[derive(Serialize)]
struct Memory {
    hugepages: u64,
    hugepages_bytes: u64,
    ordinary_bytes: u64,
    #[serde(flatten)]
    need: Need,
}

impl Memory {
    fn of(config: &Config) -> Memory {
        let need = Need::of(config);
        let (hugepages, hugepages_bytes) = (need.huge_pages(), need.huge_bytes());
        Memory { hugepages, hugepages_bytes, ordinary_bytes: need.ordinary_bytes(), need }
    }
}

/// Checks all files, and says everything about each.
pub(crate) fn run(options: &Check, console: &mut Console) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    for path in &options.files {
        let verdict = check(path, (!options.no_machine).then_some(&options.sysroot))?;
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

/// Judges a file; by the machine whose /proc and /sys are below `sysroot`, too, where one is given.
fn check(path: &Path, sysroot: Option<&PathBuf>) -> Result<Verdict, Failure> {
    let file = file::read(path)?;
    Ok(match config::load(&file.text, &file.name) {
        Ok(config) => Verdict {
            summary: summary(&config),
            memory: Some(Memory::of(&config)),
            machine: sysroot.map(|root| doctor::memory(root, &config, &file)).unwrap_or_default(),
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
            memory: None,
            machine: Vec::new(),
        },
    })
}

fn tell(verdict: &Verdict, console: &mut Console) -> Result<(), Failure> {
    verdict.warnings.iter().for_each(|warning| console.remark(&format!("{warning} (warning)")));
    verdict.errors.iter().for_each(|error| console.remark(&error.to_string()));
    let state = if verdict.ok { "ok" } else { "refused" };
    console.say(&format!("{}: {state}, {}", verdict.file, verdict.summary))?;
    if let Some(memory) = &verdict.memory {
        tell_memory(memory, console)?;
    }
    for Finding { found, why, mend, .. } in &verdict.machine {
        let mend = mend.as_ref().map_or_else(String::new, |mend| format!("; mend: {mend}"));
        console.remark(&format!("{}: this machine: {found}: {why}{mend} (warning)", verdict.file));
    }
    Ok(())
}

/// What it needs in all, and of what that is made.
fn tell_memory(memory: &Memory, console: &mut Console) -> Result<(), Failure> {
    let mib = |octets| mebioctets(octets, Numbers::Short);
    let Memory { hugepages, hugepages_bytes, ordinary_bytes, need } = memory;
    let huge = match hugepages {
        0 => String::new(),
        pages => format!("{} on {pages} hugepages of 2 MiB, ", mib(*hugepages_bytes)),
    };
    console.say(&format!("  memory: {huge}{} on ordinary pages", mib(*ordinary_bytes)))?;
    for item in &need.items {
        console.say(&format!("  {:>11}  {}, {}", mib(item.bytes), item.what, item.detail))?;
    }
    Ok(())
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
