//! Builds of the switch for CPUs that can do more than every x86-64 CPU that DPDK runs on, as whole programs, one of which is
//! chosen at the start.
//!
//! `millraced` itself runs everywhere. Beside it, `scripts/install` lays programs built of the same sources for levels of the
//! x86-64 psABI (version 1.0, section 3.1.1): `millraced` in PREFIX/bin becomes PREFIX/lib/millrace/x86-64-v3/millraced where
//! the CPU is of that level. It becomes it (execve(2)): process, descriptors and arguments stay.

use std::{
    env,
    ffi::OsString,
    fmt,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use log::{debug, warn};
use usage::CpuLevel;

/// The program that chose this one, and what it was built from, for whoever was chosen.
const CHOSEN_BY: &str = "MILLRACED_CHOSEN_BY";
const CHOSEN_BY_BUILD: &str = "MILLRACED_CHOSEN_BY_BUILD";
/// The program that would not be taken, for whoever chose it.
const REFUSED: &str = "MILLRACED_REFUSED";

/// A level of the x86-64 psABI. A level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// SSE2: what there always was.
    V1,
    /// SSE4.2, POPCNT: what DPDK needs.
    V2,
    /// AVX2, BMI, FMA.
    V3,
    /// AVX-512.
    V4,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Level {
    /// As compilers call it.
    const fn name(self) -> &'static str {
        match self {
            Level::V1 => "x86-64",
            Level::V2 => "x86-64-v2",
            Level::V3 => "x86-64-v3",
            Level::V4 => "x86-64-v4",
        }
    }

    /// What this program was built for.
    pub(crate) const OURS: Level = match () {
        () if cfg!(target_feature = "avx512vl") => Level::V4,
        () if cfg!(target_feature = "avx2") => Level::V3,
        () if cfg!(target_feature = "sse4.2") => Level::V2,
        () => Level::V1,
    };

    /// The level of this machine's CPU, as far as there are programs for it.
    #[cfg(target_arch = "x86_64")]
    fn of_cpu() -> Level {
        macro_rules! all {
            ($($feature:tt)*) => { $(std::arch::is_x86_feature_detected!($feature))&&* };
        }
        match () {
            () if !all!("sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "cmpxchg16b") => Level::V1,
            () if !all!("avx" "avx2" "bmi1" "bmi2" "f16c" "fma" "lzcnt" "movbe") => Level::V2,
            () if !all!("avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl") => Level::V3,
            () => Level::V4,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn of_cpu() -> Level {
        Level::V1
    }
}

/// Goes on as the program for the CPU level that is `asked` for, or as the best that is installed and that the CPU can run.
/// Returns where that is this one; an error where it cannot be had.
pub(crate) fn choose(asked: CpuLevel, build: &str) -> Result<(), String> {
    if let Some(chooser) = env::var_os(CHOSEN_BY) {
        let same = env::var(CHOSEN_BY_BUILD).is_ok_and(|theirs| theirs == build);
        return if same { Ok(()) } else { Err(go_back(&chooser)) };
    }
    if let Some(refused) = env::var_os(REFUSED) {
        let refused = refused.display();
        warn!("{refused} is not of the same build as millraced ({build}): install both from one build");
        return Ok(());
    }
    let Ok(us) = env::current_exe() else { return Ok(()) };
    let cpu = Level::of_cpu();
    let level = match asked {
        CpuLevel::Auto => {
            [Level::V4, Level::V3].into_iter().find(|&l| l <= cpu && program(&us, l).is_some_and(|p| p.is_file()))
        }
        CpuLevel::Baseline => None,
        CpuLevel::V3 => Some(Level::V3),
        CpuLevel::V4 => Some(Level::V4),
    };
    let Some(level) = level.filter(|&level| level > Level::OURS) else { return Ok(()) };
    if level > cpu {
        return Err(format!("--cpu-level {level}: this CPU is of level {cpu}; `auto` takes what it can run"));
    }
    become_program(&us, level, build)
}

/// Where the program for a level is, beside one in PREFIX/bin.
fn program(us: &Path, level: Level) -> Option<PathBuf> {
    let prefix = us.parent()?.parent()?;
    Some(prefix.join("lib/millrace").join(level.name()).join("millraced"))
}

fn become_program(us: &Path, level: Level, build: &str) -> Result<(), String> {
    let Some(program) = program(us, level).filter(|program| program.is_file()) else {
        let place = program(us, level).unwrap_or_default();
        return Err(format!("--cpu-level {level}: there is no {}: `scripts/install` makes it", place.display()));
    };
    debug!("this CPU can run {}", program.display());
    let error = command(&program).env(CHOSEN_BY, us).env(CHOSEN_BY_BUILD, build).exec();
    warn!("cannot run {}, going on without it: {error}", program.display());
    Ok(())
}

/// Becomes the program again that chose this one; says why where it cannot.
fn go_back(chooser: &OsString) -> String {
    let us = env::current_exe().unwrap_or_default();
    let mut back = command(Path::new(chooser));
    let error = back.env_remove(CHOSEN_BY).env_remove(CHOSEN_BY_BUILD).env(REFUSED, &us).exec();
    format!("{} was chosen by {}, of another build, which cannot be run: {error}", us.display(), chooser.display())
}

/// A program with the arguments of this one.
fn command(program: &Path) -> Command {
    let mut arguments = env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_lie_beside_the_folder_of_ours() {
        let place = program(Path::new("/usr/bin/millraced"), Level::V3).unwrap();
        assert_eq!(place, Path::new("/usr/lib/millrace/x86-64-v3/millraced"));
        assert_eq!(program(Path::new("millraced"), Level::V4), None);
    }

    #[test]
    fn this_program_runs_on_this_cpu() {
        assert!(Level::OURS <= Level::of_cpu());
        assert!(Level::V1 < Level::V2 && Level::V3 < Level::V4);
    }
}
