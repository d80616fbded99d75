//! What may not be written in a Rust file: tabs, trailing blanks, and macros that stand for work not done.

use proc_macro2::{TokenStream, TokenTree};

use crate::{finding::Finding, source::Source};

/// Macros that mean "not yet" or "not meant to stay".
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Finds all three in a Rust file; other files are left alone.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    if source.rust.is_none() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    // Not `lines()`, which would swallow a carriage return.
    for (index, line) in source.text.split('\n').enumerate() {
        if line.contains('\t') {
            findings.push(Finding::new(&source.path, index + 1, "has a tab"));
        }
        if line.ends_with([' ', '\t', '\r']) {
            findings.push(Finding::new(&source.path, index + 1, "ends in a blank"));
        }
    }
    if let Ok(tokens) = source.text.parse() {
        unfinished(&source.path, tokens, &mut findings);
    }
    findings
}

/// Among tokens, because a macro may hide in another macro's arguments.
fn unfinished(path: &str, tokens: TokenStream, findings: &mut Vec<Finding>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => unfinished(path, group.stream(), findings),
            TokenTree::Ident(ident) if matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '!') => {
                if let Some(name) = UNFINISHED.iter().find(|name| ident == **name) {
                    findings.push(Finding::new(path, ident.span().start().line, format!("has a `{name}!`")));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{finding::lines, source::sample};

    fn found(text: &str) -> Vec<usize> {
        lines(&check(&sample("a.rs", text)))
    }

    #[test]
    fn tabs_and_trailing_blanks_are_found() {
        assert_eq!(found("fn a() {\n\tb();\n}\n"), [2]);
        assert_eq!(found("fn a() {} \n// x \n"), [1, 2]);
        assert_eq!(found("fn a() {}\r\n"), [1]);
        assert_eq!(found("fn a() {}\n"), [0; 0]);
    }

    #[test]
    fn unfinished_work_is_found_even_inside_a_macro() {
        for name in UNFINISHED {
            assert_eq!(found(&format!("fn a() {{\n    {name}!()\n}}\n")), [2]);
            assert_eq!(found(&format!("fn a() {{\n    vec![\n        std::{name}!(\"x\")];\n}}\n")), [3]);
        }
    }

    #[test]
    fn the_word_in_a_comment_a_string_or_a_name_is_not_the_macro() {
        assert_eq!(found("// todo!()\nfn todo() -> bool { \"dbg!\" != \"\" && todo() }\n"), [0; 0]);
    }
}
