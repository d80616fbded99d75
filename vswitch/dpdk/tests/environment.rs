//! Starting and ending DPDK: once, beside other processes, without noise, and without taking the caller's CPUs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{path::PathBuf, process::Command};

use dpdk::{Eal, EalConfig, EalError, Pool, ThreadError};
use frame::Pool as _;

/// Set in the process that the test starts beside itself.
const BESIDE: &str = "MILLRACE_TEST_BESIDE";

/// One test, because DPDK starts once in a process.
#[test]
fn dpdk_starts_once_keeps_to_itself_and_ends_with_its_last_user() {
    let cpus = allowed_cpus();
    refuses_what_cannot_be();
    let eal = Eal::init(&EalConfig { memory_mib: 64, ..EalConfig::default() }).unwrap();
    assert_eq!(allowed_cpus(), cpus, "the caller may run where it could before");
    assert!(matches!(Eal::init(&EalConfig::default()), Err(EalError::Started)));
    assert!(dpdk::version().starts_with("DPDK "), "{}", dpdk::version());
    assert!(!run_directory().exists(), "nothing is left behind on disk");
    threads_register_once(&eal);
    if std::env::var_os(BESIDE).is_none() {
        another_process_starts_beside_us_without_noise();
    }
    let mut pool = Pool::create(&eal, "last", 31, 256, None).unwrap();
    drop(eal);
    let frame = pool.alloc().expect("a pool keeps the environment alive");
    pool.release_one(frame);
}

fn refuses_what_cannot_be() {
    let error = |config: EalConfig| Eal::init(&config).unwrap_err();
    assert!(matches!(error(EalConfig { cpu: Some(9999), ..EalConfig::default() }), EalError::Cpu { cpu: 9999, .. }));
    let prefix = Some("a/b".to_owned());
    assert!(matches!(error(EalConfig { file_prefix: prefix, ..EalConfig::default() }), EalError::Argument { .. }));
    let extra = vec!["a\0".to_owned()];
    assert!(matches!(error(EalConfig { extra, ..EalConfig::default() }), EalError::Argument { .. }));
}

fn threads_register_once(eal: &Eal) {
    assert_eq!(eal.register_thread().unwrap_err(), ThreadError::Registered(0), "the thread that started DPDK");
    let register = || {
        let guard = eal.register_thread().unwrap();
        assert_eq!(eal.register_thread().unwrap_err(), ThreadError::Registered(guard.number()));
        guard.number()
    };
    let twice = || [register(), register()];
    let numbers = std::thread::scope(|scope| scope.spawn(twice).join().unwrap());
    assert_eq!(numbers, [1, 1], "a number is free again when its guard is gone");
}

fn another_process_starts_beside_us_without_noise() {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(["--nocapture", "--test-threads=1"]).env(BESIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("EAL:"), "DPDK's chatter belongs in the log: {said}");
}

/// Where DPDK puts what a process of root shares.
fn run_directory() -> PathBuf {
    PathBuf::from(format!("/var/run/dpdk/millrace-{}", std::process::id()))
}

fn allowed_cpus() -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    status.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap().to_owned()
}
