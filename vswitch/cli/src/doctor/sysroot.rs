//! What the kernel tells in /proc and /sys, read below a folder that stands for `/`, so that a test can plant a machine.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use super::cpu_set::CpuSet;

/// Octets read of one file at most.
const FILE_OCTETS_MAX: u64 = 1 << 20;

/// Names read of one directory at most.
const NAMES_MAX: usize = 65_536;

/// The folder below which /proc, /sys, /dev and /run are looked for.
pub(super) struct Sysroot(PathBuf);

impl Sysroot {
    /// `root` is `/` but in tests.
    pub(super) fn new(root: &Path) -> Sysroot {
        Sysroot(root.to_owned())
    }

    /// An absolute path, below the root.
    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// Whether there is anything of that name.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// A file's text without the blanks around it; `None` where it cannot be read.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let mut octets = Vec::new();
        File::open(self.path(path)).ok()?.take(FILE_OCTETS_MAX).read_to_end(&mut octets).ok()?;
        Some(String::from_utf8_lossy(&octets).trim().to_owned())
    }

    /// A file that holds one number.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// A file that holds a list of CPUs. The kernel writes `(null)` for none where a list was never set up.
    pub(super) fn cpus(&self, path: &str) -> Option<CpuSet> {
        let text = self.text(path)?;
        if text == "(null)" { Some(CpuSet::default()) } else { text.parse().ok() }
    }

    /// The names in a directory, in order; none where it cannot be read.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(path)) else { return Vec::new() };
        let names = entries.take(NAMES_MAX).flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// The last part of what a symbolic link points to: sysfs names drivers, groups and devices so.
    pub(super) fn link_name(&self, path: &str) -> Option<String> {
        fs::read_link(self.path(path)).ok()?.file_name()?.to_str().map(str::to_owned)
    }

    /// Whether a process of that name runs.
    pub(super) fn runs(&self, name: &str) -> bool {
        let is_pid = |entry: &String| entry.bytes().all(|octet| octet.is_ascii_digit());
        self.names("/proc").iter().filter(|entry| is_pid(entry)).any(|pid| {
            let comm = self.text(&format!("/proc/{pid}/comm"));
            comm.is_some_and(|comm| comm == name)
        })
    }

    /// The value of a parameter on the kernel's command line; the last one counts.
    pub(super) fn boot_parameter(&self, name: &str) -> Option<String> {
        let line = self.text("/proc/cmdline")?;
        let mut ours = line.split_whitespace().filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        ours.next_back().map(str::to_owned)
    }
}
