//! What is said of bad files, word for word.
//!
//! `config_errors.txt` holds the cases: a title behind `===`, the file, and behind `---` every message expected.

use control::config::load;

const CASES: &str = include_str!("config_errors.txt");

#[test]
fn every_mistake_has_its_message() {
    let mut cases = 0;
    let mut wrong = String::new();
    for case in CASES.split("=== ").skip(1) {
        let (title, rest) = case.split_once('\n').expect("a title ends its line");
        let (text, expected) = rest.split_once("---\n").expect("a case has both halves");
        let said: String = match load(text, "f") {
            Ok(_) => "accepted\n".to_owned(),
            Err(errors) => errors.iter().map(|error| format!("{error}\n")).collect(),
        };
        if said != expected {
            wrong += &format!("=== {title}\nexpected:\n{expected}said:\n{said}");
        }
        cases += 1;
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(cases >= 60, "{cases}");
}

#[test]
fn a_message_is_data_too() {
    let errors = load("[switch]\nname = \"n\"\n[workers]\ncor = [0]\n", "node.toml").unwrap_err();
    let data = serde_json::to_value(&errors).unwrap();
    let expected = serde_json::json!([{
        "file": "node.toml", "line": 4, "column": 1,
        "message": "unknown key `cor` in [workers]", "hint": "did you mean `cores`?",
    }]);
    assert_eq!(data, expected);
}

#[test]
fn what_is_odd_but_works_is_a_warning() {
    let text = r#"
[switch]
name = "n"
[tables]
macs_max = 1000
[[port]]
name = "up0"
kind = "eth"
device = "net_null0"
role = "uplink"
addresses = ["192.0.2.1/24"]
[[port]]
name = "a"
kind = "tap"
network = "blue"
anti_spoof = false
allow = ["10.0.0.9"]
[[port]]
name = "b"
kind = "tap"
network = "blue"
mtu = 1400
[[network]]
name = "blue"
vni = 1
macs_max = 2000
[[tunnel]]
name = "to-b"
uplink = "up0"
remote = "192.0.2.2"
"#;
    let config = load(text, "f").expect("it works");
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "f:17:9: `allow = [\"10.0.0.9\"]` in [[port]] `a` has no effect beside anti_spoof = false; leave one of the two out",
            "f:23:1: [[network]] `blue` has ports of unlike MTUs: `b` 1400, `a` 1500; what is too big for the smaller does not reach it; `mtu = 1400` here is for all",
            "f:26:12: `macs_max = 2000` in [[network]] `blue` can never be reached; [tables] macs_max is 1000 for all networks together",
            "f:28:8: `name = \"to-b\"` in [[tunnel]] `to-b` is used by no network; name it in `tunnels` of a [[network]]",
        ]
    );
}

#[test]
fn a_file_beyond_all_measure_is_refused_unread() {
    let errors = load(&"#".repeat((4 << 20) + 1), "f").unwrap_err();
    assert_eq!(errors[0].to_string(), "f:1:1: the file has 4194305 octets; at most 4194304");
}

#[test]
fn there_are_limits_to_how_many() {
    let many = |count: usize, section: fn(usize) -> String| {
        let text = (0..count).fold("[switch]\nname = \"n\"\n".to_owned(), |text, index| text + &section(index));
        load(&text, "f").map_err(|errors| errors[0].to_string())
    };
    let port = |index| {
        format!(
            "[[port]]\nname = \"p{index}\"\nkind = \"tap\"\nnetwork = \"n0\"\n{}",
            if index == 0 { "[[network]]\nname = \"n0\"\nvni = 1\n" } else { "" }
        )
    };
    assert_eq!(many(1024, port).map(|config| config.ports.len()), Ok(1024));
    assert_eq!(many(1025, port).unwrap_err(), "f:4102:1: there are 1025 ports; at most 1024");
    let network = |index| format!("[[network]]\nname = \"n{index}\"\nvni = {index}\n");
    assert_eq!(many(2048, network).map(|config| config.networks.len()), Ok(2048));
    assert_eq!(many(2049, network).unwrap_err(), "f:6147:1: there are 2049 networks; at most 2048");
}
