//! Frames between two containers, through each switch in turns.

use std::time::Duration;

use super::{
    Vhost,
    report::PipelineRow,
    rig::Ring,
    switches::{Stage, Switch},
};
use crate::{folder::Folder, ovs, run, sample::Sample};

/// How much is measured.
pub(super) struct Plan {
    pub(super) rounds: u32,
    pub(super) warm_up: Duration,
    pub(super) window: Duration,
    /// How often a measurement that was disturbed is taken again.
    pub(super) again: u32,
}

impl Plan {
    pub(super) fn of(arguments: &Vhost) -> Plan {
        if arguments.quick { QUICK } else { FULL }
    }
}

const FULL: Plan = Plan { rounds: 5, warm_up: Duration::from_secs(1), window: Duration::from_secs(3), again: 2 };

/// Two minutes on a quiet machine.
const QUICK: Plan = Plan { rounds: 3, warm_up: Duration::from_millis(500), window: Duration::from_secs(1), again: 0 };

/// All measurements of one switch over one kind of rings.
pub(super) struct Taken {
    pub(super) switch: Switch,
    pub(super) samples: Vec<Sample>,
    /// Why there are no more.
    pub(super) failed: Option<String>,
}

/// Every switch over every kind of ring.
pub(super) fn measure(arguments: &Vhost, folder: &Folder) -> Vec<PipelineRow> {
    let plan = Plan::of(arguments);
    let millraced = arguments.millraced.clone().unwrap_or_else(run::millraced_beside_us);
    let stage = Stage {
        testpmd: &arguments.testpmd,
        millraced: &millraced,
        cpu: arguments.cpu,
        containers_cpu: arguments.containers_cpu,
        folder: folder.path(),
        warm_up: plan.warm_up,
        window: plan.window,
    };
    Ring::ALL.map(|ring| PipelineRow::new(ring, &rounds(&stage, &plan, ring))).into()
}

/// The switches take turns, so that a slow minute of the machine hits all of them.
fn rounds(stage: &Stage<'_>, plan: &Plan, ring: Ring) -> Vec<Taken> {
    let is_there = |switch: &Switch| *switch != Switch::Ovs || ovs::is_installed();
    let taken = |switch| Taken { switch, samples: Vec::new(), failed: None };
    let mut all: Vec<_> = Switch::ALL.into_iter().filter(is_there).map(taken).collect();
    if all.len() < Switch::ALL.len() {
        eprintln!("skipped: ovs: {} is not there (Debian: `apt install openvswitch-switch-dpdk`)", ovs::VSWITCHD);
    }
    for round in 1..=plan.rounds {
        for taken in all.iter_mut().filter(|taken| taken.failed.is_none()) {
            eprint!("[{round}/{}] containers, {} rings, {} ... ", plan.rounds, ring.name(), taken.switch.name());
            match undisturbed(stage, plan, taken.switch, ring) {
                Ok(sample) => {
                    let disturbed = if sample.is_disturbed() { ", disturbed" } else { "" };
                    eprintln!("{:.2} Mpps{disturbed}", sample.mpps());
                    taken.samples.push(sample);
                }
                Err(why) => {
                    eprintln!("FAILED: {why}");
                    taken.failed = Some(why);
                }
            }
        }
    }
    all
}

/// A measurement that nobody disturbed, or the last of as many as the plan allows.
fn undisturbed(stage: &Stage<'_>, plan: &Plan, switch: Switch, ring: Ring) -> Result<Sample, String> {
    let mut sample = stage.measure(switch, ring)?;
    for _ in 0..plan.again {
        if !sample.is_disturbed() {
            break;
        }
        eprint!("disturbed, again ... ");
        sample = stage.measure(switch, ring)?;
    }
    Ok(sample)
}
