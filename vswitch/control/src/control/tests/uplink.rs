//! An uplink that changes while tunnels use it: another MAC, from outside or by the configuration, and a device opened
//! anew. Questions, answers and outer headers follow.

use wire::{Mac, arp, ethernet};

use super::{A1, A2, REMOTE, UPLINK_MAC, frame, resolve, rig::Rig, tunnel_state, with_uplink};

const OTHER: Mac = Mac::new([2, 0, 0, 0, 0xff, 0xee]);

/// The last question for the remote VTEP among these frames: who asks.
fn asker(frames: &[Vec<u8>]) -> Option<Mac> {
    let last = frames.iter().rfind(|frame| frame[12..14] == [0x08, 0x06])?;
    let packet = arp::Packet::new_checked(&last[ethernet::HEADER_LEN..]).ok()?;
    Some(arp::Repr::parse(&packet).sender_mac)
}

/// Source MAC of the outer header that a1's frame gets.
fn outer_source(rig: &mut Rig) -> Vec<u8> {
    rig.received("up0");
    rig.send("a1", &frame(Mac::BROADCAST, A1, 1));
    rig.run_ms(30);
    let outer = rig.received("up0").into_iter().find(|frame| frame[12..14] == [0x08, 0x00]).unwrap();
    outer[6..12].to_vec()
}

/// Everybody sees the uplink at `OTHER`.
fn assert_moved(rig: &mut Rig) {
    assert_eq!(asker(&rig.received("up0")), Some(OTHER), "the next hop learns it by a question");
    assert_eq!(outer_source(rig), OTHER.octets());
    let request = arp::Repr::request(REMOTE, [192, 0, 2, 2].into(), [192, 0, 2, 1].into());
    rig.send("up0", &request.to_frame(Mac::BROADCAST));
    rig.run_ms(20);
    let answers = rig.received("up0");
    assert!(answers.contains(&request.reply(OTHER).to_frame(REMOTE).to_vec()), "{answers:?}");
    assert_eq!(tunnel_state(rig).1, Some(REMOTE), "the next hop was not forgotten");
}

#[test]
fn a_mac_that_changes_under_us_is_followed() {
    let mut rig = Rig::new(&with_uplink(1));
    resolve(&mut rig);
    rig.received("up0");
    rig.events();
    rig.world.lock().unwrap().uplink_mac = Some(OTHER);
    rig.run_ms(400);
    assert_moved(&mut rig);
    assert_eq!(rig.events(), [""; 0], "no device was closed or changed");
    rig.stop();
}

#[test]
fn a_mac_of_the_configuration_is_given_to_the_open_device_and_taken_back() {
    let mut rig = Rig::new(&with_uplink(1));
    resolve(&mut rig);
    rig.received("up0");
    rig.events();
    let before = with_uplink(1);
    let text = before.replace("role = \"uplink\"", "role = \"uplink\"\nmac = \"02:00:00:00:ff:ee\"");
    assert_ne!(text, before);
    let applied = rig.apply(&text).unwrap();
    assert_eq!(applied.diff[0].text, "port up0: mac the device's own -> 02:00:00:00:ff:ee");
    assert_eq!(rig.events(), ["change up0 1500 1500"]);
    rig.run_ms(20);
    assert_moved(&mut rig);
    rig.world.lock().unwrap().uplink_mac = Some(UPLINK_MAC);
    rig.apply(&before).unwrap();
    rig.run_ms(20);
    assert_eq!(outer_source(&mut rig), UPLINK_MAC.octets());
    rig.send("a2", &frame(A1, A2, 2));
    rig.stop();
}

#[test]
fn a_next_hop_stays_known_while_the_uplinks_device_is_opened_anew() {
    let mut rig = Rig::new(&with_uplink(1));
    resolve(&mut rig);
    rig.events();
    let text = with_uplink(1).replace("role = \"uplink\"", "role = \"uplink\"\nmtu = 1600");
    rig.apply(&text).unwrap();
    assert!(rig.events().contains(&"open up0 net_mem0".to_owned()));
    assert_eq!(outer_source(&mut rig), UPLINK_MAC.octets());
    rig.world.lock().unwrap().broken.insert("net_mem1".into());
    assert!(rig.apply(&text.replace("net_mem0", "net_mem1")).is_err());
    rig.settle();
    assert_eq!(outer_source(&mut rig), UPLINK_MAC.octets(), "it was put back");
    rig.stop();
}
