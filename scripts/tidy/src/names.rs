//! Files are named for what they are about, and the top level has a closed list of entries.

use std::collections::BTreeSet;

use crate::finding::Finding;

/// Names that say nothing about what is inside.
const BANNED: [&str; 7] = ["utils", "util", "helpers", "helper", "common", "manager", "types"];

/// Everything that may stand at the top of the repository: ours, and what tools look for there.
const TOP_LEVEL: [&str; 18] = [
    ".cargo",
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "build.rs",
    "clippy.toml",
    "config",
    "deny.toml",
    "ffi",
    "packaging",
    "perf",
    "rustfmt.toml",
    "scripts",
    "vswitch",
];

/// Finds banned names of files and folders, and unknown entries at the top. `paths` are relative to the repository.
pub(crate) fn check(paths: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut unknown = BTreeSet::new();
    for path in paths {
        for part in path.split('/') {
            let stem = part.split('.').next().unwrap_or(part);
            if BANNED.contains(&stem) {
                findings.push(Finding::new(path, 1, format!("`{stem}` names nothing: call it what it is about")));
            }
        }
        let top = path.split('/').next().unwrap_or(path);
        if !TOP_LEVEL.contains(&top) && unknown.insert(top) {
            findings.push(Finding::new(path, 1, format!("`{top}` is not a known entry of the top level")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str) -> usize {
        check(&[path.to_owned()]).len()
    }

    #[test]
    fn a_name_that_says_nothing_is_found_as_file_and_as_folder() {
        for name in BANNED {
            assert_eq!(findings(&format!("vswitch/wire/src/{name}.rs")), 1);
            assert_eq!(findings(&format!("vswitch/wire/src/{name}/mod.rs")), 1);
        }
        assert_eq!(findings("scripts/helpers.sh"), 1);
    }

    #[test]
    fn a_name_that_merely_contains_one_is_fine() {
        assert_eq!(findings("vswitch/wire/src/ethertypes.rs"), 0);
    }

    #[test]
    fn an_unknown_entry_at_the_top_is_found_once() {
        assert_eq!(findings("NOTES.md"), 1);
        assert_eq!(check(&["src/a.rs".to_owned(), "src/b.rs".to_owned()]).len(), 1);
        assert_eq!(findings("vswitch/wire/src/lib.rs"), 0);
    }
}
