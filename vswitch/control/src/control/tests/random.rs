//! Random changes one after the other, under traffic, some of which fail: devices and configuration must always agree.

use std::collections::{BTreeMap, BTreeSet};

use api::ErrorCode;
use wire::Mac;

use super::{
    frame,
    rig::{Rig, World},
};

/// A xorshift generator; a failing seed is printed and repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

const HEAD: &str = r#"
[switch]
name = "rig"
[workers]
count = 2
[[network]]
name = "blue"
vni = 1
[[network]]
name = "green"
vni = 2
"#;

/// A configuration of up to six ports on six devices, and which port has which device.
fn configuration(random: &mut Random) -> (String, BTreeMap<String, String>) {
    let mut devices: Vec<usize> = (0..6).collect();
    let (mut text, mut places) = (HEAD.to_owned(), BTreeMap::new());
    for port in 0..6 {
        // Mostly port i has device i, so that many ports stay as they are.
        let fixed = random.below(4) > 0;
        let at = devices.iter().position(|&device| fixed && device == port).unwrap_or(random.below(devices.len()));
        if random.below(4) == 0 {
            continue;
        }
        let device = format!("if-{}", devices.remove(at));
        let network = ["blue", "green"][random.below(8) / 7];
        let mtu = [1500, 1400][random.below(4) / 3];
        let worker = random.below(2);
        text += &format!(
            "[[port]]\nname = \"p{port}\"\nkind = \"tap\"\ninterface = \"{device}\"\nnetwork = \"{network}\"\n\
             mtu = {mtu}\nworkers = [{worker}]\n"
        );
        places.insert(format!("p{port}"), device);
    }
    (text, places)
}

/// Replays the factory's events: a device is opened once at a time, and only what is open is closed.
fn replay(open: &mut BTreeMap<String, String>, events: &[String]) -> BTreeSet<String> {
    let mut touched = BTreeSet::new();
    for event in events {
        match event.split(' ').collect::<Vec<_>>()[..] {
            ["open", port, device] => {
                assert!(open.values().all(|other| other != device), "{event}: the device is open already");
                assert!(open.insert(port.into(), device.into()).is_none(), "{event}: the port is open already");
                touched.insert(port.to_owned());
            }
            ["close", port, queues] => {
                assert!(open.remove(port).is_some(), "{event}: the port is not open");
                assert_eq!(queues, "1", "{event}");
                touched.insert(port.to_owned());
            }
            ["change", port, ..] => assert!(open.contains_key(port), "{event}"),
            _ => panic!("{event}"),
        }
    }
    touched
}

/// Returns how many changes were refused, and how many of these had closed a port already.
fn changes_under_traffic(seed: u64) -> (usize, usize) {
    let mut random = Random(seed);
    let (text, mut running) = configuration(&mut random);
    let Ok(mut rig) = Rig::try_new(&text, World::default()) else { panic!("it does not start") };
    rig.settle();
    let mut open = BTreeMap::new();
    replay(&mut open, &rig.events());
    let (mut refused, mut put_back) = (0, 0);
    for _ in 0..25 {
        assert_eq!(open, running);
        for (number, port) in running.keys().enumerate() {
            rig.send(port, &frame(Mac::BROADCAST, Mac::new([2, 0, 0, 0, 0, number as u8]), 0));
        }
        let (text, target) = configuration(&mut random);
        let broken = format!("if-{}", random.below(12));
        // What runs could be put back, so a broken device is one that is not in use.
        if running.values().all(|device| *device != broken) {
            rig.world.lock().unwrap().broken.insert(broken);
        }
        let outcome = rig.apply(&text);
        rig.settle();
        rig.world.lock().unwrap().broken.clear();
        let touched = replay(&mut open, &rig.events());
        match outcome {
            Ok(_) => {
                let stays = |port: &&String| running.get(*port) == target.get(*port);
                assert!(touched.iter().all(|port| !running.contains_key(port) || !stays(&port)), "{touched:?}");
                running = target;
            }
            Err(error) => {
                assert_eq!(error.kind(), Some(ErrorCode::ApplyFailed), "{error}");
                refused += 1;
                put_back += usize::from(touched.iter().any(|port| running.contains_key(port)));
            }
        }
    }
    assert_eq!(open, running);
    replay(&mut open, &rig.stop());
    assert!(open.is_empty(), "{open:?}");
    (refused, put_back)
}

#[test]
fn devices_and_configuration_agree_whatever_changes_and_whatever_fails() {
    let (mut refused, mut put_back) = (0, 0);
    for seed in 1..40_u64 {
        println!("seed {seed}");
        let counts = changes_under_traffic(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        (refused, put_back) = (refused + counts.0, put_back + counts.1);
    }
    assert!(refused > put_back && put_back > 10, "{refused} refused, {put_back} put back");
}
