//! Reading what callgrind writes (its manual, "Callgrind Format Specification"): which function executed how many
//! instructions, and how many those it called.

use std::collections::HashMap;

use super::CountError;

/// Instructions by function.
#[derive(Debug, Default)]
pub(super) struct Profile {
    functions: HashMap<String, Function>,
}

#[derive(Debug, Default)]
struct Function {
    own: u64,
    /// What calls of others took, with all that those called.
    calls: HashMap<String, u64>,
}

/// Names as the format abbreviates them: `(number) name` the first time, `(number)` from then on.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    fn resolve(&mut self, text: &str) -> Option<String> {
        let Some((number, name)) = text.strip_prefix('(')?.split_once(')') else { return Some(text.to_owned()) };
        if !name.trim().is_empty() {
            self.0.insert(number.to_owned(), name.trim().to_owned());
        }
        self.0.get(number).cloned()
    }
}

impl Profile {
    /// The profile in a file of callgrind's with uncompressed positions and one kind of event.
    pub(super) fn parse(text: &str) -> Result<Profile, CountError> {
        let (mut profile, mut names) = (Profile::default(), Names::default());
        let (mut current, mut called, mut is_call) = (String::new(), String::new(), false);
        for (nth, line) in text.lines().enumerate() {
            let broken = || CountError::Format { line: nth + 1, text: line.to_owned() };
            if let Some(name) = line.strip_prefix("fn=") {
                current = names.resolve(name).ok_or_else(broken)?;
            } else if let Some(name) = line.strip_prefix("cfn=") {
                called = names.resolve(name).ok_or_else(broken)?;
            } else if line.starts_with("calls=") {
                is_call = true;
            } else if line.starts_with(|first: char| first.is_ascii_digit()) {
                let cost =
                    line.split_whitespace().nth(1).and_then(|cost| cost.parse::<u64>().ok()).ok_or_else(broken)?;
                let function = profile.functions.entry(current.clone()).or_default();
                match std::mem::take(&mut is_call) {
                    true => *function.calls.entry(called.clone()).or_default() += cost,
                    false => function.own += cost,
                }
            }
        }
        Ok(profile)
    }

    /// Instructions of the functions with `part` in their names and of all that they call, but for calls of what has
    /// `outside` in its name; `None` where there is no such function.
    pub(super) fn within(&self, part: &str, outside: &str) -> Option<u64> {
        let is_it = |name: &&String| name.contains(part) && !name.contains(outside);
        let mut found = self.functions.keys().filter(is_it).peekable();
        found.peek()?;
        Some(found.map(|name| self.with_calls(name, outside)).sum())
    }

    fn with_calls(&self, name: &str, outside: &str) -> u64 {
        let Some(function) = self.functions.get(name) else { return 0 };
        let calls = function.calls.iter().filter(|(callee, _)| !callee.contains(outside));
        function.own + calls.map(|(callee, cost)| cost - self.outside(callee, outside).min(*cost)).sum::<u64>()
    }

    /// Instructions of what has `outside` in its name, called directly by a function.
    fn outside(&self, name: &str, outside: &str) -> u64 {
        let calls = self.functions.get(name).into_iter().flat_map(|function| &function.calls);
        calls.filter(|(callee, _)| callee.contains(outside)).map(|(_, cost)| cost).sum()
    }

    /// All instructions but those of what has `outside` in its name, and of all that is called from there.
    pub(super) fn all(&self, outside: &str) -> u64 {
        let own: u64 = self.functions.values().map(|function| function.own).sum();
        let callers = self.functions.iter().filter(|(name, _)| !name.contains(outside));
        let calls = callers.flat_map(|(_, function)| &function.calls).filter(|(callee, _)| callee.contains(outside));
        own - calls.map(|(_, cost)| cost).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
version: 1
positions: line
events: Ir
fl=(1) worker.rs
fn=(1) Worker::turn
10 100
cfn=(2) Worker::receive
calls=4 20
11 70
fi=(2) other.rs
12 5
fn=(2)
20 30
cfn=(3) ShelfPort::rx_burst
calls=4 30
21 40
fn=(3)
30 40
totals: 175
";

    #[test]
    fn calls_count_for_the_caller_but_for_what_is_outside() {
        let profile = Profile::parse(FILE).unwrap();
        assert_eq!(profile.within("::receive", "ShelfPort"), Some(30));
        assert_eq!(profile.within("::turn", "ShelfPort"), Some(135));
        assert_eq!(profile.within("::turn", "nobody"), Some(175));
        assert_eq!(profile.within("::nowhere", "ShelfPort"), None);
        assert_eq!((profile.all("ShelfPort"), profile.all("nobody")), (135, 175));
    }

    #[test]
    fn what_is_no_profile_is_refused_by_its_line() {
        let error = Profile::parse("fn=(1) f\n12 many\n").unwrap_err();
        assert!(error.to_string().starts_with("line 2"), "{error}");
        assert!(Profile::parse("fn=(7)\n").is_err(), "a number that was never given a name");
    }
}
