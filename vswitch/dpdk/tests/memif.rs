//! Memifs: both ends in one process, and nobody at the other end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use dpdk::{EthDevice, EthPort, Pool};
use frame::{Burst, Pool as _, Port, Sent};
use rig::{assert_conserved, burst_of, config, eal, open, packet, pool_of, unique};

/// Longer than any machine takes.
const LONG: Duration = Duration::from_secs(20);

fn socket() -> PathBuf {
    std::env::temp_dir().join(format!("millrace-memif-{}-{}.sock", std::process::id(), unique()))
}

fn memif(role: &str, id: u32, socket: &Path, is_abstract: &str) -> String {
    let (number, socket) = (unique(), socket.display());
    format!("net_memif{number},role={role},id={id},socket={socket},socket-abstract={is_abstract}")
}

/// Polls both ports, as their workers would, until it is so.
fn until(what: &str, ports: &mut [&mut EthPort], pool: &mut Pool, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        poll(ports, pool);
    }
}

fn poll(ports: &mut [&mut EthPort], pool: &mut Pool) {
    let mut burst = Burst::new();
    for port in ports {
        port.rx_burst(&mut burst, 32);
        pool.release(&mut burst);
    }
}

fn is_up(device: &EthDevice) -> bool {
    device.link().unwrap().up
}

/// Whoever receives has to have asked before: a server sends only into buffers that its client has set out.
fn send(from: &mut EthPort, to: &mut EthPort, pool: &mut Pool) {
    poll(&mut [&mut *to], pool);
    let packets: Vec<_> = (0..20).map(|n| packet(n, 60 + 70 * n)).collect();
    let sent = from.tx_burst(&mut burst_of(pool, &packets));
    assert_eq!(sent.frames, 20);
    assert_eq!(rig::receive(to, pool, 20), packets);
}

fn peer(device: &EthDevice) -> (String, String) {
    let choice = device.choices().into_iter().find(|choice| choice.what == "peer").unwrap();
    (choice.chosen, choice.why)
}

#[test]
fn two_ends_meet_whichever_comes_first_and_meet_again() {
    let mut pool = pool_of(1023, 2048);
    for (is_abstract, roles) in [("no", ["client", "server"]), ("yes", ["server", "client"])] {
        let socket = socket();
        let (one, mut one_port) = open(&memif(roles[0], 3, &socket, is_abstract), &pool);
        assert!(!is_up(&one) && peer(&one).0 == "waited for");
        let refused = one_port.tx_burst(&mut burst_of(&mut pool, &[packet(1, 60)]));
        assert_eq!(refused, Sent { refused: 1, ..Sent::default() }, "nobody is there");
        for _ in 0..3 {
            let (two, mut two_port) = open(&memif(roles[1], 3, &socket, is_abstract), &pool);
            until("the link", &mut [&mut one_port, &mut two_port], &mut pool, || is_up(&one) && is_up(&two));
            assert_eq!(
                peer(&two),
                (
                    "connected".to_owned(),
                    format!("at {}{}; none refused", if is_abstract == "yes" { "@" } else { "" }, socket.display())
                )
            );
            send(&mut one_port, &mut two_port, &mut pool);
            send(&mut two_port, &mut one_port, &mut pool);
            drop((two, two_port));
            until("the loss of the link", &mut [&mut one_port], &mut pool, || !is_up(&one));
        }
        drop((one, one_port));
        assert!(!socket.exists());
    }
    assert_conserved(&pool);
}

#[test]
fn two_ports_share_a_socket_and_are_told_apart_by_their_ids() {
    let (mut pool, socket) = (pool_of(1023, 2048), socket());
    let (a, mut a_port) = open(&memif("server", 1, &socket, "no"), &pool);
    let (b, mut b_port) = open(&memif("server", 2, &socket, "no"), &pool);
    let (to_b, mut to_b_port) = open(&memif("client", 2, &socket, "no"), &pool);
    let (to_a, mut to_a_port) = open(&memif("client", 1, &socket, "no"), &pool);
    let ports = &mut [&mut a_port, &mut b_port, &mut to_a_port, &mut to_b_port];
    until("all links", ports, &mut pool, || [&a, &b, &to_a, &to_b].into_iter().all(is_up));
    send(&mut a_port, &mut to_a_port, &mut pool);
    send(&mut to_b_port, &mut b_port, &mut pool);
    drop((a, a_port));
    until("the loss of one link", &mut [&mut to_a_port, &mut to_b_port, &mut b_port], &mut pool, || !is_up(&to_a));
    assert!(is_up(&b) && is_up(&to_b));
    send(&mut b_port, &mut to_b_port, &mut pool);
    drop((b, b_port, to_a, to_a_port, to_b, to_b_port));
    assert_conserved(&pool);
}

#[test]
fn ends_with_different_numbers_of_queues_are_told_so() {
    let (mut pool, socket) = (pool_of(1023, 2048), socket());
    let two = dpdk::EthConfig { queues: 2, ..config(&pool) };
    let (server, mut ports) = EthDevice::open(eal(), &memif("server", 0, &socket, "no"), &two).unwrap();
    let (client, mut port) = open(&memif("client", 0, &socket, "no"), &pool);
    let (mut second, mut first) = (ports.pop().unwrap(), ports.pop().unwrap());
    until("the refusal", &mut [&mut first, &mut second, &mut port], &mut pool, || {
        peer(&server).1.contains("refused, the")
    });
    assert!(
        peer(&server).1.contains("1 ring(s) to the server and 1 to the client, where the port has 2"),
        "{:?}",
        peer(&server)
    );
    assert!(!is_up(&server) && !is_up(&client));
    drop((server, first, second, client, port));
    assert_conserved(&pool);
}

#[test]
fn what_is_in_the_way_is_named() {
    let (pool, socket) = (pool_of(63, 2048), socket());
    std::fs::write(&socket, "").unwrap();
    let open = || EthDevice::open(eal(), &memif("server", 0, &socket, "no"), &config(&pool));
    let error = open().unwrap_err().to_string();
    assert!(error.contains("this is not a socket") && error.contains(&*socket.to_string_lossy()), "{error}");
    std::fs::remove_file(&socket).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.contains("somebody listens on it already"), "{error}");
    drop(listener);
    let (_device, _port) = open().map(|(device, mut ports)| (device, ports.remove(0))).unwrap();
}
