//! The counts that later ones are compared with, in a file of the repository.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use serde::{Deserialize, Serialize};

use super::CountError;

/// Instructions a packet, by stage.
pub(super) type Counts = BTreeMap<String, f64>;

/// How much a count may grow, in hundredths of what is recorded.
pub(super) const TOLERANCE_PERCENT: f64 = 3.0;
/// How much it may grow at least: counts are rounded to tenths.
const TOLERANCE_LEAST: f64 = 0.3;

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// The compiler whose code was counted.
    rustc: String,
    /// By job and burst.
    pub(super) rows: BTreeMap<String, Counts>,
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/counts.toml"))
}

const HEAD: &str = "# Instructions a packet, by job and burst, then by stage. Written by `cargo run -p perf --release -- count --bless`.\n\n";

impl Record {
    /// What is recorded; nothing where there is no file.
    pub(super) fn read() -> Result<Record, CountError> {
        let error = |cause: String| CountError::Record { path: path(), cause };
        match std::fs::read_to_string(path()) {
            Ok(text) => toml::from_str(&text).map_err(|cause| error(cause.to_string())),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Record::default()),
            Err(cause) => Err(error(cause.to_string())),
        }
    }

    /// Why counts of today's compiler cannot be compared with these.
    pub(super) fn check_toolchain(&self) -> Result<(), String> {
        let now = rustc();
        if self.rustc.is_empty() || self.rustc == now {
            return Ok(());
        }
        Err(format!(
            "the counts were recorded with {}, and this is {now}; `perf count --bless` records new ones",
            self.rustc
        ))
    }

    /// Writes the file anew; rows that were not counted stay.
    pub(super) fn bless(mut self, rows: impl Iterator<Item = (String, Counts)>) -> Result<(), CountError> {
        self.rustc = rustc();
        self.rows.extend(rows);
        let error = |cause: String| CountError::Record { path: path(), cause };
        let text = toml::to_string(&self).map_err(|cause| error(cause.to_string()))?;
        std::fs::write(path(), HEAD.to_owned() + &text).map_err(|cause| error(cause.to_string()))
    }
}

/// The compiler's name and version.
fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output().ok();
    output.map_or_else(String::new, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Stages that take more than is recorded: their names, what is recorded, and what they take now.
pub(super) fn more(before: &Counts, now: &Counts) -> Vec<(String, f64, f64)> {
    let allowed = |recorded: f64| recorded + (recorded * TOLERANCE_PERCENT / 100.0).max(TOLERANCE_LEAST);
    let recorded = |stage: &String| before.get(stage).copied().unwrap_or(0.0);
    let over = now.iter().filter(|&(stage, &count)| count > allowed(recorded(stage)));
    over.map(|(stage, &count)| (stage.clone(), recorded(stage), count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(parse: f64, act: f64) -> Counts {
        Counts::from([("parse".to_owned(), parse), ("act".to_owned(), act)])
    }

    #[test]
    fn three_percent_more_is_too_much_and_less_is_never() {
        assert!(more(&counts(100.0, 50.0), &counts(103.0, 20.0)).is_empty());
        assert_eq!(more(&counts(100.0, 50.0), &counts(103.1, 50.0)), [("parse".to_owned(), 100.0, 103.1)]);
        assert!(more(&counts(1.0, 0.0), &counts(1.2, 0.2)).is_empty(), "a rounding is no growth");
        assert_eq!(more(&Counts::new(), &counts(9.0, 0.0)).len(), 1, "a stage that is new");
    }

    #[test]
    fn the_recorded_file_is_read() {
        let record = Record::read().unwrap();
        assert!(
            record.rustc.starts_with("rustc ")
                && record.rows.len() == crate::count::BURSTS.len() * crate::count::Job::ALL.len()
        );
        assert!(record.rows.values().all(|counts| counts["all"] > 0.0));
    }
}
