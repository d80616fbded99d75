//! `millrace apply`: show what a configuration changes, ask, change it.

use api::{Applied, DiffLine, DiffOp, Reply, Request};

use crate::{
    arguments::Apply,
    check::counted,
    client::Client,
    console::{Colour, Console},
    failure::{Exit, Failure},
    file::Text,
};

/// Brings a configuration into force, or only tells what it would change.
pub(crate) fn run(options: &Apply, file: Text, client: &mut Client, console: &mut Console) -> Result<Exit, Failure> {
    let plan = transact(&file, true, client)?;
    plan.warnings.iter().for_each(|warning| console.remark(&format!("{warning} (warning)")));
    if console.json() && options.dry_run {
        console.say_json(&plan)?;
        return Ok(Exit::Yes);
    }
    let asks = !options.yes && !options.dry_run && !plan.diff.is_empty() && console.can_ask();
    show_plan(&plan.diff, asks, console)?;
    if options.dry_run {
        console.say(&format!("dry run: {}, nothing was applied", counted(plan.diff.len(), "change")))?;
        return Ok(Exit::Yes);
    }
    if plan.diff.is_empty() {
        return finish(&plan, true, console);
    }
    if asks && !console.ask(&format!("Apply {} to {}?", counted(plan.diff.len(), "change"), client.switch())) {
        console.remark("not applied");
        return Ok(Exit::No);
    }
    let applied = transact(&file, false, client)?;
    if applied.diff != plan.diff {
        console.remark("meanwhile something else was changed; what was applied is this:");
        show_plan(&applied.diff, false, console)?;
    }
    finish(&applied, applied.applied, console)
}

fn transact(file: &Text, dry_run: bool, client: &mut Client) -> Result<Applied, Failure> {
    let (config, name) = (file.text.clone(), file.name.clone());
    match client.call(&Request::Apply { config, file: name, dry_run })? {
        Reply::Applied(applied) => Ok(applied),
        other => unreachable!("the api decodes the answer to apply as Applied, not {other:?}"),
    }
}

/// Under `--json` the difference is part of the answer, and shown only to an operator who is asked about it.
fn show_plan(diff: &[DiffLine], asks: bool, console: &mut Console) -> Result<(), Failure> {
    if console.json() {
        if asks {
            diff.iter().for_each(|line| console.remark(&line.to_string()));
        }
        return Ok(());
    }
    diff.iter().try_for_each(|line| {
        let colour = match line.op {
            DiffOp::Added => Colour::Green,
            DiffOp::Removed => Colour::Red,
            DiffOp::Changed => Colour::Yellow,
        };
        console.say_in(colour, &line.to_string())
    })
}

fn finish(applied: &Applied, in_force: bool, console: &mut Console) -> Result<Exit, Failure> {
    if console.json() {
        // An empty difference was not sent again: the configuration is in force all the same.
        console.say_json(&Applied { applied: in_force, ..applied.clone() })?;
    } else {
        let generation = applied.generation;
        console.say(&match (in_force, applied.diff.is_empty()) {
            (true, true) => format!("nothing changes: generation {generation} is in force"),
            (true, false) => format!("applied: generation {generation} is in force"),
            (false, _) => format!("not applied: generation {generation} is in force"),
        })?;
    }
    Ok(if in_force { Exit::Yes } else { Exit::No })
}
