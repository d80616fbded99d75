//! `unsafe` lives in few places, and everywhere else the compiler is told to refuse it.
//!
//! The keyword is looked for among the tokens of a file, so macros and attributes count and comments and strings do not.

use proc_macro2::{TokenStream, TokenTree};
use syn::{AttrStyle, File, Meta};

use crate::{finding::Finding, source::Source};

/// Rooms that may contain `unsafe`.
const ROOMS: [&str; 6] = ["ffi/", "vswitch/dpdk/", "vswitch/frame/", "vswitch/sync/", "vswitch/vhost/", "vswitch/tap/"];

/// Single files that may, in rooms that `deny` it elsewhere: the file, and its room's folder.
const FILES: [(&str, &str); 4] = [
    ("perf/src/vhost/library.rs", "perf/"),
    ("vswitch/table/src/lanes.rs", "vswitch/table/"),
    ("vswitch/table/src/prefetch.rs", "vswitch/table/"),
    ("vswitch/daemon/os.rs", "vswitch/daemon/"),
];

/// Finds the keyword where it may not be.
pub(crate) fn check_places(source: &Source) -> Vec<Finding> {
    let path = source.path.as_str();
    if source.rust.is_none() || in_room(path) || FILES.iter().any(|(file, _)| *file == path) {
        return Vec::new();
    }
    let Ok(tokens) = source.text.parse::<TokenStream>() else {
        return vec![Finding::new(path, 1, "cannot be split into tokens")];
    };
    let mut lines = Vec::new();
    collect(tokens, &mut lines);
    lines.into_iter().map(|line| Finding::new(path, line, "`unsafe` has no place here")).collect()
}

fn in_room(path: &str) -> bool {
    ROOMS.iter().any(|room| path.starts_with(room))
}

fn collect(tokens: TokenStream, lines: &mut Vec<usize>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ident == "unsafe" => lines.push(ident.span().start().line),
            TokenTree::Group(group) => collect(group.stream(), lines),
            _ => {}
        }
    }
}

/// Finds a crate root that does not forbid `unsafe` (or deny it, where one file of its room may have it).
pub(crate) fn check_root(source: &Source) -> Option<Finding> {
    let path = source.path.as_str();
    if in_room(path) {
        return None;
    }
    let level = if FILES.iter().any(|(_, room)| path.starts_with(room)) { "deny" } else { "forbid" };
    let said = source.rust.as_ref().is_some_and(|file| has_lint(file, level) || has_lint(file, "forbid"));
    (!said).then(|| Finding::new(path, 1, format!("lacks `#![{level}(unsafe_code)]`")))
}

fn has_lint(file: &File, level: &str) -> bool {
    file.attrs.iter().any(|attribute| {
        let inner = matches!(attribute.style, AttrStyle::Inner(_));
        let Meta::List(list) = &attribute.meta else { return false };
        let named = |token: TokenTree| matches!(token, TokenTree::Ident(ident) if ident == "unsafe_code");
        inner && list.path.is_ident(level) && list.tokens.clone().into_iter().any(named)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{finding::lines, source::sample};

    /// Every way to say it, one a line.
    const BAD: &str = "fn a() { unsafe { core::hint::unreachable_unchecked() } }
unsafe fn b() {}
struct C; unsafe impl Send for C {}
unsafe trait D {}
unsafe extern \"C\" {}
macro_rules! e { () => { unsafe { f() } } }
fn g() { println!(\"{}\", unsafe { f() }) }
#[unsafe(no_mangle)] fn h() {}
";

    #[test]
    fn every_kind_of_unsafe_is_found_outside_its_places() {
        for path in ["vswitch/wire/src/lib.rs", "vswitch/table/src/flow.rs", "vswitch/daemon/main.rs", "build.rs"] {
            assert_eq!(lines(&check_places(&sample(path, BAD))), [1, 2, 3, 4, 5, 6, 7, 8], "{path}");
        }
    }

    #[test]
    fn the_places_of_unsafe_may_have_it() {
        for path in
            ["ffi/src/lib.rs", "vswitch/tap/src/kernel.rs", "vswitch/table/src/prefetch.rs", "vswitch/daemon/os.rs"]
        {
            assert_eq!(check_places(&sample(path, BAD)), [], "{path}");
        }
    }

    #[test]
    fn a_comment_a_string_and_a_lints_name_are_not_code() {
        let good = "//! unsafe\n#![forbid(unsafe_code)]\n/// unsafe { }\nconst A: &str = \"unsafe\"; // unsafe\n";
        assert_eq!(check_places(&sample("vswitch/wire/src/lib.rs", good)), []);
    }

    #[test]
    fn a_crate_root_without_the_lint_is_found() {
        let check = |path: &str, text: &str| check_root(&sample(path, text)).is_some();
        assert!(check("vswitch/wire/src/lib.rs", "//! x\n"));
        assert!(check("vswitch/wire/src/lib.rs", "#![deny(unsafe_code)]"), "deny can be allowed again further down");
        assert!(check("vswitch/wire/src/lib.rs", "#![forbid(missing_docs)]"));
        assert!(
            check("vswitch/wire/src/lib.rs", "#[forbid(unsafe_code)] mod a {}"),
            "an outer attribute is not enough"
        );
        assert!(check("vswitch/table/src/lib.rs", ""));
        assert!(!check("vswitch/wire/src/lib.rs", "#![forbid(unsafe_code)]"));
        assert!(!check("vswitch/wire/src/lib.rs", "#![forbid(missing_docs, unsafe_code)]"));
        assert!(!check("vswitch/table/src/lib.rs", "#![deny(unsafe_code)]"));
        assert!(!check("vswitch/daemon/main.rs", "#![deny(unsafe_code)]"));
        assert!(!check("ffi/src/lib.rs", ""));
    }
}
