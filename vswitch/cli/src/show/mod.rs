//! `millrace show`: one file a table.

pub(crate) mod arguments;
mod counters;
mod drops;
mod filter;
mod flows;
pub(crate) mod grid;
mod ledger;
mod macs;
mod memory;
mod mtu;
mod networks;
mod ports;
mod tunnels;
mod version;
mod watch;
mod workers;

use std::time::Instant;

use api::{FlowFilter, MacFilter, Reply, Request};

use arguments::{DropsWanted, FlowsWanted, Rows, Show, What};
use counters::Rates;
use watch::Metronome;

use crate::{
    client::Client,
    console::{Colour, Console},
    failure::{Exit, Failure},
    quantity::Numbers,
};

/// What an answer is shown beside: nothing, or the one before it.
#[derive(Clone, Copy)]
enum Past<'a> {
    /// Nobody watches.
    Unwatched,
    /// There is none before it.
    First,
    /// The one before it, and the seconds since.
    Since(&'a Reply, f64),
}

impl<'a> Past<'a> {
    /// Rates since the `rows` of the answer before.
    fn rates<T>(self, rows: impl Fn(&'a Reply) -> Option<&'a [T]>) -> Rates<'a, T> {
        match self {
            Past::Unwatched => Rates::Unwatched,
            Past::First => Rates::First,
            Past::Since(reply, seconds) => rows(reply).map_or(Rates::First, |rows| Rates::Since(rows, seconds)),
        }
    }
}

/// Asks the switch, and prints its answer; under `--watch` again and again.
pub(crate) fn run(options: &Show, client: &mut Client, console: &mut Console) -> Result<Exit, Failure> {
    let Some(period) = options.watch else {
        let reply = ask(options, client)?;
        return tell(&reply, Past::Unwatched, options, client, console);
    };
    let mut metronome = Metronome::start(period)?;
    let mut before: Option<(Instant, Reply)> = None;
    let mut exit = Exit::Yes;
    loop {
        let (reply, now) = (ask(options, client)?, Instant::now());
        let past = before.as_ref().map_or(Past::First, |(then, reply)| Past::Since(reply, (now - *then).as_secs_f64()));
        console.begin_block(&format!("{}, every {} s", client.switch(), period.seconds()), before.is_none())?;
        if tell(&reply, past, options, client, console)? == Exit::No {
            exit = Exit::No;
        }
        before = Some((now, reply));
        if console.reader_is_gone() || !metronome.beat() {
            return Ok(exit);
        }
    }
}

fn ask(options: &Show, client: &mut Client) -> Result<Reply, Failure> {
    let mut reply = client.call(&request(&options.what))?;
    if let What::Drops(DropsWanted { port: Some(port), .. }) = &options.what
        && let Reply::Ports(ports) = client.call(&Request::ShowPorts)?
    {
        // The answer names only ports that lost something.
        filter::port_is_there(port, &ports)?;
    }
    filter::pick(&mut reply, &options.what)?;
    Ok(reply)
}

fn tell(reply: &Reply, past: Past, options: &Show, client: &Client, console: &mut Console) -> Result<Exit, Failure> {
    if console.json() {
        console.say_json(reply)?;
    } else {
        print(reply, past, options, client, console)?;
    }
    Ok(match reply {
        Reply::Ledger(ledger) if !ledger.balanced => Exit::No,
        _ => Exit::Yes,
    })
}

fn request(what: &What) -> Request {
    match what {
        What::Ports(_) => Request::ShowPorts,
        What::Config => Request::ShowConfig,
        What::Networks { .. } => Request::ShowNetworks,
        What::Macs(Rows { network, member, mac, limit }) => {
            let (network, member) = (network.clone(), member.clone());
            Request::ShowMacs(MacFilter { network, member, mac: *mac, limit: *limit })
        }
        What::Tunnels(_) => Request::ShowTunnels,
        What::Mtu { .. } => Request::ShowMtu,
        What::Flows(FlowsWanted { rows: Rows { network, member, mac, limit }, address }) => {
            let (network, member) = (network.clone(), member.clone());
            Request::ShowFlows(FlowFilter { network, member, mac: *mac, address: *address, limit: *limit })
        }
        What::Workers { .. } => Request::ShowWorkers,
        What::Memory => Request::ShowMemory,
        What::Drops(_) => Request::ShowDrops,
        What::Ledger => Request::ShowLedger,
        What::Version => Request::Version,
    }
}

fn print(reply: &Reply, past: Past, options: &Show, client: &Client, console: &mut Console) -> Result<(), Failure> {
    let numbers = if options.exact { Numbers::Exact } else { Numbers::Short };
    match reply {
        Reply::Ports(ports) => {
            let rates = past.rates(|reply| if let Reply::Ports(ports) = reply { Some(&ports.ports) } else { None });
            console.say(&ports::tables(ports, &rates, numbers))?;
            if options.what.has_detail() && !ports::choices(ports).is_empty() {
                console.say(&format!("\n{}", ports::choices(ports)))?;
            }
            Ok(())
        }
        Reply::Networks(networks) => console.say(&networks::table(networks, numbers).to_string()),
        Reply::Macs(macs) => {
            console.say(&macs::table(macs, numbers).to_string())?;
            remark_cut(macs.macs.len(), macs.total, console);
            Ok(())
        }
        Reply::Tunnels(tunnels) => console.say(&tunnels::table(tunnels).to_string()),
        Reply::Mtus(mtus) => console.say(&mtu::tables(mtus, numbers)),
        Reply::Flows(flows) => {
            console.say(&flows::table(flows, numbers).to_string())?;
            remark_cut(flows.flows.len(), flows.total, console);
            Ok(())
        }
        Reply::Workers(workers) => {
            let rates = past.rates(|reply| if let Reply::Workers(rows) = reply { Some(&rows.workers) } else { None });
            console.say(&workers::tables(workers, &rates, numbers))
        }
        Reply::Memory(memory) => console.say(&memory::table(memory, numbers)),
        Reply::Drops(drops) => {
            let rates = past.rates(|reply| if let Reply::Drops(drops) = reply { Some(&drops.reasons) } else { None });
            console.say(&drops::table(drops, &rates, all_reasons(&options.what), numbers))
        }
        Reply::Ledger(ledger) => {
            console.say(&ledger::tables(ledger))?;
            let colour = if ledger.balanced { Colour::Green } else { Colour::Red };
            console.say_in(colour, &ledger::verdict(ledger))
        }
        Reply::Version(version) => console.say(&version::lines(version, client.role(), client.path())),
        Reply::Config(config) => {
            console.remark(&format!("revision {}, from {}", config.revision, config.file));
            console.say_whole(&config.text)
        }
        Reply::Checked(_) | Reply::Applied(_) => unreachable!("show asks for neither"),
    }
}

fn all_reasons(what: &What) -> bool {
    matches!(what, What::Drops(wanted) if wanted.all)
}

fn remark_cut(rows: usize, total: u64, console: &mut Console) {
    if (rows as u64) < total {
        console.remark(&format!("{rows} of {total} rows (--limit N for more)"));
    }
}
