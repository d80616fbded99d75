//! `millrace`, the operator's tool: checks configurations, applies them, and shows what a running switch does.
//!
//! One file a thing: `arguments` is what can be typed (and the manual: `--help`), `socket` finds the switch, `client`
//! talks to it, `check`, `apply`, `edit`, `doctor` and `show` are the commands, `manual` makes pages and completions,
//! `console` is the terminal, `failure` says what went wrong and how to mend it. Links no DPDK and needs no privileges of its own.
#![forbid(unsafe_code)]

mod apply;
mod arguments;
mod check;
mod client;
mod console;
mod doctor;
mod edit;
mod failure;
mod file;
mod manual;
mod quantity;
mod show;
mod socket;

use std::{
    io::{self, BufReader},
    process::ExitCode,
};

use clap::Parser;

use arguments::{AboutConfig, Arguments, Command};
use console::Console;
use edit::Edit;
use failure::{Exit, Failure};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => {
            // Help, version or a usage error. A reader that has gone is no reason to fail.
            let _ = told.print();
            return if told.use_stderr() { Exit::Usage } else { Exit::Yes }.into();
        }
    };
    // Standard input is not locked here: `FILE` may be `-`.
    let (mut out, mut err, mut stdin) = (io::stdout(), io::stderr(), BufReader::new(io::stdin()));
    let mut console = Console::of_process(&mut out, &mut err, &mut stdin, arguments.json);
    let answer = run(&arguments, &mut console);
    answer.unwrap_or_else(|failure| console.fail(&failure)).into()
}

fn run(arguments: &Arguments, console: &mut Console) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Check(options) => check::run(options, console),
        Command::Config { what: AboutConfig::Reference } => manual::print(&control::config::reference(), console),
        Command::Apply(options) => {
            let file = file::read(&options.file)?;
            apply::run(options, file, &mut arguments.connect()?, console)
        }
        Command::Doctor(options) => doctor::run(options, console),
        Command::Port(edit) => edit::run(Edit::Port(edit), &mut arguments.connect()?, console),
        Command::Network(edit) => edit::run(Edit::Network(edit), &mut arguments.connect()?, console),
        Command::Tunnel(edit) => edit::run(Edit::Tunnel(edit), &mut arguments.connect()?, console),
        Command::Mac(edit) => edit::run(Edit::Mac(edit), &mut arguments.connect()?, console),
        Command::Completions { shell } => manual::completions(*shell, console),
        Command::Man { folder } => manual::man(folder.as_deref(), console),
        Command::Show(options) => show::run(options, &mut arguments.connect()?, console),
    }
}
