//! What can be typed, and the manual.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    client::Client,
    edit::arguments as edit,
    failure::Failure,
    show::arguments::Show,
    socket::{self, Wanted},
};

const MANUAL: &str = "\
Which switch:
  --socket PATH, else --switch NAME (/run/millrace/NAME.sock), else
  $MILLRACE_SOCKET, else the only socket in /run/millrace.

Exit codes:
  0  done; the answer is yes
  1  the answer is no: a file has errors, apply was refused, failed or declined,
     the ledger does not balance, you may not use this switch
  2  wrong usage, or several switches run here and you did not say which
  3  no switch reachable: no socket, nobody listens, no permission to open it,
     no answer in time

Output:
  Answers go to standard output, everything else to standard error. With --json
  an answer is one JSON object on one line, and so is a failure: {\"error\":{…}};
  `schema` in it changes only where a program that reads it has to change.
  Tables shorten numbers (12.3k frames, 4.56 MB: powers of ten); --json and
  `show --exact` give them whole. Colours appear only on a terminal, and not
  where NO_COLOR is set.

Examples:
  millrace check node-a.toml               is this file right?
  millrace apply node-a.toml               show what it changes, ask, change it
  millrace show ports                      what runs here?
  millrace --switch node-b show drops      where did its frames go, and why?
  millrace --json show macs | jq -r '.macs[].mac'";

/// Talks to a running Millrace switch, and checks configuration files without one.
#[derive(Debug, Parser)]
#[command(name = "millrace", version, after_help = MANUAL, arg_required_else_help = true, max_term_width = 110)]
pub(crate) struct Arguments {
    /// Control socket of the switch.
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "switch", help_heading = "Global options")]
    socket: Option<PathBuf>,

    /// Name of the switch, where several run on this machine.
    #[arg(long, global = true, value_name = "NAME", value_parser = socket::name, help_heading = "Global options")]
    switch: Option<String>,

    /// Print JSON, one object on one line.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,

    /// Longest wait for an answer [default: 5; apply: 60].
    #[arg(long, global = true, value_name = "SECONDS", help_heading = "Global options",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check configuration files; no switch is needed, nothing is changed.
    ///
    /// Names file, line and column of everything that is wrong, the value, and what would be right. Warnings do not
    /// make a file wrong. Says what memory each file needs, and whether this machine has it. Whether devices and namespaces exist is known to the running switch only: `apply --dry-run`.
    #[command(after_help = "\
Examples:
  millrace check node-a.toml
  millrace check /etc/millrace/*.toml && echo all good
  generate-config | millrace check -

Exit code: 0 when all files are right, else 1; what the machine lacks is a warning.")]
    Check(Check),

    /// About configuration files in general.
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "\
Example:
  millrace config reference | less"
    )]
    Config {
        /// What to print.
        #[command(subcommand)]
        what: AboutConfig,
    },

    /// Bring a configuration into force: show what it changes, ask, change it.
    ///
    /// The file is the whole configuration: what it does not name goes. The switch compares it with what is in force
    /// and touches only the difference; ports that do not change keep forwarding without losing a packet. Either all
    /// of it comes into force, or none of it. Lines of the difference: + is new, - goes, ~ changes.
    ///
    /// Asks for confirmation where standard input is a terminal; scripts are not asked.
    #[command(after_help = "\
Examples:
  millrace apply node-a.toml --dry-run    what would change?
  millrace apply node-a.toml              show, ask, apply
  millrace apply node-a.toml --yes        show, apply
  millrace apply node-a.toml --base 7     only on top of revision 7

Exit code: 0 when it is in force (or the dry run is through), 1 when it was
refused, failed or declined.")]
    Apply(Apply),

    /// Add, change or remove a port of the running switch.
    ///
    /// An edit of the running configuration: checked and applied as a whole, like `apply`; comments stay. Not asked about:
    /// --dry-run shows what it would change. Without --save the file on disk stays as it is.
    #[command(
        subcommand,
        after_help = "Example:
  millrace port add a3 --tap --netns pod-a3 --network blue --address 10.244.1.3/16"
    )]
    Port(edit::Port),

    /// Add, change or remove a network (bridge domain) of the running switch.
    #[command(
        subcommand,
        after_help = "Example:
  millrace network add red --vni 4097"
    )]
    Network(edit::Network),

    /// Add, change or remove a tunnel of the running switch.
    #[command(
        subcommand,
        after_help = "Example:
  millrace tunnel add to-c --uplink up0 --remote 192.0.2.3 --network blue"
    )]
    Tunnel(edit::Tunnel),

    /// Say where a MAC is, in the running switch: its static entries.
    #[command(
        subcommand,
        after_help = "Example:
  millrace mac add blue 02:00:00:00:0a:07 --port a1"
    )]
    Mac(edit::MacEdit),

    /// Examine this machine: what keeps a switch from starting or from being fast, and the command that mends it.
    ///
    /// Looks at hugepages, IOMMU and VFIO, PCI devices and their drivers, NUMA nodes, isolated cores, interrupts,
    /// C-states, limits and the kernel, and judges them by the configuration. Changes nothing. No switch is needed.
    #[command(after_help = "\
Examples:
  millrace doctor
  millrace doctor --config /etc/millrace/node-a.toml
  millrace --json doctor | jq -r '.findings[] | select(.severity == \"problem\") | .mend'

Exit code: 0 where nothing is a problem (warnings are none), else 1.")]
    Doctor(Doctor),

    /// Show what the switch has and does.
    #[command(
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "\
Examples:
  millrace show ports
  millrace show flows --limit 20
  millrace show drops --exact
  millrace show workers --watch"
    )]
    Show(Show),

    /// Print completions for a shell.
    #[command(after_help = "\
Examples:
  millrace completions bash > /usr/share/bash-completion/completions/millrace
  millrace completions zsh > /usr/local/share/zsh/site-functions/_millrace
  millrace completions fish > /etc/fish/completions/millrace.fish
  source <(millrace completions bash)      for this shell only")]
    Completions {
        /// The shell.
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },

    /// Print the manual page of millrace, or write a page for every command and one for millraced.
    #[command(after_help = "\
Examples:
  millrace man | man -l -
  millrace man /usr/local/share/man
  man millrace-show-ports")]
    Man {
        /// Where to: man1 and man8 are made below it.
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
}

/// Options of `check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Check {
    /// Files to check; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Leave out whether this machine has the memory: for files of another one.
    #[arg(long)]
    pub(crate) no_machine: bool,

    /// Look for /proc and /sys below this folder: for tests.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub(crate) sysroot: PathBuf,
}

/// What can be said of configuration files in general.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum AboutConfig {
    /// Every key, its meaning, default and range, as a file that works; to start one of your own from.
    #[command(after_help = "\
Example:
  millrace config reference > node-a.toml")]
    Reference,
}

/// Options of `apply`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Apply {
    /// The configuration; - is standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Only show what would change.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,

    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,

    /// Only if the running configuration is still at this revision (`show config --json` tells it).
    #[arg(long, value_name = "REVISION")]
    pub(crate) base: Option<u64>,
}

/// Options of `doctor`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Doctor {
    /// Judge by what this configuration needs; - is standard input [default: one worker, no ports].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Look for /proc, /sys and /dev below this folder: for tests.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub(crate) sysroot: PathBuf,
}

impl Arguments {
    /// Connects to the switch that is meant.
    pub(crate) fn connect(&self) -> Result<Client, Failure> {
        let wanted = Wanted {
            socket: self.socket.clone(),
            switch: self.switch.clone(),
            environment: std::env::var_os("MILLRACE_SOCKET").filter(|path| !path.is_empty()).map(PathBuf::from),
        };
        let path = socket::find(wanted, socket::DIRECTORY.as_ref())?;
        Client::connect(&path, self.timeout.map(Duration::from_secs))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_may_stand_before_and_after_the_command() {
        for line in ["millrace --json --switch node-a show ports", "millrace show ports --switch node-a --json"] {
            let arguments = parse(line).unwrap();
            assert!(arguments.json && arguments.switch.as_deref() == Some("node-a"), "{line}");
        }
    }

    #[test]
    fn wrong_usage_is_refused() {
        let lines = [
            "millrace",
            "millrace check",
            "millrace show",
            "millrace show prots",
            "millrace apply",
            "millrace apply a b",
            "millrace apply a --dry-run --yes",
            "millrace --socket /a --switch b show ports",
            "millrace --switch ../../etc/x show ports",
            "millrace --switch UPPER show ports",
            "millrace --timeout 0 show ports",
            "millrace show flows --limit 0",
            "millrace show flows --limit 100001",
            "millrace show ports --limit 5",
        ];
        lines.iter().for_each(|line| assert!(parse(line).is_err(), "{line}"));
    }

    #[test]
    fn every_command_has_an_example_in_its_help() {
        fn visit(command: &mut clap::Command, seen: &mut usize) {
            if command.get_name() != "help" {
                let text = command.render_long_help().to_string();
                assert!(text.contains("Example"), "{}", command.get_name());
                *seen += 1;
            }
            command.get_subcommands_mut().for_each(|sub| visit(sub, seen));
        }
        let mut seen = 0;
        visit(&mut Arguments::command(), &mut seen);
        assert!(seen >= 35, "{seen}");
    }

    #[test]
    fn the_examples_in_the_manual_parse() {
        let mut lines = 0;
        let mut try_all = |text: &str| {
            for line in text.lines().filter(|line| line.starts_with("  millrace ")) {
                let line = line.split(['|', '>', '&']).next().unwrap_or_default();
                // Quotes are the shell's.
                let line = line.trim().split("   ").next().unwrap_or_default().replace('\'', "");
                assert!(parse(&line).is_ok(), "{line}");
                lines += 1;
            }
        };
        fn texts(command: &clap::Command, into: &mut Vec<String>) {
            into.extend(command.get_after_help().map(ToString::to_string));
            command.get_subcommands().for_each(|sub| texts(sub, into));
        }
        let mut all = Vec::new();
        texts(&Arguments::command(), &mut all);
        all.iter().for_each(|text| try_all(text));
        assert!(lines >= 20, "{lines}");
    }
}
