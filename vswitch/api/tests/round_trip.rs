//! Whatever one side can say, the other understands as it was meant.

#[path = "round_trip/memory.rs"]
mod memory;
#[path = "round_trip/mtu.rs"]
mod mtu;
#[path = "round_trip/schema.rs"]
mod schema;

use std::net::IpAddr;

use api::*;
use proptest::prelude::*;
use wire::{Mac, Vni};

/// A source of arbitrary values, all from one seed that proptest shrinks and prints.
struct Dice(u64);

impl Dice {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.number() as usize % from.len()].clone()
    }

    fn text(&mut self) -> String {
        self.pick(&["a1", "", "line\nbreak", "\"quoted\\\"", "ünï", "\u{0}\u{1b}[31m", "{}"]).to_owned()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
        self.number().is_multiple_of(2).then(|| make(self))
    }

    fn list<T>(&mut self, mut make: impl FnMut(&mut Dice) -> T) -> Vec<T> {
        (0..self.number() % 4).map(|_| make(self)).collect()
    }

    fn coin(&mut self) -> bool {
        self.number().is_multiple_of(2)
    }

    fn mac(&mut self) -> Mac {
        Mac::from_u64(self.number() >> 16)
    }

    fn address(&mut self) -> IpAddr {
        match self.coin() {
            true => IpAddr::V4((self.number() as u32).into()),
            false => IpAddr::V6(u128::from(self.number()).into()),
        }
    }

    fn problem(&mut self) -> ConfigProblem {
        ConfigProblem {
            file: self.text(),
            line: self.number() as u32,
            column: self.number() as u32,
            message: self.text(),
            hint: self.maybe(Dice::text),
        }
    }

    fn port(&mut self) -> PortRow {
        PortRow {
            name: self.text(),
            kind: self.pick(&[PortKind::Eth, PortKind::Tap, PortKind::VhostUser]),
            role: self.pick(&[PortRole::Uplink, PortRole::Access]),
            device: self.maybe(Dice::text),
            netns: self.maybe(Dice::text),
            interface: self.maybe(Dice::text),
            socket: self.maybe(Dice::text),
            mac: self.maybe(Dice::mac),
            mtu: self.number() as u16,
            addresses: self.list(Dice::text),
            state: self.pick(&[PortState::Opening, PortState::Up, PortState::Down]),
            gone: self.maybe(Dice::text),
            link: self.pick(&[Link::Up, Link::Down, Link::Unknown]),
            network: self.maybe(Dice::text),
            trunk: self.list(|dice| TrunkRow { vlan: dice.number() as u16, network: dice.text() }),
            vlan: self.maybe(|dice| dice.number() as u16),
            storm_max: self.maybe(|dice| dice.number() as u32),
            workers: self.list(|d| d.number() as u8),
            anti_spoof: self.coin(),
            rx_frames: self.number(),
            rx_octets: self.number(),
            tx_frames: self.number(),
            tx_octets: self.number(),
            dropped: self.number(),
            refused: self.number(),
            rx_missed: self.number(),
            rx_no_buffer: self.number(),
            rx_errors: self.number(),
            tx_errors: self.number(),
            balanced: self.coin(),
            choices: self.list(Dice::choice),
        }
    }

    fn choice(&mut self) -> ChoiceRow {
        ChoiceRow {
            what: self.text(),
            asked: self.maybe(Dice::text),
            chosen: self.text(),
            why: self.text(),
            falls_short: self.coin(),
        }
    }

    fn network(&mut self) -> NetworkRow {
        NetworkRow {
            name: self.text(),
            vni: Vni::new(self.number() as u32 >> 8).expect("24 bits are a VNI"),
            ports: self.list(Dice::text),
            tunnels: self.list(Dice::text),
            macs: self.number() as u32,
            macs_max: self.number() as u32,
            age_s: self.number() as u32,
            flow_key: self.text(),
        }
    }

    fn mac_row(&mut self) -> MacRow {
        MacRow {
            network: self.text(),
            mac: self.mac(),
            member: self.text(),
            kind: self.pick(&[MacKind::Static, MacKind::Learned]),
            age_ms: self.maybe(Dice::number),
            worker: self.number() as u8,
        }
    }

    fn tunnel(&mut self) -> TunnelRow {
        TunnelRow {
            name: self.text(),
            uplink: self.text(),
            local: self.address(),
            remote: self.address(),
            udp_port: self.number() as u16,
            networks: self.list(Dice::text),
            next_hop: self.maybe(Dice::address),
            next_hop_mac: self.maybe(Dice::mac),
            state: self.pick(&[TunnelState::Resolved, TunnelState::Unresolved]),
            mtu: self.number() as u16,
            multipath: self.maybe(Dice::text),
            paths: self.list(Dice::path),
        }
    }

    fn path(&mut self) -> PathRow {
        use PathState::{Active, NoLink, Standby, Unresolved, Unserved};
        PathRow {
            uplink: self.text(),
            link: self.pick(&[Link::Up, Link::Down, Link::Unknown]),
            local: self.address(),
            next_hop: self.maybe(Dice::address),
            next_hop_mac: self.maybe(Dice::mac),
            state: self.pick(&[Active, Standby, NoLink, Unserved, Unresolved]),
        }
    }

    fn five_tuple(&mut self) -> FiveTuple {
        FiveTuple {
            source: self.address(),
            destination: self.address(),
            protocol: self.number() as u8,
            source_port: self.maybe(|d| d.number() as u16),
            destination_port: self.maybe(|d| d.number() as u16),
            icmp_type: self.maybe(|d| d.number() as u8),
            icmp_code: self.maybe(|d| d.number() as u8),
            fragment: self.coin(),
        }
    }

    fn flow(&mut self) -> FlowRow {
        let name = self.text();
        let verdicts = [
            Verdict::Forward { egress: name.clone() },
            Verdict::Flood { network: name.clone() },
            Verdict::Drop { reason: name },
        ];
        FlowRow {
            worker: self.number() as u8,
            ingress: self.text(),
            network: self.maybe(Dice::text),
            src: self.mac(),
            dst: self.mac(),
            source: self.maybe(Dice::address),
            five_tuple: self.maybe(Dice::five_tuple),
            verdict: self.pick(&verdicts),
            packets: self.number(),
            octets: self.number(),
            idle_ms: self.number(),
        }
    }

    fn worker(&mut self) -> WorkerRow {
        WorkerRow {
            worker: self.number() as u8,
            cpu: self.maybe(|d| d.number() as u32),
            cpu_time_us: self.maybe(|d| d.number()),
            load_permille: self.maybe(|d| d.number() as u16),
            turns: self.number(),
            idle_turns: self.number(),
            flow_hits: self.number(),
            lost: self.number(),
            ..WorkerRow::default()
        }
    }

    fn drop_row(&mut self) -> DropRow {
        DropRow {
            reason: self.text(),
            text: self.text(),
            frames: self.number(),
            ports: self.list(|d| PortFrames { port: d.text(), frames: d.number() }),
            workers: self.list(|d| WorkerFrames { worker: d.number() as u8, frames: d.number() }),
        }
    }

    fn host_loss(&mut self) -> HostLoss {
        HostLoss { reason: self.text(), text: self.text(), frames: self.number() }
    }

    fn ledger(&mut self) -> Ledger {
        let terms = |d: &mut Dice| Terms {
            rx: d.number(),
            injected: d.number(),
            copied: d.number(),
            split: d.number(),
            taken: d.number(),
            tx: d.number(),
            dropped: d.number(),
            punted: d.number(),
            merged: d.number(),
            handed: d.number(),
            held: d.number(),
            lost: d.number(),
        };
        let host = self.list(Dice::host_loss);
        let ledger = Ledger::new(
            self.list(|d| WorkerLedger { worker: d.number() as u8, terms: terms(d), balanced: false }),
            self.list(|d| PairLedger { handed: d.number(), taken: d.number(), ..PairLedger::default() }),
            self.list(|d| PortLedger { port: d.text(), rx: d.number(), tx: d.number(), ..PortLedger::default() }),
        );
        Ledger { host, ..ledger }
    }

    fn version(&mut self) -> Version {
        Version {
            product: self.text(),
            version: self.text(),
            git: self.maybe(Dice::text),
            dpdk: self.maybe(Dice::text),
            cpu_level: self.maybe(Dice::text),
            schema: self.number() as u32,
            switch: self.text(),
            pid: self.number() as u32,
            uptime_s: self.number(),
        }
    }

    fn applied(&mut self) -> Applied {
        Applied {
            diff: self.diff(),
            generation: self.number(),
            revision: self.number(),
            applied: self.coin(),
            warnings: self.list(Dice::problem),
        }
    }

    fn request(&mut self) -> Request {
        let (config, file, dry_run) = (self.text(), self.text(), self.coin());
        let base_revision = self.maybe(Dice::number);
        let (network, limit) = (self.maybe(Dice::text), self.maybe(|d| d.number() as u32));
        let (member, mac) = (self.maybe(Dice::text), self.maybe(Dice::mac));
        let address = self.maybe(Dice::address);
        let flows = FlowFilter { network: network.clone(), member: member.clone(), mac, address, limit };
        self.pick(&[
            Request::Version,
            Request::Check { config: config.clone(), file: file.clone() },
            Request::Apply { config, file, dry_run, base_revision },
            Request::ShowConfig,
            Request::ShowPorts,
            Request::ShowNetworks,
            Request::ShowMacs(MacFilter { network, member, mac, limit }),
            Request::ShowTunnels,
            Request::ShowMtu,
            Request::ShowFlows(flows),
            Request::ShowWorkers,
            Request::ShowMemory,
            Request::ShowDrops,
            Request::ShowLedger,
        ])
    }

    /// The kind of answer that belongs to `request`.
    fn reply(&mut self, request: &Request) -> Reply {
        let total = self.number();
        match request {
            Request::Version => Reply::Version(self.version()),
            Request::Check { .. } => Reply::Checked(Checked { warnings: self.list(Dice::problem) }),
            Request::Apply { .. } => Reply::Applied(self.applied()),
            Request::ShowConfig => {
                Reply::Config(RunningConfig { text: self.text(), file: self.text(), revision: self.number() })
            }
            Request::ShowPorts => Reply::Ports(Ports { ports: self.list(Dice::port) }),
            Request::ShowNetworks => Reply::Networks(Networks { networks: self.list(Dice::network) }),
            Request::ShowMacs(_) => Reply::Macs(Macs { total, macs: self.list(Dice::mac_row) }),
            Request::ShowTunnels => Reply::Tunnels(Tunnels { tunnels: self.list(Dice::tunnel) }),
            Request::ShowMtu => Reply::Mtus(self.mtus()),
            Request::ShowFlows(_) => Reply::Flows(Flows { total, flows: self.list(Dice::flow) }),
            Request::ShowWorkers => Reply::Workers(Workers {
                workers: self.list(Dice::worker),
                cpu_latency: self.maybe(|d| CpuLatency {
                    max_us: d.number() as u16,
                    held: d.coin(),
                    problem: d.maybe(Dice::text),
                }),
            }),
            Request::ShowMemory => Reply::Memory(self.memory()),
            Request::ShowDrops => {
                Reply::Drops(Drops { total, reasons: self.list(Dice::drop_row), host: self.list(Dice::host_loss) })
            }
            Request::ShowLedger => Reply::Ledger(self.ledger()),
        }
    }

    fn error(&mut self) -> RpcError {
        let text = self.text();
        let problems = self.list(Dice::problem);
        let too_much = RpcError::too_much(&text, self.number());
        let conflict = RpcError::conflict(&self.conflict());
        self.pick(&[RpcError::parse(&text), RpcError::busy(), RpcError::config_refused(&problems), too_much, conflict])
    }

    fn conflict(&mut self) -> Conflict {
        let changes = self.list(|d| ConfigChange {
            revision: d.number(),
            uid: d.maybe(|d| d.number() as u32),
            age_ms: d.number(),
            file: d.text(),
            diff: d.diff(),
        });
        Conflict { base: self.number(), running: self.number(), changes }
    }

    fn diff(&mut self) -> Vec<DiffLine> {
        self.list(|d| DiffLine { op: d.pick(&[DiffOp::Added, DiffOp::Removed, DiffOp::Changed]), text: d.text() })
    }
}

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_written_and_is_one_line(seed: u64) {
        let mut dice = Dice(seed);
        let id = match dice.coin() { true => Id::Number(dice.number() as i64), false => Id::Text(dice.text()) };
        let request = RpcRequest { id, request: dice.request() };
        let line = request.encode();
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        prop_assert_eq!(RpcRequest::decode(line.as_bytes()), Ok(request));
    }

    #[test]
    fn an_answer_is_read_as_it_was_written_and_is_one_line(seed: u64) {
        let mut dice = Dice(seed);
        let request = dice.request();
        let outcome = match dice.number().is_multiple_of(5) {
            true => Err(dice.error()),
            false => Ok(dice.reply(&request)),
        };
        let response = RpcResponse { id: dice.maybe(|d| Id::Number(d.number() as i64)), outcome };
        let line = response.encode();
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        prop_assert_eq!(RpcResponse::decode(line.as_bytes(), &request).unwrap(), response);
    }

    #[test]
    fn octets_from_anywhere_are_a_request_or_a_refusal(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(refusal) = RpcRequest::decode(&octets) {
            prop_assert!(refusal.error.kind().is_some());
        }
    }

    #[test]
    fn a_damaged_request_is_a_request_or_a_refusal(seed: u64, at: prop::sample::Index, octet: u8) {
        let mut line = RpcRequest::new(1, Dice(seed).request()).encode().into_bytes();
        let at = at.index(line.len());
        line[at] = octet;
        if let Err(refusal) = RpcRequest::decode(&line) {
            prop_assert!(RpcResponse::from(refusal).encode().ends_with('\n'));
        }
    }
}
