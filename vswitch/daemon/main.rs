//! `millraced`, the switch: puts the rooms together.
//!
//! Start order: arguments, signals, configuration, control socket, DPDK, pool, workers, ports. Stop order: ports come
//! back from the workers and are closed, threads end, the socket goes, DPDK goes. `service.rs` is the loop in between.
#![deny(unsafe_code)]

mod access;
mod alive;
mod bell;
mod cpu_latency;
mod cpu_time;
mod factory;
mod guest;
mod idle;
mod journal;
mod meeting;
mod memory;
mod notify;
mod numa;
mod os;
mod port;
mod service;
mod socket;
mod variant;
mod wake;
mod workers;

use std::{
    fs,
    path::{self, Path},
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use api::Hello;
use control::{
    config::{self, Config, Kind, Sourced},
    control::{Control, Identity, WorkerLink},
    need::Need,
    server::Gate,
};
use datapath::{Books, Worker, WorkerConfig, connect};
use dpdk::{Eal, EalConfig, Pool};
use log::{error, info, warn};
use table::Tick;
use usage::Arguments;
use wire::HashKey;

use crate::{
    factory::Factory,
    idle::{Idle, Policy},
    memory::Plan,
    notify::Manager,
    port::AnyPort,
    service::{Began, Service},
    socket::ControlSocket,
    variant::Level,
    workers::Workers,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const GIT: &str = env!("MILLRACE_GIT");

/// What `millraced --version` says.
const BUILD: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("MILLRACE_GIT"), ", DPDK ", env!("MILLRACE_DPDK_VERSION"), ")");

fn main() -> ExitCode {
    let arguments = Arguments::of_process(BUILD);
    journal::start(arguments.log);
    match variant::choose(arguments.cpu_level, BUILD).and_then(|()| run(&arguments.config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            message.lines().for_each(|line| error!("{line}"));
            ExitCode::FAILURE
        }
    }
}

fn run(file: &Path) -> Result<(), String> {
    let start = Instant::now();
    let asked_to_stop = stop_signals()?;
    os::open_as_many_as_allowed();
    let source = load(file)?;
    let config = source.config.clone();
    let (level, dpdk, name) = (Level::OURS, dpdk::version(), &config.switch.name);
    info!("millraced {VERSION} ({GIT}) for {level} on {dpdk}: switch {name} from {}", file.display());
    let allowed = os::allowed_cpus();
    let cpus = workers::cpus(&config.workers.placement, &allowed)?;
    workers::keep_off(&cpus, &allowed);
    let gate = Gate::new(access::resolve(&config.switch.access), config.switch.pace);
    let hello = Hello::new(VERSION, config.switch.name.as_str());
    let socket = ControlSocket::listen(&config.switch.socket, gate, hello).map_err(|e| e.to_string())?;
    let plan = memory::plan(&config)?;
    let need = Need::on(&config, plan.hugepages);
    info!(
        "needs {} hugepages and {} MiB of ordinary pages",
        need.huge_pages(),
        need.ordinary_bytes().div_ceil(1 << 20)
    );
    let before_dpdk = start.elapsed();
    let eal = start_eal(&config, plan)?;
    let dpdk_took = start.elapsed() - before_dpdk;
    let worker_nodes = numa::nodes_of(cpus.iter().copied().flatten());
    let node = memory::node(&config.memory, plan, &worker_nodes)?;
    let pool = Pool::create(&eal, "frames", config.memory.frames, config.memory.buffer, node)
        .and_then(|pool| pool.with_supers(&eal, config.memory.super_frames))
        .map_err(|e| e.to_string())?;
    let books = Books::create(config.switch.name.as_str(), config.workers.count()).map_err(|e| e.to_string())?;
    let (workers, links) = make_workers(&config, cpus, plan, &pool, &books)?;
    let idle = match config.workers.idle {
        config::Idle::Busy => Policy::Busy,
        config::Idle::Adaptive => Policy::Adaptive,
    };
    let idle = Idle::new(idle, config.workers.rest_max_us);
    let tap_coalesce = Duration::from_micros(config.workers.tap_coalesce_us.into());
    let factory = Factory::new(eal.clone(), pool.clone(), worker_nodes, need, tap_coalesce);
    let identity = Identity {
        version: VERSION.to_owned(),
        git: Some(GIT.to_owned()),
        dpdk: Some(dpdk::version()),
        cpu_level: Some(Level::OURS.to_string()),
        pid: std::process::id(),
    };
    let pages = if plan.hugepages { "hugepages" } else { "4 KiB pages" };
    info!("{} frames of {} octets on {pages}, {} worker(s)", config.memory.frames, config.memory.buffer, workers.len());
    let control = Control::start(identity, source, factory, links, books, Box::new(pool), start.elapsed())?;
    let workers =
        Workers::start(workers, idle, start, &eal).map_err(|error| format!("cannot start a thread: {error}"))?;
    let began = Began { start, dpdk_took };
    Service::new(control, socket, workers, began, asked_to_stop, Manager::of_environment()).run()
}

fn load(file: &Path) -> Result<Sourced, String> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| format!("{name}: cannot read it: {error}"))?;
    let source = Sourced::load(&text, &name)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    source.config.warnings.iter().for_each(|warning| warn!("{warning}"));
    // Whoever edits the running configuration later may stand in another folder.
    let file = path::absolute(file).map_or(name, |path| path.display().to_string());
    Ok(Sourced { file, ..source })
}

/// What the first SIGTERM or SIGINT sets. A second one ends the process at once, whatever it is waiting for.
fn stop_signals() -> Result<Arc<AtomicBool>, String> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        // In this order: the first signal finds the flag down, and then raises it.
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .map_err(|error| format!("cannot handle signals: {error}"))?;
    }
    Ok(flag)
}

fn start_eal(config: &Config, plan: Plan) -> Result<Eal, String> {
    let eal = EalConfig {
        cpu: None,
        hugepages: plan.hugepages,
        memory_mib: plan.memory_mib,
        no_pci: !Path::new("/sys/bus/pci/devices").exists(),
        all_drivers: config.ports.iter().any(|port| matches!(&port.kind, Kind::Eth { device } if dpdk::is_pci(device))),
        file_prefix: Some(format!("millrace-{}-{}", config.switch.name, std::process::id())),
        // What matters of a failure is in the error itself; the rest is for whoever asks for it.
        log_level: if log::max_level() >= log::LevelFilter::Debug { log::max_level() } else { log::LevelFilter::Error },
        extra: config.memory.eal.clone(),
    };
    Eal::init(&eal).map_err(|error| error.to_string())
}

/// A worker of the daemon, the CPU for it, and control's link to it.
type Made = (Vec<(workers::DaemonWorker, Option<usize>)>, Vec<WorkerLink<AnyPort>>);

fn make_workers(
    config: &Config,
    cpus: Vec<Option<usize>>,
    plan: Plan,
    pool: &Pool,
    books: &Books,
) -> Result<Made, String> {
    let (ends, controls) = connect(cpus.len());
    let hash_key = HashKey::random();
    let mut made = (Vec::new(), Vec::new());
    for (((id, cpu), end), wires) in config.workers.ids().zip(cpus).zip(ends).zip(controls) {
        let worker = WorkerConfig {
            id,
            switch: config.switch.name.to_string(),
            flows_max: config.tables.flows_max as usize,
            macs_max: config.tables.macs_max as usize,
            flow_idle_ticks: config.tables.flow_idle_s * Tick::PER_SECOND,
            burst: config.workers.burst.into(),
            hash_key,
            huge: plan.hugepages,
        };
        let worker = Worker::new(&worker, end, pool.clone(), books.clone()).map_err(|error| error.to_string())?;
        made.1.push(WorkerLink { wires, view: worker.view(), cpu: cpu.map(|cpu| cpu as u32) });
        made.0.push((worker, cpu));
    }
    Ok(made)
}
