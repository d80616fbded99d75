//! What the doctor says: a table and what to do for people, one object for programs.

use serde::Serialize;

use crate::{
    check::counted,
    console::{Colour, Console},
    failure::{Exit, Failure},
    show::grid::{Grid, Lean},
};

use super::finding::{
    Finding,
    Severity::{self, Ok, Problem, Unchecked, Warning},
};

/// The answer for programs.
#[derive(Serialize)]
struct Answer<'f> {
    schema: u32,
    /// The configuration it was judged by; `null` is the default one.
    config: Option<&'f str>,
    ok: bool,
    problems: usize,
    warnings: usize,
    unchecked: usize,
    findings: &'f [Finding],
}

/// Prints all findings, the worst first; the answer is yes where none is a problem.
pub(super) fn print(config: Option<&str>, findings: &mut [Finding], console: &mut Console) -> Result<Exit, Failure> {
    findings.sort_by_key(|finding| finding.severity);
    let count = |severity: Severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (problems, warnings, unchecked) = (count(Problem), count(Warning), count(Unchecked));
    let exit = if problems == 0 { Exit::Yes } else { Exit::No };
    if console.json() {
        let ok = problems == 0;
        console.say_json(&Answer { schema: api::SCHEMA, config, ok, problems, warnings, unchecked, findings })?;
        return Result::Ok(exit);
    }
    console.say(&table(findings).to_string())?;
    for finding in findings.iter().filter(|finding| finding.severity != Ok) {
        tell(finding, console)?;
    }
    let by = config.unwrap_or("the default configuration (--config FILE judges by yours)");
    let counts = [counted(problems, "problem"), counted(warnings, "warning"), format!("{unchecked} not checkable")];
    let colour = match (problems, warnings) {
        (0, 0) => Colour::Green,
        (0, _) => Colour::Yellow,
        _ => Colour::Red,
    };
    console.say_in(colour, &format!("\n{}; judged by {by}", counts.join(", ")))?;
    Result::Ok(exit)
}

fn table(findings: &[Finding]) -> Grid {
    let mut grid =
        Grid::new([("STATE", Lean::Left), ("CHECK", Lean::Left), ("ABOUT", Lean::Left), ("FOUND", Lean::Left)]);
    for finding in findings {
        let state = finding.severity.word().to_owned();
        grid.row([state, finding.check.to_owned(), finding.about.clone(), finding.found.clone()]);
    }
    grid
}

fn tell(finding: &Finding, console: &mut Console) -> Result<(), Failure> {
    let Finding { check, about, severity, found, file, why, mend } = finding;
    let line = format!("\n{}: {check}, {about}: {found}", severity.word());
    match severity {
        Problem => console.say_in(Colour::Red, &line)?,
        Warning => console.say_in(Colour::Yellow, &line)?,
        Unchecked | Ok => console.say(&line)?,
    }
    if !file.is_empty() {
        console.say(&format!("  in    {file}"))?;
    }
    console.say(&format!("  why   {why}"))?;
    let verb = if *severity == Unchecked { "run " } else { "mend" };
    mend.iter().try_for_each(|mend| console.say(&format!("  {verb}  {mend}")))
}
