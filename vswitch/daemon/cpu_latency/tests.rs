//! The request over time, on files that stand for the kernel's.

use std::{os::unix::fs::PermissionsExt, path::PathBuf};

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A folder with both files, and a request that looks there.
struct Rig {
    folder: PathBuf,
    latency: CpuLatency,
    now: Duration,
    received: u64,
}

impl Rig {
    fn new(test: &str) -> Rig {
        let folder = std::env::temp_dir().join(format!("millrace-latency-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let leaked = |name: &str| -> &'static Path { Box::leak(folder.join(name).into_boxed_path()) };
        let latency = CpuLatency::at(leaked("requests"), leaked("driver"));
        fs::write(latency.requests, "").unwrap();
        fs::write(latency.driver, "intel_idle\n").unwrap();
        Rig { folder, latency, now: Duration::ZERO, received: 0 }
    }

    /// So many frames come, then that time passes; whether the request is held.
    fn after(&mut self, wish: Option<u16>, frames: u64, time: Duration) -> bool {
        self.received += frames;
        self.latency.follow(wish, self.received, self.now);
        self.now += time;
        self.latency.follow(wish, self.received, self.now);
        self.held()
    }

    fn held(&self) -> bool {
        self.latency.status().is_some_and(|status| status.held)
    }

    fn problem(&self) -> String {
        self.latency.status().and_then(|status| status.problem).unwrap_or_default()
    }

    /// What was written, as the kernel reads it.
    fn asked(&self) -> Vec<i32> {
        let octets = fs::read(self.latency.requests).unwrap();
        octets.chunks(4).map(|number| i32::from_ne_bytes(number.try_into().unwrap())).collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn it_is_held_from_the_first_frame_until_none_has_come_for_a_second() {
    let mut rig = Rig::new("traffic");
    assert!(!rig.after(Some(7), 0, 5 * MS), "nothing has come");
    assert!(rig.asked().is_empty());
    assert!(rig.after(Some(7), 1, Duration::ZERO), "at once");
    assert_eq!(rig.asked(), [7]);
    for _ in 0..5 {
        assert!(rig.after(Some(7), 1, 900 * MS), "more came in time");
    }
    assert!(!rig.after(Some(7), 0, 200 * MS), "the last came more than a second ago");
    assert!(!rig.after(Some(7), 0, 60_000 * MS));
    assert!(rig.after(Some(7), 1, 5 * MS), "and again");
}

#[test]
fn who_asks_for_nothing_opens_nothing() {
    let mut rig = Rig::new("nothing");
    fs::remove_file(rig.latency.requests).unwrap();
    assert!(!rig.after(None, 1000, 5 * MS));
    assert_eq!((rig.latency.status(), rig.problem()), (None, String::new()));
}

#[test]
fn another_number_replaces_the_one_that_is_held_and_none_lets_go_of_it() {
    let mut rig = Rig::new("changes");
    assert!(rig.after(Some(20), 1, 5 * MS));
    assert!(rig.after(Some(0), 0, 5 * MS), "there was traffic a moment ago");
    assert_eq!((rig.asked(), rig.latency.status().unwrap().max_us), (vec![0], 0));
    assert!(!rig.after(None, 1, 5 * MS));
    assert!(rig.latency.held.is_none() && rig.latency.status().is_none());
}

#[test]
fn what_is_in_the_way_is_said_before_there_is_traffic_and_tried_again_now_and_then() {
    let mut rig = Rig::new("refused");
    fs::remove_file(rig.latency.requests).unwrap();
    assert!(!rig.after(Some(0), 0, 5 * MS));
    assert!(rig.problem().contains("requests: No such file"), "{}", rig.problem());
    assert!(!rig.after(Some(0), 1, 5 * MS));
    fs::write(rig.latency.requests, "").unwrap();
    assert!(!rig.after(Some(0), 1, 5 * MS), "not yet");
    assert!(!rig.after(Some(0), 0, AGAIN) && rig.after(Some(0), 1, 5 * MS));
    assert_eq!(rig.problem(), "");
    fs::remove_file(rig.latency.requests).unwrap();
    assert!(rig.after(Some(0), 1, 5 * MS), "it is open");
    assert!(!rig.after(Some(0), 0, SILENCE) && !rig.after(Some(0), 1, 5 * MS));
    assert!(rig.problem().contains("requests: No such file"), "{}", rig.problem());
}

#[test]
fn a_file_that_cannot_be_written_to_is_named() {
    let mut rig = Rig::new("forbidden");
    fs::set_permissions(rig.latency.requests, fs::Permissions::from_mode(0o400)).unwrap();
    // Root may write to it all the same, but nobody to a folder.
    if rig.latency.open().is_err() {
        assert!(!rig.after(Some(0), 1, 5 * MS));
        assert!(rig.problem().contains("requests: Permission denied"), "{}", rig.problem());
    }
    let mut rig = Rig::new("folder");
    fs::remove_file(rig.latency.requests).unwrap();
    fs::create_dir(rig.latency.requests).unwrap();
    assert!(!rig.after(Some(0), 1, 5 * MS));
    assert!(rig.problem().contains("requests: Is a directory"), "{}", rig.problem());
}

#[test]
fn without_a_driver_it_is_held_and_said_to_be_in_vain() {
    for driver in [Some("none\n"), None] {
        let mut rig = Rig::new("driver");
        fs::remove_file(rig.latency.driver).unwrap();
        if let Some(driver) = driver {
            fs::write(rig.latency.driver, driver).unwrap();
        }
        assert!(rig.after(Some(0), 1, 5 * MS));
        assert!(rig.problem().starts_with("no driver puts CPUs to sleep here"), "{}", rig.problem());
    }
}

#[test]
fn the_kernel_of_this_machine_takes_the_request_where_it_has_the_file() {
    let mut latency = CpuLatency::default();
    if let Err(why) = latency.open() {
        println!("skipped: {REQUESTS}: {why}");
        return;
    }
    latency.follow(Some(10_000), 1, MS);
    latency.follow(Some(10_000), 2, 2 * MS);
    assert!(latency.status().is_some_and(|status| status.held));
}
