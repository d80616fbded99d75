//! Every example in `config/` loads, without a warning, and means what its comments say.

use std::{
    fs,
    path::{Path, PathBuf},
};

use control::config::{Config, Kind, Role, load};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is part of the repository") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> Config {
    let text = fs::read_to_string(path).expect("an example can be read");
    match load(&text, &path.display().to_string()) {
        Ok(config) => config,
        Err(errors) => panic!("{}", errors.iter().map(|error| format!("{error}\n")).collect::<String>()),
    }
}

#[test]
fn every_example_loads_without_a_warning() {
    let mut found = Vec::new();
    walk(&examples(), &mut found);
    assert!(found.len() >= 3, "{found:?}");
    for path in found {
        assert_eq!(read(&path).warnings, [], "{}", path.display());
    }
}

#[test]
fn the_two_nodes_of_the_demo_point_at_each_other() {
    let (a, b) = (read(&examples().join("two-nodes/node-a.toml")), read(&examples().join("two-nodes/node-b.toml")));
    assert_eq!(a.switch.socket, Path::new("/run/millrace/node-a.sock"));
    assert_eq!(a.tunnels[0].remote, b.tunnels[0].paths[0].local);
    assert_eq!(b.tunnels[0].remote, a.tunnels[0].paths[0].local);
    assert_eq!((a.tunnels[0].udp_port, b.tunnels[0].udp_port), (8472, 8472));
    assert_eq!(a.networks[0].vni, b.networks[0].vni);
    for port in a.ports.iter().chain(&b.ports) {
        match (&port.kind, &port.role) {
            (Kind::Eth { device }, Role::Uplink { .. }) => {
                assert_eq!((device.as_str(), port.mtu), ("net_af_packet0,iface=ul0", 1500));
            }
            (Kind::Tap { netns, interface }, Role::Access { anti_spoof, .. }) => {
                assert_eq!((interface.as_str(), port.mtu, *anti_spoof), ("eth0", 1450, true));
                assert!(netns.as_ref().unwrap().to_string().starts_with("pod-"));
            }
            other => panic!("{other:?}"),
        }
    }
}
