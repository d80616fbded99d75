//! Two programs for two containers: one asks, one answers, by datagrams of 64 octets.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use clap::Args;

/// Octets of a question, and of its answer.
const OCTETS: usize = 64;

/// How long an answer may take before it counts as lost.
const PATIENCE: Duration = Duration::from_millis(200);

/// What to ask whom, for how long.
#[derive(Args)]
pub(crate) struct Echo {
    /// Answer on this address, until ended.
    #[arg(long, conflicts_with = "ask")]
    answer: Option<SocketAddr>,
    /// Ask this address, and print the median and the 99th percentile of all round trips, in ns.
    #[arg(long)]
    ask: Option<SocketAddr>,
    /// How long to ask.
    #[arg(long, default_value_t = 1)]
    seconds: u64,
}

/// Asks or answers.
pub(crate) fn run(arguments: &Echo) -> io::Result<()> {
    if let Some(address) = arguments.answer {
        return answer(&UdpSocket::bind(address)?);
    }
    let Some(address) = arguments.ask else { return Ok(()) };
    let mut trips = ask(address, Duration::from_secs(arguments.seconds))?;
    trips.sort_unstable();
    let at = |percent: usize| trips.get(trips.len() * percent / 100).map_or(0, Duration::as_nanos);
    println!("{} {}", at(50), at(99));
    Ok(())
}

fn answer(socket: &UdpSocket) -> io::Result<()> {
    let mut octets = [0; OCTETS];
    loop {
        let (len, from) = socket.recv_from(&mut octets)?;
        socket.send_to(&octets[..len], from)?;
    }
}

fn ask(address: SocketAddr, time: Duration) -> io::Result<Vec<Duration>> {
    let local: SocketAddr = if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(local)?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let (mut trips, mut octets, start) = (Vec::new(), [0; OCTETS], Instant::now());
    while start.elapsed() < time {
        let asked = Instant::now();
        // Nobody may listen yet: a refusal is a question without an answer.
        if socket.send(&octets).is_ok() && socket.recv(&mut octets).is_ok() {
            trips.push(asked.elapsed());
        }
    }
    Ok(trips)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_answered_and_knows_how_long_it_took() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || answer(&socket));
        let trips = ask(address, Duration::from_millis(50)).unwrap();
        assert!(trips.len() > 10 && trips.iter().all(|trip| *trip < PATIENCE), "{}", trips.len());
    }
}
