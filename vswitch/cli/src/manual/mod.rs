//! `millrace man` and `millrace completions`: manual pages and completions of what can be typed, made of the definition
//! that parses it. Nothing of this is kept in files that could grow stale.

mod page;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use clap_complete::Shell;
use serde::Serialize;

use self::page::Page;
use crate::{
    arguments::Arguments,
    console::Console,
    failure::{Exit, Failure},
};

/// One text, for programs.
#[derive(Serialize)]
struct Text<'t> {
    text: &'t str,
}

/// The pages that were written, for programs.
#[derive(Serialize)]
struct Pages {
    pages: Vec<PathBuf>,
}

/// Prints the completions for a shell.
pub(crate) fn completions(shell: Shell, console: &mut Console) -> Result<Exit, Failure> {
    print(&script(shell), console)
}

/// Prints a text that is meant for a file.
pub(crate) fn print(text: &str, console: &mut Console) -> Result<Exit, Failure> {
    let printed = if console.json() { console.say_json(&Text { text }) } else { console.say_whole(text) };
    printed.map(|()| Exit::Yes)
}

/// Prints the page of `millrace`, or writes all pages below a folder.
pub(crate) fn man(folder: Option<&Path>, console: &mut Console) -> Result<Exit, Failure> {
    let pages = pages();
    let Some(folder) = folder else {
        return pages.first().map_or(Ok(Exit::Yes), |whole| print(&whole.text, console));
    };
    let pages = pages.iter().map(|page| write(page, folder)).collect::<Result<Vec<_>, _>>()?;
    if console.json() {
        console.say_json(&Pages { pages })?;
    } else {
        pages.iter().try_for_each(|page| console.say(&page.display().to_string()))?;
    }
    Ok(Exit::Yes)
}

/// Completions for a shell.
fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "millrace", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The page of `millrace`, one for each command below it, and that of `millraced`.
fn pages() -> Vec<Page> {
    let mut pages = page::of_tree(Arguments::command(), 1);
    pages.extend(page::of_tree(usage::command(env!("CARGO_PKG_VERSION")), 8));
    pages
}

/// Writes a page to where `man -M folder` looks for it.
fn write(page: &Page, folder: &Path) -> Result<PathBuf, Failure> {
    let folder = folder.join(format!("man{}", page.section));
    let path = folder.join(page.file());
    let written: io::Result<()> = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, &page.text));
    written.map_err(|error| Failure::Unwritten { path: path.clone(), error })?;
    Ok(path)
}

#[cfg(test)]
mod tests;
