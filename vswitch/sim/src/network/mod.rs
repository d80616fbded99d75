//! A whole network in one thread: switches, hosts and the wires between them, moved on by a virtual clock.

mod host;
mod node;
mod wire;

use std::{net::Ipv4Addr, time::Duration};

pub use host::Host;
pub use node::{Node, UPLINK};
pub use wire::{Faults, Wire};

use crate::Dice;

/// By how much the clock moves on in a step.
pub const STEP: Duration = Duration::from_millis(1);

/// Two switches joined by an underlay wire, and hosts behind them.
pub struct Network {
    /// The switches.
    pub nodes: [Node; 2],
    hosts: Vec<(Host, Place)>,
    /// From the first node to the second, and back.
    underlay: [Wire; 2],
    now: Duration,
}

/// Where a host is plugged in.
#[derive(Clone, Debug)]
struct Place {
    node: usize,
    port: String,
}

impl Network {
    /// Two switches by these configuration texts.
    ///
    /// # Panics
    /// Where a configuration is refused.
    pub fn new(configs: [&str; 2], faults: Faults, dice: &mut Dice) -> Network {
        let mut number = 0;
        let nodes = configs.map(|text| {
            number += 1;
            Node::start(number, text)
        });
        let underlay = [Wire::new(faults, dice.fork()), Wire::new(faults, dice.fork())];
        Network { nodes, hosts: Vec::new(), underlay, now: Duration::ZERO }
    }

    /// Plugs a host into a port of a node; its number from now on.
    pub fn plug(&mut self, node: usize, port: &str, host: Host) -> usize {
        self.hosts.push((host, Place { node, port: port.to_owned() }));
        self.hosts.len() - 1
    }

    /// A host by its number.
    ///
    /// # Panics
    /// Where there is none.
    pub fn host(&mut self, number: usize) -> &mut Host {
        &mut self.hosts[number].0
    }

    /// How many hosts there are.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// The address of a host.
    pub fn address(&self, number: usize) -> Ipv4Addr {
        self.hosts[number].0.address()
    }

    /// What time it is.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Changes what the underlay does to packets.
    pub fn set_faults(&mut self, faults: Faults) {
        self.underlay.iter_mut().for_each(|wire| wire.faults = faults);
    }

    /// One step of everybody.
    pub fn step(&mut self) {
        self.now += STEP;
        for (host, place) in &mut self.hosts {
            let node = &self.nodes[place.node];
            host.poll(self.now, |frame| node.send(&place.port, frame));
        }
        self.nodes.iter_mut().for_each(|node| node.step(self.now));
        self.deliver();
    }

    /// Carries what came out of the switches to where it goes.
    fn deliver(&mut self) {
        for (host, place) in &mut self.hosts {
            self.nodes[place.node].received(&place.port).into_iter().for_each(|frame| host.receive(frame));
        }
        for (from, wire) in self.underlay.iter_mut().enumerate() {
            self.nodes[from].received(UPLINK).into_iter().for_each(|packet| wire.push(self.now, packet));
            while let Some(packet) = wire.pop(self.now) {
                self.nodes[1 - from].send(UPLINK, &packet);
            }
        }
    }

    /// Steps until `done`, `most` at most; whether it was.
    pub fn run_until(&mut self, most: Duration, mut done: impl FnMut(&mut Network) -> bool) -> bool {
        let end = self.now + most;
        while self.now < end {
            self.step();
            if done(self) {
                return true;
            }
        }
        false
    }

    /// Lets that much time pass.
    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Unplugs all hosts, lets everything come to rest, and asserts that nothing has disappeared. Then stops both
    /// switches and asserts that no frame was left in them.
    ///
    /// # Panics
    /// Where a ledger does not balance or a frame is missing.
    pub fn close(mut self) {
        self.hosts.clear();
        self.run(Duration::from_millis(200));
        self.nodes.iter().for_each(Node::assert_balanced);
        self.nodes.iter_mut().for_each(Node::stop);
        let stopped = self.run_until(Duration::from_secs(5), |network| network.nodes.iter().all(Node::is_stopped));
        assert!(stopped, "a switch does not stop");
        for node in &self.nodes {
            node.assert_balanced();
            node.assert_empty();
        }
    }
}
