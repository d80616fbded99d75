//! `millrace port|network|tunnel|mac`: what is sent, who wins, what is written.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use crate::fake_switch::{Directory, FakeSwitch, Ran};
use api::{Applied, ConfigProblem, Conflict, DiffLine, DiffOp, Reply, Request, RpcError, RunningConfig};

const TEXT: &str = "# A node.\n[switch]\nname = \"x\"\n\n[[network]]\nname = \"blue\"\nvni = 1 # one\n";

/// A switch that keeps a text and its revision as a real one does; `before_apply` runs before each apply is looked at.
fn keeping(file: &str, before_apply: impl Fn(&mut RunningConfig) + Send + 'static) -> FakeSwitch {
    let running = RunningConfig { text: TEXT.into(), file: file.into(), revision: 1 };
    let running = Arc::new(Mutex::new(running));
    FakeSwitch::answering(move |request| {
        let mut running = running.lock().expect("no thread panics with it");
        match request {
            Request::ShowConfig => Ok(Reply::Config(running.clone())),
            Request::Apply { config, file, dry_run, base_revision } => {
                before_apply(&mut running);
                if let Some(base) = base_revision.filter(|base| *base != running.revision) {
                    let conflict = Conflict { base, running: running.revision, changes: vec![] };
                    return Err(RpcError::conflict(&conflict));
                }
                let diff = vec![DiffLine { op: DiffOp::Changed, text: "network blue: …".into() }];
                if !dry_run {
                    let revision = running.revision + 1;
                    *running = RunningConfig { text: config.clone(), file: file.clone(), revision };
                }
                let (generation, revision, applied) = (running.revision, running.revision, !dry_run);
                Ok(Reply::Applied(Applied { diff, generation, revision, applied, warnings: vec![] }))
            }
            other => panic!("{other:?}"),
        }
    })
}

fn text_of(switch: &FakeSwitch) -> String {
    switch.run(&["show", "config"]).out
}

fn failed(ran: &Ran, told: &str) {
    assert!(ran.code == 1 && ran.out.is_empty() && ran.err.contains(told), "{told}: {ran:?}");
}

#[test]
fn an_edit_goes_on_top_of_what_was_read_and_keeps_the_rest() {
    let switch = keeping("/nowhere/x.toml", |_| ());
    let ran = switch.run(&["network", "set", "blue", "age_s=60", "vni=2"]);
    let expected = "~ network blue: …\napplied: generation 2 is in force\n";
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, expected, ""));
    let config = TEXT.replace("vni = 1 # one\n", "vni = 2 # one\nage_s = 60\n");
    let file = "/nowhere/x.toml".to_owned();
    let sent = Request::Apply { config, file, dry_run: false, base_revision: Some(1) };
    assert_eq!(switch.asked(), [Request::ShowConfig, sent]);
}

#[test]
fn a_dry_run_of_an_edit_changes_and_writes_nothing() {
    let files = Directory::new();
    let name = files.write("x.toml", TEXT);
    let switch = keeping(&name, |_| ());
    let ran = switch.run(&["network", "set", "blue", "vni=2", "--dry-run", "--save"]);
    let expected = "~ network blue: …\ndry run: 1 change, nothing was applied\n";
    assert_eq!((ran.code, ran.out.as_str()), (0, expected), "{ran:?}");
    assert_eq!((text_of(&switch), fs::read_to_string(&name).expect("it is there")), (TEXT.into(), TEXT.into()));
}

#[test]
fn json_is_one_object_that_says_what_was_saved() {
    let files = Directory::new();
    let name = files.write("x.toml", TEXT);
    let switch = keeping(&name, |_| ());
    let ran = switch.run(&["--json", "network", "set", "blue", "vni=2", "--save"]);
    let answer: serde_json::Value = serde_json::from_str(&ran.out).expect("one object");
    assert_eq!((&answer["applied"], &answer["revision"], &answer["saved"]), (&true.into(), &2.into(), &name.into()));
    let ran = switch.run(&["--json", "network", "set", "blue", "vni=3"]);
    let answer: serde_json::Value = serde_json::from_str(&ran.out).expect("one object");
    assert!(answer["saved"].is_null() && answer["diff"][0]["op"] == "~", "{ran:?}");
}

#[test]
fn an_edit_that_meets_another_is_made_again_on_what_that_left() {
    let times = Mutex::new(0);
    let switch = keeping("/nowhere/x.toml", move |running| {
        let mut times = times.lock().expect("no thread panics with it");
        *times += 1;
        if *times <= 3 {
            running.text += &format!("# {times}\n");
            running.revision += 1;
        }
    });
    let ran = switch.run(&["network", "set", "blue", "vni=2"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(text_of(&switch), TEXT.replace("vni = 1", "vni = 2") + "# 1\n# 2\n# 3\n");
}

#[test]
fn a_refusal_is_told_by_what_was_edited_and_not_by_line_numbers() {
    let switch = FakeSwitch::answering(|request| match request {
        Request::ShowConfig => Ok(Reply::Config(RunningConfig { text: TEXT.into(), file: "f".into(), revision: 1 })),
        _ => Err(RpcError::config_refused(&[ConfigProblem {
            file: "f".into(),
            line: 7,
            column: 7,
            message: "`vni = 0x1000000` in [[network]] `blue` is out of range".into(),
            hint: Some("0 to 16777215 is possible".into()),
        }])),
    });
    let ran = switch.run(&["network", "set", "blue", "vni=0x1000000"]);
    let expected = "millrace: the switch refuses this change\n\
                    `vni = 0x1000000` in [[network]] `blue` is out of range; 0 to 16777215 is possible\n    \
                    | vni = 0x1000000 # one\n";
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (1, "", expected));
    let json = switch.run(&["--json", "network", "set", "blue", "vni=0x1000000"]).out;
    let value: serde_json::Value = serde_json::from_str(&json).expect("one object");
    assert_eq!(value["error"]["data"][0]["line"], 7);
}

#[test]
fn an_edit_of_nothing_there_is_not_sent() {
    let switch = keeping("f", |_| ());
    failed(&switch.run(&["network", "del", "red"]), "millrace: there is no network `red`; there is: blue\n");
    assert_eq!(switch.asked(), [Request::ShowConfig]);
}

#[test]
fn a_saved_file_keeps_its_mode_and_a_link_stays_a_link() {
    let files = Directory::new();
    let name = files.write("x.toml", TEXT);
    fs::set_permissions(&name, fs::Permissions::from_mode(0o640)).expect("it is ours");
    let link = files.path("link.toml");
    symlink(&name, &link).expect("the folder is ours");
    let switch = keeping(&link.display().to_string(), |_| ());
    let ran = switch.run(&["network", "set", "blue", "vni=2", "--save"]);
    assert!(ran.code == 0 && ran.out.ends_with(&format!("saved: {name}\n")), "{ran:?}");
    assert_eq!(fs::read_to_string(&link).expect("it is there"), TEXT.replace("vni = 1", "vni = 2"));
    assert!(fs::symlink_metadata(&link).expect("it is there").is_symlink());
    assert_eq!(fs::metadata(&name).expect("it is there").mode() & 0o7777, 0o640);
    let left: Vec<_> = fs::read_dir(files.path("")).expect("it is there").flatten().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_file_that_is_not_what_runs_stays_and_nothing_is_applied() {
    let files = Directory::new();
    let other = TEXT.replace("vni = 1", "vni = 9");
    let name = files.write("x.toml", &other);
    let switch = keeping(&name, |_| ());
    let told = format!("{name} is not what runs: line 7 of the file says `vni = 9 # one`, the switch `vni = 1 # one`");
    failed(&switch.run(&["network", "set", "blue", "vni=2", "--save"]), &told);
    failed(&switch.run(&["network", "set", "blue", "vni=2", &format!("--save={name}")]), "`millrace show config`");
    assert_eq!((text_of(&switch), fs::read_to_string(&name).expect("it is there")), (TEXT.into(), other));
}

#[test]
fn where_to_save_must_be_known_and_may_be_new() {
    let files = Directory::new();
    let switch = keeping("standard input", |_| ());
    failed(&switch.run(&["network", "set", "blue", "vni=2", "--save"]), "came from standard input");
    let new = files.path("new.toml").display().to_string();
    let ran = switch.run(&["network", "set", "blue", "vni=2", &format!("--save={new}")]);
    assert_eq!((ran.code, fs::read_to_string(&new).expect("it is there")), (0, text_of(&switch)), "{ran:?}");
    let nowhere = files.path("no/new.toml").display().to_string();
    failed(&switch.run(&["network", "set", "blue", "vni=3", &format!("--save={nowhere}")]), "nothing was applied");
}

#[test]
fn what_cannot_be_saved_is_not_applied() {
    let files = Directory::new();
    let fifo = files.path("fifo").display().to_string();
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("there is mkfifo").success());
    let long = "n".repeat(250);
    let switch = keeping("standard input", |_| ());
    // The name of the new file beside it would be too long: the same as a folder that may not be written.
    for (name, told) in [(fifo.as_str(), "it is no ordinary file"), (long.as_str(), "File name too long")] {
        let save = format!("--save={}", files.path(name).display());
        let ran = switch.run(&["network", "set", "blue", "vni=2", &save]);
        failed(&ran, told);
        assert!(ran.err.contains("nothing was applied"), "{ran:?}");
    }
    assert_eq!(text_of(&switch), TEXT);
    let left: Vec<_> = fs::read_dir(files.path("")).expect("it is there").flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_change_whose_file_changes_meanwhile_is_in_force_and_says_it_is_not_saved() {
    let files = Directory::new();
    let name = files.write("x.toml", TEXT);
    let written = name.clone();
    let switch = keeping(&name, move |_| fs::write(&written, "# mine\n").expect("it is ours"));
    failed_but_shown(&switch.run(&["network", "set", "blue", "vni=2", "--save"]));
    assert_eq!(fs::read_to_string(&name).expect("it is there"), "# mine\n");
    assert!(text_of(&switch).contains("vni = 2"));
}

fn failed_but_shown(ran: &Ran) {
    let told = "the change is in force, but not saved: ";
    assert!(ran.code == 1 && ran.err.contains(told) && !ran.err.contains("nothing was applied"), "{ran:?}");
}

#[test]
fn of_many_edits_at_one_time_each_is_made_and_saved() {
    let files = Directory::new();
    let name = files.write("x.toml", TEXT);
    let switch = keeping(&name, |_| ());
    thread::scope(|scope| {
        for number in 10..18 {
            let (mac, switch) = (format!("02:00:00:00:00:{number}"), &switch);
            scope.spawn(move || {
                let ran = switch.run(&["mac", "add", "blue", &mac, "--port", "a1", "--save"]);
                assert_eq!(ran.code, 0, "{ran:?}");
            });
        }
    });
    let text = fs::read_to_string(&name).expect("it is there");
    (10..18).for_each(|number| assert!(text.contains(&format!("02:00:00:00:00:{number}")), "{text}"));
    assert_eq!(text, text_of(&switch));
}
