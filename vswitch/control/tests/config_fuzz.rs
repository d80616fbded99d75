//! Broken files: whatever is read, nothing panics, messages keep to their line, and what is accepted holds together.
//!
//! `MILLRACE_FUZZ=N` sets how many files are tried; a failure prints the file, which then belongs into
//! `config_errors.txt`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use control::{
    compile::{Facts, compile},
    config::{Config, ConfigError, load},
    diff::diff,
};

const CASES: &str = include_str!("config_errors.txt");
const EXAMPLES: [&str; 3] = [
    include_str!("../../../config/one-node.toml"),
    include_str!("../../../config/two-nodes/node-a.toml"),
    include_str!("../../../config/two-nodes/node-b.toml"),
];

/// What mutations put in: words of the format, and what tends to break readers.
const WORDS: [&str; 24] = [
    "[[port]]\n",
    "[[network]]\n",
    "[[tunnel]]\n",
    "[switch]\n",
    "[",
    "]",
    "{",
    "}",
    "=",
    "\"",
    "'''",
    "\n",
    "#",
    "\\u0000",
    "\0",
    "é",
    "-1",
    "18446744073709551616",
    "0x",
    "1e999",
    "nan",
    "true",
    "1979-05-27",
    "a.b.c = 1\n",
];

/// A small generator of its own (xorshift64*), so that a seed means the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }
}

fn corpus() -> Vec<&'static str> {
    let cases = CASES.split("=== ").skip(1).filter_map(|case| Some(case.split_once('\n')?.1.split_once("---\n")?.0));
    EXAMPLES.into_iter().chain(cases).collect()
}

fn mutate(text: &str, corpus: &[&str], dice: &mut Dice) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=dice.below(3) {
        let at = dice.below(lines.len());
        match dice.below(6) {
            0 if !lines.is_empty() => drop(lines.remove(at)),
            1 if !lines.is_empty() => lines.insert(at, lines[dice.below(lines.len())].clone()),
            2 => {
                let other: Vec<&str> = corpus[dice.below(corpus.len())].lines().collect();
                let line = other.get(dice.below(other.len())).copied().unwrap_or_default();
                lines.insert(at, line.to_owned());
            }
            3 if !lines.is_empty() => {
                let other = dice.below(lines.len());
                lines.swap(at, other);
            }
            _ => {
                if let Some(line) = lines.get_mut(at) {
                    let mut chars: Vec<char> = line.chars().collect();
                    let (from, to) = (dice.below(chars.len() + 1), dice.below(chars.len() + 1));
                    let word = WORDS[dice.below(WORDS.len())].chars();
                    chars.splice(from.min(to)..from.max(to).min(from.min(to) + 3), word);
                    *line = chars.into_iter().collect();
                }
            }
        }
    }
    lines.join("\n")
}

/// What is wrong with what was read, if anything is.
fn verdict(text: &str, read: Result<Config, Vec<ConfigError>>) -> Result<bool, String> {
    let lines = text.split('\n').count();
    let is_sound = |error: &ConfigError| {
        (1..=lines).contains(&error.line) && error.column > 0 && !error.to_string().contains(char::is_control)
    };
    match read {
        Ok(config) => {
            let compiled = compile(&config, &Facts::default(), None);
            if !diff(&config, &config).is_empty() {
                return Err("differs from itself".to_owned());
            }
            let members = compiled.snapshot.networks.iter().flatten().map(|network| network.members.len());
            let expected: usize = config.networks.iter().map(|network| network.tunnels.len()).sum::<usize>()
                + config.ports.iter().map(|port| port.vlans.networks().count()).sum::<usize>();
            if members.sum::<usize>() != expected { Err("members are missing".to_owned()) } else { Ok(true) }
        }
        Err(errors) if errors.is_empty() => Err("refused without a word".to_owned()),
        Err(errors) => match errors.iter().find(|error| !is_sound(error)) {
            Some(error) => Err(format!("{error:?}")),
            None => Ok(false),
        },
    }
}

#[test]
fn no_file_however_broken_does_harm() {
    let rounds = std::env::var("MILLRACE_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let corpus = corpus();
    let mut dice = Dice(0x6d69_6c6c_7261_6365);
    let mut accepted = 0usize;
    for round in 0..rounds {
        // Half come from good files and are mutated little; the others come from bad ones, and are mutated on and on.
        let is_good = round % 2 == 0;
        let start = dice.below(if is_good { EXAMPLES.len() } else { corpus.len() });
        let mut text = mutate(corpus[start], &corpus, &mut dice);
        for _ in 0..if is_good { 0 } else { dice.below(3) } {
            text = mutate(&text, &corpus, &mut dice);
        }
        let read = catch_unwind(AssertUnwindSafe(|| verdict(&text, load(&text, "f"))));
        match read {
            Ok(Ok(is_accepted)) => accepted += usize::from(is_accepted),
            Ok(Err(problem)) => panic!("round {round}: {problem}\n{text}"),
            Err(_) => panic!("round {round} panicked on\n{text}"),
        }
    }
    // The mutations must reach what lies behind the reader, too.
    assert!(accepted * 50 > rounds, "{accepted} of {rounds} accepted");
}
