//! Files and functions stay short. What is too long already stands in a ratchet and may only shrink.
//!
//! The ratchet has one offender a line: `file PATH LINES` or `function PATH NAME LINES`; `#` starts a comment.

use std::collections::BTreeMap;

use syn::{
    Block, ImplItemFn, ItemFn, Signature, TraitItemFn,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{finding::Finding, source::Source};

/// Longest file, in lines.
const FILE_LINES_MAX: usize = 400;

/// Longest function, in lines, from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// What is measured: a file (no name) or the functions of one name in a file, of which the longest counts.
type Subject = (String, Option<String>);

struct Measured {
    line: usize,
    lines: usize,
}

/// Finds what is longer than its limit and not in the ratchet, and what the ratchet says that is no longer true.
pub(crate) fn check(sources: &[Source], ratchet_path: &str, ratchet: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let known = parse_ratchet(ratchet_path, ratchet, &mut findings);
    let offenders = measure(sources);
    for ((path, function), measured) in &offenders {
        let allowed = known.get(&(path.clone(), function.clone())).map(|known| known.lines);
        if measured.lines > allowed.unwrap_or(0) {
            findings.push(too_long(path, function.as_deref(), measured, allowed));
        }
    }
    for (subject, known) in &known {
        let (path, function) = subject;
        let name = function.as_deref().map_or_else(|| path.clone(), |function| format!("`{function}` in {path}"));
        match offenders.get(subject) {
            None => findings.push(Finding::new(
                ratchet_path,
                known.line,
                format!("{name} is within its limit now: take this line out"),
            )),
            Some(now) if now.lines < known.lines => {
                findings.push(Finding::new(
                    ratchet_path,
                    known.line,
                    format!("{name} has shrunk to {}: say so", now.lines),
                ));
            }
            Some(_) => {}
        }
    }
    findings
}

fn too_long(path: &str, function: Option<&str>, measured: &Measured, allowed: Option<usize>) -> Finding {
    let limit = allowed.map_or_else(
        || if function.is_some() { FUNCTION_LINES_MAX } else { FILE_LINES_MAX }.to_string(),
        |lines| format!("the {lines} of the ratchet"),
    );
    let subject = function.map_or_else(|| "file".to_owned(), |name| format!("function `{name}`"));
    Finding::new(path, measured.line, format!("{subject} has {} lines, more than {limit}", measured.lines))
}

/// Everything beyond its limit.
fn measure(sources: &[Source]) -> BTreeMap<Subject, Measured> {
    let mut offenders = BTreeMap::new();
    for source in sources {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            offenders.insert((source.path.clone(), None), Measured { line: 1, lines });
        }
        let mut functions = Functions(Vec::new());
        if let Some(file) = &source.rust {
            functions.visit_file(file);
        }
        for (name, measured) in functions.0 {
            let longest = offenders.entry((source.path.clone(), Some(name))).or_insert(Measured { line: 0, lines: 0 });
            if measured.lines > longest.lines {
                *longest = measured;
            }
        }
    }
    offenders
}

/// Collects the functions beyond the limit, nested ones too.
struct Functions(Vec<(String, Measured)>);

impl Functions {
    fn add(&mut self, signature: &Signature, body: &Block) {
        let line = signature.span().start().line;
        let lines = body.span().end().line + 1 - line;
        if lines > FUNCTION_LINES_MAX {
            self.0.push((signature.ident.to_string(), Measured { line, lines }));
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.add(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

fn parse_ratchet(path: &str, text: &str, findings: &mut Vec<Finding>) -> BTreeMap<Subject, Measured> {
    let mut known = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<_> = line.split_whitespace().collect();
        let (subject, lines) = match words[..] {
            ["file", file, lines] => ((file.to_owned(), None), lines),
            ["function", file, name, lines] => ((file.to_owned(), Some(name.to_owned())), lines),
            _ => ((String::new(), None), ""),
        };
        match lines.parse() {
            Ok(lines) => drop(known.insert(subject, Measured { line: index + 1, lines })),
            Err(_) => findings.push(Finding::new(path, index + 1, "is not `file PATH N` or `function PATH NAME N`")),
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::sample;

    fn file(lines: usize) -> Source {
        sample("a.rs", &"// x\n".repeat(lines))
    }

    /// A function of `lines` lines below a doc comment and an attribute, which do not count.
    fn function(lines: usize) -> String {
        format!("/// Does it.\n#[inline]\nfn long() {{\n{}}}\n", "    a();\n".repeat(lines - 2))
    }

    fn findings(source: Source, ratchet: &str) -> Vec<String> {
        check(&[source], "r.txt", ratchet).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_file_is_too_long_from_line_401_on() {
        assert_eq!(findings(file(400), ""), [""; 0]);
        assert_eq!(findings(file(401), ""), ["a.rs:1: file has 401 lines, more than 400"]);
        let script = Source::parse("scripts/x.sh", "true\n".repeat(401)).unwrap();
        assert_eq!(findings(script, "").len(), 1, "scripts are files too");
    }

    #[test]
    fn a_function_is_too_long_from_line_71_on_without_its_comments() {
        assert_eq!(findings(sample("a.rs", &function(70)), ""), [""; 0]);
        let found = findings(sample("a.rs", &function(71)), "");
        assert_eq!(found, ["a.rs:3: function `long` has 71 lines, more than 70"]);
    }

    #[test]
    fn methods_defaults_and_nested_functions_count_too() {
        for (before, after) in [("impl A {", "}"), ("trait A {", "}"), ("mod m { fn a() {", "} }")] {
            let text = format!("{before}\n{}\n{after}\n", function(71));
            let found = findings(sample("a.rs", &text), "");
            assert!(found.iter().any(|finding| finding.contains("`long` has 71 lines")), "{before}: {found:?}");
        }
    }

    #[test]
    fn an_offender_in_the_ratchet_may_stay_but_not_grow() {
        assert_eq!(findings(file(420), "# old\nfile a.rs 420\n"), [""; 0]);
        assert_eq!(
            findings(file(421), "file a.rs 420"),
            ["a.rs:1: file has 421 lines, more than the 420 of the ratchet"]
        );
        assert_eq!(findings(sample("a.rs", &function(80)), "function a.rs long 80"), [""; 0]);
        assert_eq!(findings(sample("a.rs", &function(81)), "function a.rs long 80").len(), 1);
    }

    #[test]
    fn the_ratchet_follows_what_shrinks() {
        assert_eq!(findings(file(410), "file a.rs 420"), ["r.txt:1: a.rs has shrunk to 410: say so"]);
        assert_eq!(
            findings(file(300), "\nfile a.rs 420"),
            ["r.txt:2: a.rs is within its limit now: take this line out"]
        );
        let found = findings(sample("a.rs", "fn long() {}"), "function a.rs long 80");
        assert_eq!(found, ["r.txt:1: `long` in a.rs is within its limit now: take this line out"]);
    }

    #[test]
    fn a_ratchet_line_that_says_nothing_is_found() {
        for bad in ["file a.rs", "file a.rs many", "a.rs 500", "function a.rs 80"] {
            assert_eq!(findings(file(1), bad).len(), 1, "{bad}");
        }
    }
}
