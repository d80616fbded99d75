//! One manual page of one command.
//!
//! `clap_mangen` makes of the definition what it knows of; the text that stands below the options in `--help` has headings
//! of its own, and becomes sections that are not filled, so that examples stay as they are.

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A page, in roff.
pub(super) struct Page {
    /// What to ask `man` for.
    pub(super) name: String,
    /// 1 for commands, 8 for daemons.
    pub(super) section: u8,
    /// What `man` reads.
    pub(super) text: String,
}

impl Page {
    /// What its file is called.
    pub(super) fn file(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }
}

/// The page of a command, and then of each one below it.
pub(super) fn of_tree(command: Command, section: u8) -> Vec<Page> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, None, section, &mut pages);
    pages
}

fn collect(command: &Command, above: Option<&str>, section: u8, pages: &mut Vec<Page>) {
    let name = name(command).to_owned();
    let text = render(command, above, section);
    pages.push(Page { name: name.clone(), section, text });
    command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set())
        .for_each(|sub| collect(sub, Some(&name), section, pages));
}

/// `millrace-show-ports`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn render(command: &Command, above: Option<&str>, section: u8) -> String {
    let man = Man::new(command.clone()).section(section.to_string());
    // Not by `Man`: it loses the date that is empty, and what stands behind it moves up.
    let title = format!(".TH \"{}\" {section} \"\" \"Millrace {VERSION}\" \"Millrace manual\"\n", name(command));
    let mut roff = title.into_bytes();
    let mut written = man.render_name_section(&mut roff);
    written = written.and_then(|()| man.render_synopsis_section(&mut roff));
    written = written.and_then(|()| man.render_description_section(&mut roff));
    written = written.and_then(|()| man.render_options_section(&mut roff));
    if command.has_subcommands() {
        written = written.and_then(|()| man.render_subcommands_section(&mut roff));
    }
    written = written.and_then(|()| rest(command, above, section).to_writer(&mut roff));
    written.expect("a Vec takes everything");
    String::from_utf8_lossy(&roff).into_owned()
}

/// What stands below the options, and what to read beside the page.
fn rest(command: &Command, above: Option<&str>, section: u8) -> Roff {
    let mut roff = Roff::new();
    let text = command.get_after_long_help().or_else(|| command.get_after_help());
    let mut last = "";
    for paragraph in text.map(ToString::to_string).unwrap_or_default().split("\n\n") {
        let (heading, body) = parts(paragraph);
        if !heading.is_empty() && heading != last {
            roff.control("SH", [titled(heading).as_str()]);
            last = heading;
        }
        add(body, &mut roff);
    }
    let (other, of_section) = if section == 1 { ("millraced", 8) } else { ("millrace", 1) };
    roff.control("SH", ["SEE ALSO"]);
    if let Some(above) = above {
        roff.text([bold(above), roman(format!("({section}),"))]);
    }
    roff.text([bold(other), roman(format!("({of_section})"))]);
    roff
}

/// A paragraph's heading, up to the colon of a line that is not indented, and what is below or behind it.
fn parts(paragraph: &str) -> (&str, &str) {
    match paragraph.split_once(':') {
        Some((heading, body)) if !heading.starts_with(' ') && !heading.contains('\n') => {
            (heading, body.strip_prefix('\n').unwrap_or(body.trim_start()))
        }
        _ => ("", paragraph),
    }
}

/// A heading in the words that manual pages use.
fn titled(heading: &str) -> String {
    match heading {
        "Example" | "Examples" => "EXAMPLES".to_owned(),
        "Exit code" | "Exit codes" => "EXIT STATUS".to_owned(),
        other => other.to_uppercase(),
    }
}

/// Indented lines as they are, others filled.
fn add(body: &str, roff: &mut Roff) {
    let is_laid_out = body.starts_with("  ");
    roff.control(if is_laid_out { "nf" } else { "PP" }, []);
    for line in body.lines() {
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line).trim_end())]);
    }
    if is_laid_out {
        roff.control("fi", []);
    }
}
