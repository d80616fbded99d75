//! `millrace port|network|tunnel|mac add|set|del`: small edits of the running configuration.
//!
//! The switch tells the text it runs by, and its revision; the text is edited here (`document`), and goes back as an
//! ordinary `apply` on top of that revision: checked, compared, and all or nothing. Where somebody else was faster, the
//! edit is made again on what that left. `--save` writes the same edit into the file (`save`).

pub(crate) mod arguments;
mod document;
mod layout;
mod lines;
mod list;
mod object;
mod save;
#[cfg(test)]
mod tests;
mod value;

use std::{
    collections::HashSet,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use api::{Applied, ErrorCode, Reply, Request, RpcError, RunningConfig};
use control::config;
use serde::Serialize;

pub(crate) use object::Edit;
use save::Slot;

use crate::{
    apply::{finish_line, show_plan},
    check::counted,
    client::Client,
    console::Console,
    failure::{Exit, Failure},
};

/// How long an edit is tried again while others edit, too.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// The answer for programs.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    applied: &'a Applied,
    /// The file that was written.
    saved: Option<PathBuf>,
}

/// An edit that is in force (or was rehearsed).
struct Made {
    applied: Applied,
    before: RunningConfig,
    after: String,
    slot: Option<Slot>,
}

/// Makes the edit, and saves it where that is wanted.
pub(crate) fn run(edit: Edit, client: &mut Client, console: &mut Console) -> Result<Exit, Failure> {
    let made = make(edit, client)?;
    remark_new_warnings(&made, console);
    show_plan(&made.applied.diff, false, console)?;
    let is_dry = edit.how().dry_run;
    let slot = made.slot.filter(|_| !is_dry);
    let saved = slot.map(|slot| slot.write(&made.before.text, &made.after)).transpose()?;
    if console.json() {
        console.say_json(&Answer { applied: &made.applied, saved })?;
    } else if is_dry {
        let changes = counted(made.applied.diff.len(), "change");
        console.say(&format!("dry run: {changes}, nothing was applied"))?;
    } else {
        console.say(&finish_line(&made.applied))?;
        saved.iter().try_for_each(|path| console.say(&format!("saved: {}", path.display())))?;
    }
    Ok(Exit::Yes)
}

/// Reads, edits and applies until nobody comes in between.
fn make(edit: Edit, client: &mut Client) -> Result<Made, Failure> {
    let how = edit.how();
    let deadline = Instant::now() + PATIENCE;
    let mut slot: Option<Slot> = None;
    for attempt in 1.. {
        let before = running(client)?;
        if let Some(wanted) = &how.save {
            let path = save::path(wanted.as_deref(), &before.file)?;
            if !slot.as_ref().is_some_and(|slot| slot.is_of(&path)) {
                // Whoever held the file may have changed what runs: it is read again.
                slot = Some(Slot::hold(path, wanted.is_some(), deadline)?);
                continue;
            }
        }
        slot.iter().try_for_each(|slot| slot.compare(&before.text))?;
        let after = edit.of(&before.text)?;
        match apply(&before, &after, how.dry_run, client) {
            Ok(applied) => return Ok(Made { applied, before, after, slot }),
            Err(Failure::Refused(error)) => match pause(&error, attempt) {
                Some(pause) if Instant::now() + pause < deadline => thread::sleep(pause),
                _ => return Err(explained(error, &after)),
            },
            Err(failure) => return Err(failure),
        }
    }
    unreachable!("the attempts do not end by themselves")
}

fn running(client: &mut Client) -> Result<RunningConfig, Failure> {
    match client.call(&Request::ShowConfig)? {
        Reply::Config(config) => Ok(config),
        other => unreachable!("the api decodes the answer to show_config as Config, not {other:?}"),
    }
}

fn apply(before: &RunningConfig, after: &str, dry_run: bool, client: &mut Client) -> Result<Applied, Failure> {
    let (config, file, base_revision) = (after.to_owned(), before.file.clone(), Some(before.revision));
    match client.call(&Request::Apply { config, file, dry_run, base_revision })? {
        Reply::Applied(applied) => Ok(applied),
        other => unreachable!("the api decodes the answer to apply as Applied, not {other:?}"),
    }
}

/// How long to wait before the next try, where the error is that others are at work; longer with each, and not the same
/// for everybody.
fn pause(error: &RpcError, attempt: u32) -> Option<Duration> {
    let asked = error.data.as_ref().and_then(|data| data.get("retry_after_ms")).and_then(serde_json::Value::as_u64);
    if let Some(ms) = asked {
        return Some(Duration::from_millis(ms.saturating_add(1)));
    }
    if !matches!(error.kind(), Some(ErrorCode::Busy | ErrorCode::Conflict)) {
        return None;
    }
    let own = u64::from(std::process::id().wrapping_mul(attempt.wrapping_mul(7919)) % 17);
    Some(Duration::from_millis(own + u64::from(attempt) * 2).min(PAUSE_MAX))
}

/// A refusal in terms of what was edited: the lines of a text that the operator has not seen have no numbers.
fn explained(error: RpcError, text: &str) -> Failure {
    if error.kind() != Some(ErrorCode::ConfigRefused) {
        return Failure::Refused(error);
    }
    let line = |number: u32| text.lines().nth(number.checked_sub(1)? as usize).map(|line| line.trim().to_owned());
    let told = error.problems().into_iter().map(|problem| {
        let hint = problem.hint.map_or_else(String::new, |hint| format!("; {hint}"));
        let source = line(problem.line).map_or_else(String::new, |line| format!("\n    | {line}"));
        format!("{}{hint}{source}", problem.message)
    });
    Failure::EditRefused { told: told.collect(), error }
}

/// Tells warnings that the edit brought; those that were there before are no news.
fn remark_new_warnings(made: &Made, console: &mut Console) {
    let old = config::load(&made.before.text, "").map_or_else(|_| Vec::new(), |config| config.warnings);
    let old: HashSet<String> = old.into_iter().map(|warning| warning.message).collect();
    for warning in made.applied.warnings.iter().filter(|warning| !old.contains(&warning.message)) {
        let hint = warning.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
        console.remark(&format!("{}{hint} (warning)", warning.message));
    }
}
