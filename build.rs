//! Build script of the daemon: stamps what it is built from and with.
//!
//! `MILLRACE_DPDK_VERSION` is the DPDK found by pkg-config, `MILLRACE_GIT` the short commit, or "unknown" where the
//! sources came without git (a packager may set `MILLRACE_GIT` instead). No link arguments are needed: DPDK is linked as
//! shared libraries, and it loads its drivers from its plugin folder by itself. A static DPDK would need its drivers
//! linked whole from here, since a `rustc-link-arg` of a dependency does not reach the binary.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=MILLRACE_GIT");
    println!("cargo::rustc-env=MILLRACE_DPDK_VERSION={}", dpdk_version());
    let commit = env::var("MILLRACE_GIT").ok().filter(|text| !text.trim().is_empty()).or_else(commit);
    println!("cargo::rustc-env=MILLRACE_GIT={}", commit.as_deref().unwrap_or("unknown").trim());
}

/// The version of the DPDK that `ffi` binds. That it is there and new enough is `ffi`'s to say.
fn dpdk_version() -> String {
    let probe = pkg_config::Config::new().cargo_metadata(false).env_metadata(true).probe("libdpdk");
    probe.map_or_else(|_| "unknown".to_owned(), |dpdk| dpdk.version)
}

/// The commit checked out; run again after each.
fn commit() -> Option<String> {
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        // A path that does not exist would make cargo run this every time.
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
