//! What `--json` answers of the tool's own making are made of is what `vswitch/cli/schema.txt` says.
//!
//! What a switch answers is passed on as it is, with `schema` added: `vswitch/api/schema.txt` lists that. What
//! stands in several answers, findings and what is wrong with a file, is listed once.

#[path = "../../../api/tests/round_trip/places.rs"]
mod places;

use std::path::Path;

use serde_json::Value;

use crate::{
    doctor,
    fake_switch::{Directory, FakeSwitch, Ran, run},
};
use api::{Applied, ConfigProblem, Conflict, DiffLine, DiffOp, Reply, Request, RpcError, RunningConfig};
use places::{Places, compare};

const TEXT: &str = "[switch]\nname = \"x\"\n\n[[network]]\nname = \"blue\"\nvni = 1\n";

fn answer(ran: &Ran) -> Value {
    let value: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!((&value["schema"], ran.out.lines().count()), (&api::SCHEMA.into(), 1), "{ran:?}");
    value
}

/// Looks at an answer; at its findings, and at what is said of files, apart.
fn see(places: &mut Places, path: &str, mut answer: Value) {
    let mut apart = |name: &str, from: &mut Value, member: &str| {
        let rows = from.get_mut(member).and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        rows.iter().for_each(|row| places.see(name, row));
    };
    apart("finding", &mut answer, "findings");
    for file in answer.get_mut("files").and_then(Value::as_array_mut).into_iter().flatten() {
        apart("finding", file, "machine");
        apart("problem", file, "errors");
        apart("problem", file, "warnings");
    }
    places.see(path, &answer);
}

/// A switch that says everything an answer to `apply` can be made of, and refuses what `vni = 9` is in.
fn telling(file: String) -> FakeSwitch {
    FakeSwitch::answering(move |request| match request {
        Request::ShowConfig => Ok(Reply::Config(RunningConfig { text: TEXT.into(), file: file.clone(), revision: 1 })),
        Request::Apply { config, .. } if config.contains("vni = 9") => {
            Err(RpcError::config_refused(&[problem(None), problem(Some("hint"))]))
        }
        Request::Apply { config, .. } if config.contains("vni = 8") => Err(RpcError::not_authorised("Not you.")),
        Request::Apply { base_revision: Some(7), .. } => {
            Err(RpcError::conflict(&Conflict { base: 7, running: 1, changes: vec![] }))
        }
        Request::Apply { .. } => {
            let line = |op| DiffLine { op, text: "Port a1".into() };
            let diff = [DiffOp::Added, DiffOp::Removed, DiffOp::Changed].map(line).into();
            let warnings = vec![problem(None), problem(Some("hint"))];
            Ok(Reply::Applied(Applied { diff, generation: 2, revision: 2, applied: true, warnings }))
        }
        other => panic!("{other:?}"),
    })
}

fn problem(hint: Option<&str>) -> ConfigProblem {
    let (file, message) = ("/x.toml".into(), "It is wrong.".into());
    ConfigProblem { file, line: 1, column: 1, message, hint: hint.map(|hint| format!("A {hint}.")) }
}

fn see_checks(places: &mut Places, files: &Directory) {
    let warned = TEXT.replace("\n\n", "\nadmins = []\n\n");
    let texts = [TEXT.to_owned(), warned, TEXT.replace("vni", "vin"), TEXT.replace("= 1", "= ")];
    let meminfo = files.path("proc");
    std::fs::create_dir_all(&meminfo).expect("the directory is ours");
    files.write("proc/meminfo", "MemTotal: 4096 kB\nMemAvailable: 512 kB\n");
    let root = files.path("").display().to_string();
    for text in texts {
        let name = files.write("checked.toml", text);
        see(places, "check", answer(&run(&["check", "--json", "--sysroot", &root, &name])));
    }
}

fn see_changes(places: &mut Places, files: &Directory) {
    let name = files.write("x.toml", TEXT);
    let switch = telling(name.clone());
    let mut change = |path: &str, arguments: &[&str]| {
        files.write("x.toml", TEXT);
        see(places, path, answer(&switch.run(&[&["--json"], arguments].concat())));
    };
    change("apply", &["apply", &name, "--yes"]);
    change("apply", &["apply", &name, "--dry-run"]);
    change("edit", &["network", "set", "blue", "vni=2"]);
    change("edit", &["network", "set", "blue", "vni=2", "--save"]);
    change("edit", &["network", "set", "blue", "vni=2", "--dry-run"]);
    change("failure", &["network", "set", "blue", "vni=9"]);
    change("failure", &["network", "set", "blue", "vni=8"]);
    change("failure", &["network", "set", "red", "vni=2"]);
    change("failure", &["apply", &name, "--yes", "--base", "7"]);
    change("failure", &["apply", "/nowhere/x.toml"]);
}

#[test]
fn what_the_tool_says_of_its_own_is_what_programs_were_told() {
    let (mut places, files) = (Places::default(), Directory::new());
    see_checks(&mut places, &files);
    see_changes(&mut places, &files);
    doctor::answers().iter().for_each(|ran| see(&mut places, "doctor", answer(ran)));
    see(&mut places, "text", answer(&run(&["--json", "config", "reference"])));
    see(&mut places, "text", answer(&run(&["--json", "completions", "fish"])));
    see(&mut places, "man", answer(&run(&["--json", "man", &files.path("man").display().to_string()])));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.txt");
    compare(&path, &places.lines(), "cargo test -p millrace-cli --test operator schema");
}
