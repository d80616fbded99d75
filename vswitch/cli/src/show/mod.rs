//! `millrace show`: one file a table.

pub(crate) mod arguments;
mod drops;
mod flows;
pub(crate) mod grid;
mod ledger;
mod macs;
mod networks;
mod ports;
mod tunnels;
mod version;
mod workers;

use api::{Reply, Request};

use arguments::{Show, What};

use crate::{
    client::Client,
    console::{Colour, Console},
    failure::{Exit, Failure},
    quantity::Numbers,
};

/// Asks the switch, and prints its answer.
pub(crate) fn run(options: &Show, client: &mut Client, console: &mut Console) -> Result<Exit, Failure> {
    let reply = client.call(&request(&options.what))?;
    let exit = match &reply {
        Reply::Ledger(ledger) if !ledger.balanced => Exit::No,
        _ => Exit::Yes,
    };
    if console.json() {
        console.say_json(&reply)?;
        return Ok(exit);
    }
    print(&reply, options, client, console)?;
    Ok(exit)
}

fn request(what: &What) -> Request {
    match what {
        What::Ports { .. } => Request::ShowPorts,
        What::Config => Request::ShowConfig,
        What::Networks => Request::ShowNetworks,
        What::Macs { network, limit } => {
            Request::ShowMacs(api::MacFilter { network: network.clone(), limit: *limit, ..Default::default() })
        }
        What::Tunnels => Request::ShowTunnels,
        What::Flows { limit } => Request::ShowFlows(api::FlowFilter { limit: *limit, ..Default::default() }),
        What::Workers => Request::ShowWorkers,
        What::Drops { .. } => Request::ShowDrops,
        What::Ledger => Request::ShowLedger,
        What::Version => Request::Version,
    }
}

fn print(reply: &Reply, options: &Show, client: &Client, console: &mut Console) -> Result<(), Failure> {
    let numbers = if options.exact { Numbers::Exact } else { Numbers::Short };
    match reply {
        Reply::Ports(ports) => {
            console.say(&ports::tables(ports, numbers))?;
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
        Reply::Flows(flows) => {
            console.say(&flows::table(flows, numbers).to_string())?;
            remark_cut(flows.flows.len(), flows.total, console);
            Ok(())
        }
        Reply::Workers(workers) => console.say(&workers::tables(workers, numbers)),
        Reply::Drops(drops) => console.say(&drops::table(drops, all_reasons(&options.what), numbers)),
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
    matches!(what, What::Drops { all: true })
}

fn remark_cut(rows: usize, total: u64, console: &mut Console) {
    if (rows as u64) < total {
        console.remark(&format!("{rows} of {total} rows (--limit N for more)"));
    }
}
