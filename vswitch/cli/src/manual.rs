//! What is made of the definition of the command line beside `--help`: manual pages, and completions for shells.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use serde::Serialize;

use crate::{
    arguments::Arguments,
    console::Console,
    failure::{Exit, Failure},
};

/// One text, for programs.
#[derive(Serialize)]
struct Text {
    text: String,
}

/// The pages that were written, for programs.
#[derive(Serialize)]
struct Pages {
    pages: Vec<PathBuf>,
}

/// Prints the completions for a shell.
pub(crate) fn completions(shell: Shell, console: &mut Console) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition(), "millrace", &mut script);
    print(script, console)
}

/// Prints the first page, or writes all of them into `folder`, one for each command.
pub(crate) fn man(folder: Option<&Path>, console: &mut Console) -> Result<Exit, Failure> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        Man::new(definition()).render(&mut page).map_err(Failure::Output)?;
        return print(page, console);
    };
    let mut pages = Vec::new();
    write(definition(), folder, &mut pages)?;
    if console.json() {
        console.say_json(&Pages { pages })?;
    } else {
        pages.iter().try_for_each(|page| console.say(&page.display().to_string()))?;
    }
    Ok(Exit::Yes)
}

/// Prints a text that is meant for a file.
pub(crate) fn print(text: impl Into<Vec<u8>>, console: &mut Console) -> Result<Exit, Failure> {
    let text = String::from_utf8(text.into())
        .map_err(|error| Failure::Output(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    if console.json() {
        console.say_json(&Text { text })?
    } else {
        console.say_whole(&text)?
    }
    Ok(Exit::Yes)
}

/// All commands, each with its whole name (`millrace-port-add`).
fn definition() -> Command {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    command
}

fn write(command: Command, folder: &Path, pages: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let page = Man::new(command.clone());
    let path = folder.join(page.get_filename());
    let mut text = Vec::new();
    let written = page.render(&mut text).and_then(|()| fs::write(&path, text));
    written.map_err(|error| Failure::Unwritten { path: path.clone(), error })?;
    pages.push(path);
    command.get_subcommands().try_for_each(|sub| write(sub.clone(), folder, pages))
}
