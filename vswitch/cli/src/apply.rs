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
    let plan = transact(&file, true, options.base, client)?;
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
    if asks && !console.ask(&format!("Apply {} to {}?", counted(plan.diff.len(), "change"), client.switch())) {
        console.remark("not applied");
        return if console.json() { finish(&plan, console) } else { Ok(Exit::No) };
    }
    // Also where nothing changes: the switch tries devices that have gone at once when it is asked to. What nobody was asked about is
    // to be nothing still.
    let base = if plan.diff.is_empty() { options.base.or(Some(plan.revision)) } else { options.base };
    let applied = transact(&file, false, base, client).inspect_err(|failure| {
        if matches!(failure, Failure::NoSwitch(_)) {
            let again = format!("`millrace apply {} --dry-run`", file.name);
            console.remark(&format!("whether it came into force is not known: {again} tells once the switch answers"));
        }
    })?;
    if applied.diff != plan.diff {
        console.remark("meanwhile something else was changed; what was applied is this:");
        show_plan(&applied.diff, false, console)?;
    }
    finish(&applied, console)
}

fn transact(file: &Text, dry_run: bool, base_revision: Option<u64>, client: &mut Client) -> Result<Applied, Failure> {
    match client.call(&Request::Apply { config: file.text.clone(), file: file.place(), dry_run, base_revision })? {
        Reply::Applied(applied) => Ok(applied),
        other => unreachable!("the api decodes the answer to apply as Applied, not {other:?}"),
    }
}

/// Under `--json` the difference is part of the answer, and shown only to an operator who is asked about it.
pub(crate) fn show_plan(diff: &[DiffLine], asks: bool, console: &mut Console) -> Result<(), Failure> {
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

fn finish(applied: &Applied, console: &mut Console) -> Result<Exit, Failure> {
    if console.json() {
        console.say_json(applied)?;
    } else {
        console.say(&finish_line(applied))?;
    }
    Ok(if applied.applied { Exit::Yes } else { Exit::No })
}

/// How it ended, for people.
pub(crate) fn finish_line(applied: &Applied) -> String {
    let generation = applied.generation;
    match (applied.applied, applied.diff.is_empty()) {
        (true, true) => format!("nothing changes: generation {generation} is in force"),
        (true, false) => format!("applied: generation {generation} is in force"),
        (false, _) => format!("not applied: generation {generation} is in force"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client::tests::answered_by, console::tests::on_console};

    /// What an operator sees who types `typed` when asked about one change, and how it ends.
    fn with_operator(typed: &str, yes: bool, json: bool) -> (Exit, String, String) {
        let mut client = answered_by(|request| match request {
            Request::Apply { dry_run, .. } => Ok(Reply::Applied(Applied {
                diff: vec![DiffLine { op: DiffOp::Added, text: "port a3".into() }],
                generation: if dry_run { 1 } else { 2 },
                revision: 1,
                applied: !dry_run,
                warnings: vec![],
            })),
            _ => Err(api::RpcError::internal("apply asks for nothing else")),
        });
        let options = Apply { file: "a.toml".into(), dry_run: false, yes, base: None };
        let file = Text { name: "a.toml".into(), text: String::new() };
        let (exit, out, err) = on_console(Some(typed), json, |console| run(&options, file, &mut client, console));
        (exit.unwrap(), out, err)
    }

    const QUESTION: &str = "Apply 1 change to node-a? [y/N] ";

    #[test]
    fn an_operator_is_asked_and_yes_applies() {
        let (exit, out, err) = with_operator("y\n", false, false);
        assert_eq!((exit, err.as_str()), (Exit::Yes, QUESTION));
        assert_eq!(out, "+ port a3\napplied: generation 2 is in force\n");
    }

    #[test]
    fn an_operator_who_does_not_say_yes_changes_nothing() {
        for typed in ["", "\n", "n\n"] {
            let (exit, out, err) = with_operator(typed, false, false);
            assert_eq!((exit, out.as_str()), (Exit::No, "+ port a3\n"));
            assert_eq!(err, format!("{QUESTION}not applied\n"));
        }
    }

    #[test]
    fn an_operator_who_said_yes_before_is_not_asked() {
        assert_eq!(with_operator("", true, false).0, Exit::Yes);
    }

    #[test]
    fn under_json_the_question_and_what_it_is_about_stay_off_the_answer() {
        let remarked = format!("+ port a3\n{QUESTION}");
        for (typed, expected, last) in [("y\n", Exit::Yes, ""), ("n\n", Exit::No, "not applied\n")] {
            let (exit, out, err) = with_operator(typed, false, true);
            assert_eq!((exit, err), (expected, format!("{remarked}{last}")));
            let answer: Applied = serde_json::from_str(&out).unwrap();
            assert_eq!((answer.applied, out.lines().count()), (expected == Exit::Yes, 1));
        }
    }
}
