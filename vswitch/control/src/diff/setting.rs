//! Sections that exist once: what a running switch can take up, and what it cannot.

use std::fmt::{Debug, Display};

use api::DiffOp;

use super::{Diff, Effect, Object};
use crate::config::{Config, Group, Hugepages, Idle, Placement, User};

/// Adds what differs in `[switch]`, `[workers]`, `[memory]` and `[tables]`.
pub(super) fn compare(old: &Config, new: &Config, diff: &mut Diff) {
    let mut setting = |key: &str, effect: Effect, old: String, new: String| {
        if old == new {
            return;
        }
        let note = match effect {
            Effect::Restart => " (needs a restart)",
            Effect::Later => " (with the next start)",
            Effect::Live | Effect::Reopen => "",
        };
        let text = format!("{key}: {old} -> {new}{note}");
        diff.push(DiffOp::Changed, Object::Setting(key.to_owned()), effect, text);
    };
    let mut restart = |key: &str, old: &dyn Display, new: &dyn Display| {
        setting(key, Effect::Restart, old.to_string(), new.to_string());
    };
    restart("[switch] name", &old.switch.name, &new.switch.name);
    restart("[switch] socket", &old.switch.socket.display(), &new.switch.socket.display());
    restart("[workers] cores", &placement(&old.workers.placement), &placement(&new.workers.placement));
    restart("[workers] idle", &idle(old.workers.idle), &idle(new.workers.idle));
    restart("[workers] rest_max_us", &old.workers.rest_max_us, &new.workers.rest_max_us);
    restart("[workers] tap_coalesce_us", &old.workers.tap_coalesce_us, &new.workers.tap_coalesce_us);
    restart("[workers] burst", &old.workers.burst, &new.workers.burst);
    restart("[memory] numa", &node(old.memory.numa), &node(new.memory.numa));
    restart("[memory] hugepages", &hugepages(old.memory.hugepages), &hugepages(new.memory.hugepages));
    restart("[memory] eal", &list(&old.memory.eal, String::clone), &list(&new.memory.eal, String::clone));
    restart("[tables] flows_max", &old.tables.flows_max, &new.tables.flows_max);
    restart("[tables] macs_max", &old.tables.macs_max, &new.tables.macs_max);
    restart("[tables] flow_idle_s", &old.tables.flow_idle_s, &new.tables.flow_idle_s);
    // A pool that is larger than it need be serves: ports that go must not ask for a restart.
    let mut pool = |key: &str, old: u32, new: u32| {
        let effect = if new > old { Effect::Restart } else { Effect::Later };
        setting(key, effect, old.to_string(), new.to_string());
    };
    pool("[memory] frames", old.memory.frames, new.memory.frames);
    pool("[memory] buffer", old.memory.buffer.into(), new.memory.buffer.into());
    pool("[memory] super_frames", old.memory.super_frames, new.memory.super_frames);
    let mut live = |key: &str, old: String, new: String| setting(key, Effect::Live, old, new);
    let latency = |us: Option<u16>| us.map_or("the kernel's".to_owned(), |us| us.to_string());
    live("[workers] cpu_latency_us", latency(old.workers.cpu_latency_us), latency(new.workers.cpu_latency_us));
    // What they mean for ports is among what differs in those.
    let (was, is) = (&old.switch.vhost, &new.switch.vhost);
    live("[switch] vhost_dir", was.path.display().to_string(), is.path.display().to_string());
    let one = |group: &Option<Group>| group.as_ref().map_or("none".to_owned(), self::group);
    live("[switch] vhost_group", one(&was.group), one(&is.group));
    let (was, is) = (&old.switch.access, &new.switch.access);
    live("[switch] admins", list(&was.admins, user), list(&is.admins, user));
    live("[switch] admin_groups", list(&was.admin_groups, group), list(&is.admin_groups, group));
    live("[switch] readers", list(&was.readers, user), list(&is.readers, user));
    live("[switch] reader_groups", list(&was.reader_groups, group), list(&is.reader_groups, group));
    let (was, is) = (old.switch.pace, new.switch.pace);
    live("[switch] requests_per_s", was.requests_per_s.to_string(), is.requests_per_s.to_string());
    live("[switch] requests_burst", was.requests_burst.to_string(), is.requests_burst.to_string());
    live("[switch] connections_per_user", was.connections_per_user.to_string(), is.connections_per_user.to_string());
}

fn placement(placement: &Placement) -> String {
    match placement {
        Placement::LastCpu => "the last CPU".to_owned(),
        Placement::Cpus(cpus) => list(cpus, u16::to_string),
        Placement::Unpinned(count) => format!("{count} unpinned"),
    }
}

fn idle(idle: Idle) -> &'static str {
    match idle {
        Idle::Adaptive => "adaptive",
        Idle::Busy => "busy",
    }
}

fn node(node: Option<u32>) -> String {
    node.map_or("the workers'".to_owned(), |node| node.to_string())
}

fn hugepages(hugepages: Hugepages) -> &'static str {
    match hugepages {
        Hugepages::Auto => "auto",
        Hugepages::Always => "always",
        Hugepages::Never => "never",
    }
}

pub(super) fn user(user: &User) -> String {
    match user {
        User::Named(name) => name.clone(),
        User::Uid(uid) => format!("uid {uid}"),
        User::Own => "the daemon's own user".to_owned(),
    }
}

pub(super) fn group(group: &Group) -> String {
    match group {
        Group::Named(name) => name.clone(),
        Group::Gid(gid) => format!("gid {gid}"),
    }
}

fn list<T: Debug>(items: &[T], show: impl Fn(&T) -> String) -> String {
    format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
}
