//! Instructions a packet, stage by stage, as callgrind counts them: the same on every machine and under every load, so a
//! change that makes the way of a packet longer is noticed where times would be lost in noise.

mod bench;
mod callgrind;
mod record;

use std::{path::PathBuf, process::Command};

use clap::Args;
use serde::Serialize;

use crate::{
    folder::Folder,
    output::{self, OutputError},
    process,
};
use record::{Counts, Record};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Job {
    /// From one access port to another, by MAC.
    L2,
    /// The same with more than an eighth of the flow table taken.
    L2Full,
    /// From an access port into a tunnel.
    VxlanEncap,
    /// Out of a tunnel to an access port.
    VxlanDecap,
    /// As `vxlan-encap`, by five-tuple.
    #[value(name = "encap-5t")]
    EncapTuple,
    /// As `vxlan-decap`, by five-tuple.
    #[value(name = "decap-5t")]
    DecapTuple,
    /// The first frame of every flow: from one access port to another.
    Miss,
    /// The same where the flow table is full, and another flow has to give way to each.
    Churn,
}

impl Job {
    const ALL: [Job; 8] = [
        Job::L2,
        Job::L2Full,
        Job::VxlanEncap,
        Job::VxlanDecap,
        Job::EncapTuple,
        Job::DecapTuple,
        Job::Miss,
        Job::Churn,
    ];

    fn name(self) -> &'static str {
        match self {
            Job::L2 => "l2",
            Job::L2Full => "l2-full",
            Job::VxlanEncap => "vxlan-encap",
            Job::VxlanDecap => "vxlan-decap",
            Job::EncapTuple => "encap-5t",
            Job::DecapTuple => "decap-5t",
            Job::Miss => "miss",
            Job::Churn => "churn",
        }
    }

    fn is_encap(self) -> bool {
        matches!(self, Job::VxlanEncap | Job::EncapTuple)
    }

    fn is_decap(self) -> bool {
        matches!(self, Job::VxlanDecap | Job::DecapTuple)
    }
}

/// Frames in a burst: a full one of a busy device, and one of a device that is not.
const BURSTS: [usize; 2] = [32, 8];

/// How to count.
#[derive(Args)]
pub(crate) struct Count {
    /// Only this job (may be given several times).
    #[arg(long, value_enum)]
    job: Vec<Job>,
    /// Record these counts as those that later ones are compared with.
    #[arg(long)]
    bless: bool,
    /// Also write the counts to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What runs under callgrind.
#[derive(Args)]
pub(crate) struct Turns {
    #[arg(long, value_enum)]
    job: Job,
    #[arg(long)]
    burst: usize,
    #[arg(long)]
    turns: usize,
}

/// Why there are no counts, or not those there should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CountError {
    #[error("skipped: {0}")]
    Skipped(String),
    #[error("cannot run valgrind: {0}")]
    Start(std::io::Error),
    #[error("valgrind ended with {0}; it said: {1}")]
    Valgrind(std::process::ExitStatus, String),
    #[error("cannot read what callgrind wrote, {}: {cause}", path.display())]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("line {line} of what callgrind wrote is not understood: {text}")]
    Format { line: usize, text: String },
    #[error("callgrind saw no function whose name has `{0}` in it: was it inlined or renamed?")]
    Stage(&'static str),
    #[error("{}: {cause}", path.display())]
    Record { path: PathBuf, cause: String },
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("{0} count(s) are more than three in a hundred over what is recorded")]
    More(usize),
}

/// The rows of a table: stages in the order in which a packet meets them, and a part of their functions' names.
const STAGES: [(&str, &str); 7] = [
    ("receive", "Worker<P,M>::receive"),
    ("parse", "stage::parse::batch"),
    ("lookup", "stage::lookup::batch"),
    ("act", "pipeline::act"),
    ("decide", "pipeline::decide_rest"),
    ("flush", "Lanes<P>::end_turn"),
    ("publish", "Tally::publish"),
];

/// What stands for the device: the bench's own, and in no stage's count.
const PORT: &str = "ShelfPort";

/// One job at one size of bursts.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    counts: Counts,
}

/// Counts, compares, and records if told to.
pub(crate) fn run(arguments: &Count) -> Result<(), CountError> {
    let recorded = Record::read()?;
    if !arguments.bless {
        recorded.check_toolchain().map_err(CountError::Skipped)?;
    }
    let folder = Folder::create().map_err(CountError::Start)?;
    let jobs = if arguments.job.is_empty() { &Job::ALL[..] } else { &arguments.job };
    let mut rows = Vec::new();
    for (&job, burst) in jobs.iter().flat_map(|job| BURSTS.map(|burst| (job, burst))) {
        let name = format!("{}-{burst}", job.name());
        let counts = count(job, burst, &folder.path().join(&name))?;
        rows.push(Row { name, counts });
    }
    print(&rows, &recorded);
    if let Some(path) = &arguments.json {
        output::write_json(path, &rows)?;
    }
    if arguments.bless {
        return recorded.bless(rows.into_iter().map(|row| (row.name, row.counts)));
    }
    let over: usize = rows.iter().map(|row| say_more(row, &recorded)).sum();
    if over > 0 { Err(CountError::More(over)) } else { Ok(()) }
}

/// Says what is over the record; how many counts that is.
fn say_more(row: &Row, recorded: &Record) -> usize {
    let Some(before) = recorded.rows.get(&row.name) else {
        println!("{}: nothing is recorded; `perf count --bless` does it", row.name);
        return 1;
    };
    let more = record::more(before, &row.counts);
    for (stage, before, now) in &more {
        println!("{}: {stage} takes {now} instructions a packet, recorded are {before}", row.name);
    }
    more.len()
}

/// Packets counted, at least.
const PACKETS: usize = 12_800;

fn count(job: Job, burst: usize, file: &std::path::Path) -> Result<Counts, CountError> {
    let turns = PACKETS / burst;
    let program = std::env::current_exe().map_err(CountError::Start)?;
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*measured_turns*", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args(["turns", "--job", job.name(), "--burst", &burst.to_string(), "--turns", &turns.to_string()])
        // Of the C library's several ways to copy memory the one that every x86-64 has.
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX512VL,-AVX2,-AVX,-SSSE3,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load");
    let output = match process::run(&mut valgrind) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(CountError::Skipped("valgrind is not installed; scripts/setup installs it".to_owned()));
        }
        output => output.map_err(CountError::Start)?,
    };
    if !output.status.success() {
        return Err(CountError::Valgrind(output.status, String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let text = std::fs::read_to_string(file).map_err(|cause| CountError::Read { path: file.to_owned(), cause })?;
    stages(&callgrind::Profile::parse(&text)?, (turns * burst) as u64)
}

/// The profile of so many packets by stages.
fn stages(profile: &callgrind::Profile, packets: u64) -> Result<Counts, CountError> {
    let a_packet = |instructions: u64| (instructions as f64 * 10.0 / packets as f64).round() / 10.0;
    let mut counts = Counts::new();
    for (stage, name) in STAGES {
        let instructions = profile.within(name, PORT).ok_or(CountError::Stage(name))?;
        counts.insert(stage.to_owned(), a_packet(instructions));
    }
    counts.insert("all".to_owned(), a_packet(profile.all(PORT)));
    Ok(counts)
}

fn print(rows: &[Row], recorded: &Record) {
    let columns = || STAGES.iter().map(|&(stage, _)| stage).chain(["all"]);
    print!("{:<16}", "instructions");
    columns().for_each(|stage| print!("{stage:>9}"));
    println!("{:>11}", "recorded");
    for row in rows {
        print!("{:<16}", row.name);
        columns().for_each(|stage| print!("{:>9.1}", row.counts.get(stage).copied().unwrap_or_default()));
        match recorded.rows.get(&row.name).and_then(|counts| counts.get("all")) {
            Some(all) => println!("{all:>11.1}"),
            None => println!("{:>11}", "-"),
        }
    }
}

/// Under callgrind: turns of which every one does the job.
pub(crate) fn turn(arguments: &Turns) {
    let Turns { job, burst, turns } = *arguments;
    let mut bench = bench::Bench::new(job, burst);
    let before = bench.frames();
    bench.measured_turns(turns);
    let after = bench.frames();
    let expected = (turns * burst) as u64;
    assert_eq!((after.0 - before.0, after.1 - before.1), (expected, expected), "frames received and sent");
}
