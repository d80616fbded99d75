//! `millrace doctor`: what about this machine keeps the switch from starting, or from being fast, and what mends it.
//!
//! One file a subject; each check reads /proc and /sys (below a [`sysroot::Sysroot`], so that a test can plant a machine),
//! compares it with what the configuration needs ([`need::Need`]), and says what it found in [`finding::Finding`]s.
//! Nothing is changed: the operator runs the commands.

mod cpu_set;
mod devices;
mod finding;
mod hugepages;
mod interrupts;
mod isolation;
mod kernel;
mod limits;
mod mend;
mod need;
mod pci_address;
mod placement;
mod power;
mod report;
mod sysroot;
mod topology;
mod vfio;
mod wakeup;

use std::path::Path;

use control::config;

use crate::{
    arguments::Doctor,
    console::Console,
    failure::{Exit, Failure},
    file,
};

pub(crate) use self::finding::Finding;
use self::{
    finding::{Severity, look},
    need::Need,
    sysroot::Sysroot,
    topology::Topology,
};

/// The machine, and what is wanted of it.
struct Patient<'m> {
    root: &'m Sysroot,
    need: &'m Need,
    topology: Topology,
    /// Whether a switch runs here now.
    runs: bool,
}

/// All checks, in the order an operator would go.
const CHECKS: [fn(&Patient) -> Vec<Finding>; 10] = [
    placement::check,
    hugepages::check,
    vfio::check,
    devices::check,
    isolation::check,
    interrupts::check,
    power::check,
    wakeup::check,
    limits::check,
    kernel::check,
];

/// Examines the machine, and prints the findings. The answer is yes where none is a problem.
pub(crate) fn run(options: &Doctor, console: &mut Console) -> Result<Exit, Failure> {
    let root = Sysroot::new(&options.sysroot);
    let file = options.config.as_deref().map(file::read).transpose()?;
    let name = file.as_ref().map(|file| file.name.as_str());
    // Standard input is no file that a command could change.
    let path = name.filter(|_| options.config.as_deref() != Some(Path::new("-")));
    let need = match &file {
        None => Need::of_default(&root).ok_or_else(no_config),
        Some(file) => match config::load(&file.text, &file.name) {
            Ok(config) => Ok(Need::new(&config, path, &file.text, &root)),
            Err(errors) => Err(bad_config(&file.name, &errors)),
        },
    };
    let mut findings = match need {
        Ok(need) => examine(&root, &need),
        Err(finding) => vec![finding],
    };
    report::print(name, &mut findings, console)
}

/// What the machine below `root` lacks of the memory that a configuration needs.
pub(crate) fn memory(root: &Path, config: &config::Config, file: &file::Text) -> Vec<Finding> {
    let root = Sysroot::new(root);
    let need = Need::new(config, Some(&file.name), &file.text, &root);
    let patient = Patient { root: &root, need: &need, topology: Topology::read(&root), runs: root.runs("millraced") };
    let mut findings = hugepages::amount(&patient);
    findings.retain(|finding| matches!(finding.severity, Severity::Problem | Severity::Warning));
    findings
}

fn examine(root: &Sysroot, need: &Need) -> Vec<Finding> {
    let patient = Patient { root, need, topology: Topology::read(root), runs: root.runs("millraced") };
    CHECKS.iter().flat_map(|check| check(&patient)).collect()
}

/// Without a configuration there is nothing to judge the machine by.
fn bad_config(file: &str, errors: &[config::ConfigError]) -> Finding {
    let first = errors.first().map_or_else(String::new, ToString::to_string);
    look("config", file, file).bad(
        Severity::Problem,
        format!("{} errors, the first: {first}", errors.len()),
        "nothing else is judged before the file is right",
        format!("millrace check {}", mend::quoted(file)),
    )
}

fn no_config() -> Finding {
    look("config", "default", "").bad(
        Severity::Problem,
        "this build's default configuration is wrong",
        "nothing can be judged by it",
        "millrace doctor --config FILE",
    )
}
