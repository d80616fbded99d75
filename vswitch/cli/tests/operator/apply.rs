//! `millrace apply` and `millrace check`: what is shown, what is sent, how they end.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::fake_switch::{Directory, FakeSwitch, Ran, millrace, run};
use api::{Applied, ConfigProblem, Conflict, DiffLine, DiffOp, Reply, Request, RpcError};

fn diff() -> Vec<DiffLine> {
    vec![
        DiffLine { op: DiffOp::Changed, text: "port a1: mtu 1450 -> 1400".into() },
        DiffLine { op: DiffOp::Removed, text: "tunnel to-b".into() },
    ]
}

fn problem(line: u32, hint: Option<&str>) -> ConfigProblem {
    ConfigProblem {
        file: "node.toml".into(),
        line,
        column: 3,
        message: "no network `blu`".into(),
        hint: hint.map(str::to_owned),
    }
}

/// A switch to which every configuration is `diff`, and that applies it.
fn applying(diff: Vec<DiffLine>) -> FakeSwitch {
    FakeSwitch::answering(move |request| match request {
        Request::Apply { dry_run, .. } => Ok(Reply::Applied(Applied {
            diff: diff.clone(),
            generation: if *dry_run { 3 } else { 4 },
            revision: 1,
            applied: !dry_run,
            warnings: vec![],
        })),
        _ => Err(RpcError::internal("apply asks for nothing else")),
    })
}

/// The `dry_run` of every request the switch got.
fn runs(switch: &FakeSwitch) -> Vec<bool> {
    let dry = |request| match request {
        Request::Apply { dry_run, .. } => dry_run,
        other => panic!("{other:?}"),
    };
    switch.asked().into_iter().map(dry).collect()
}

#[test]
fn a_script_sees_the_difference_and_is_not_asked() {
    let (switch, files) = (applying(diff()), Directory::new());
    let name = files.write("node.toml", "[switch]\n");
    let ran = switch.run(&["apply", &name]);
    let expected = "~ port a1: mtu 1450 -> 1400\n- tunnel to-b\napplied: generation 4 is in force\n";
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, expected, ""));
    let sent =
        |dry_run| Request::Apply { config: "[switch]\n".into(), file: name.clone(), dry_run, base_revision: None };
    assert_eq!(switch.asked(), [sent(true), sent(false)]);
}

#[test]
fn a_change_for_a_revision_that_is_past_is_refused_and_says_who_was_first() {
    let switch = FakeSwitch::answering(|request| match request {
        Request::Apply { base_revision: Some(base), .. } => {
            Err(RpcError::conflict(&Conflict { base: *base, running: 9, changes: vec![] }))
        }
        other => panic!("{other:?}"),
    });
    let files = Directory::new();
    let ran = switch.run(&["apply", &files.write("node.toml", ""), "--base", "7"]);
    let expected = "millrace: the running configuration is at revision 9, not 7\n";
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (1, "", expected));
}

#[test]
fn the_switch_is_told_where_the_file_is_whatever_the_operator_called_it() {
    let (switch, files) = (applying(vec![]), Directory::new());
    let whole = files.write("node.toml", "");
    let mut command = millrace();
    command.current_dir(files.path("")).arg("--socket").arg(switch.socket()).args(["apply", "node.toml"]);
    assert_eq!(with_input(command, b"").code, 0);
    assert!(matches!(&switch.asked()[0], Request::Apply { file, .. } if *file == whole));
}

#[test]
fn a_dry_run_changes_nothing() {
    let (switch, files) = (applying(diff()), Directory::new());
    let name = files.write("node.toml", "");
    let ran = switch.run(&["apply", "--dry-run", &name]);
    assert_eq!((ran.code, ran.out.lines().last()), (0, Some("dry run: 2 changes, nothing was applied")));
    let json = switch.run(&["apply", "--dry-run", "--json", &name]);
    let answer: Applied = serde_json::from_str(&json.out).expect("one object");
    assert!(!answer.applied && answer.diff == diff());
    assert_eq!(runs(&switch), [true, true]);
}

#[test]
fn an_empty_difference_is_sent_too_and_is_a_yes() {
    let (switch, files) = (applying(vec![]), Directory::new());
    let name = files.write("node.toml", "");
    let ran = switch.run(&["apply", &name]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "nothing changes: generation 4 is in force\n"));
    let json: Applied = serde_json::from_str(&switch.run(&["apply", &name, "--json"]).out).expect("one object");
    assert!(json.applied && json.generation == 4);
    assert_eq!(runs(&switch), [true, false, true, false]);
}

#[test]
fn json_is_one_object_without_the_difference_in_front() {
    let (switch, files) = (applying(diff()), Directory::new());
    let ran = switch.run(&["apply", "--json", "--yes", &files.write("node.toml", "")]);
    let answer: Applied = serde_json::from_str(&ran.out).expect("one object");
    assert_eq!((ran.code, answer.applied, answer.generation, ran.err.as_str()), (0, true, 4, ""));
}

#[test]
fn a_refused_configuration_is_a_no_with_one_line_a_problem() {
    let switch = FakeSwitch::answering(|_| {
        Err(RpcError::config_refused(&[problem(2, Some("did you mean `blue`?")), problem(9, None)]))
    });
    let files = Directory::new();
    let ran = switch.run(&["apply", &files.write("node.toml", "")]);
    let expected = "millrace: the switch refuses this configuration\n\
                    node.toml:2:3: no network `blu`; did you mean `blue`?\nnode.toml:9:3: no network `blu`\n";
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (1, "", expected));
    let json = switch.run(&["apply", "--json", &files.write("node.toml", "")]).out;
    let value: serde_json::Value = serde_json::from_str(&json).expect("one object");
    assert_eq!(value["error"]["data"][0]["line"], 2);
}

#[test]
fn a_transaction_that_fails_says_why_and_is_a_no() {
    let switch = FakeSwitch::answering(|request| match request {
        Request::Apply { dry_run: true, .. } => {
            Ok(Reply::Applied(Applied { diff: diff(), generation: 3, ..Applied::default() }))
        }
        _ => Err(RpcError::apply_failed("port a3 cannot be opened: no namespace `pod-a3`; generation 3 is in force")),
    });
    let files = Directory::new();
    let ran = switch.run(&["apply", &files.write("node.toml", "")]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("port a3 cannot be opened: no namespace `pod-a3`"), "{ran:?}");
}

#[test]
fn a_switch_that_dies_during_a_transaction_leaves_it_open_and_says_so() {
    let switch = FakeSwitch::answering(|request| match request {
        Request::Apply { dry_run: true, .. } => Ok(Reply::Applied(Applied { diff: diff(), ..Applied::default() })),
        _ => panic!("the thread of the switch ends, and with it the connection"),
    });
    let files = Directory::new();
    let name = files.write("node.toml", "");
    let ran = switch.run(&["apply", &name]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains(&format!("whether it came into force is not known: `millrace apply {name} --dry-run`")));
    assert!(ran.err.contains("closed the connection without an answer"), "{ran:?}");
}

#[test]
fn warnings_and_a_changed_difference_are_told() {
    let switch = FakeSwitch::answering(|request| {
        let dry = matches!(request, Request::Apply { dry_run: true, .. });
        let mut diff = diff();
        diff.truncate(if dry { 2 } else { 1 });
        Ok(Reply::Applied(Applied {
            diff,
            generation: 5,
            revision: 2,
            applied: !dry,
            warnings: vec![problem(4, None)],
        }))
    });
    let files = Directory::new();
    let ran = switch.run(&["apply", &files.write("node.toml", "")]);
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("node.toml:4:3: no network `blu` (warning)"), "{ran:?}");
    assert!(ran.err.contains("meanwhile something else was changed"), "{ran:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_nothing_is_sent() {
    let switch = applying(diff());
    let ran = switch.run(&["apply", "/nowhere/node.toml"]);
    assert_eq!((ran.code, switch.asked().len()), (1, 0));
    assert!(ran.err.starts_with("millrace: cannot read /nowhere/node.toml: "), "{ran:?}");
}

fn with_input(mut command: Command, input: &[u8]) -> Ran {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it was built");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends").into()
}

#[test]
fn a_configuration_may_come_by_standard_input() {
    let switch = applying(diff());
    let mut command = millrace();
    command.arg("--socket").arg(switch.socket()).args(["apply", "-"]);
    assert_eq!(with_input(command, b"# typed\n").code, 0);
    let typed = Request::Apply {
        config: "# typed\n".into(),
        file: "standard input".into(),
        dry_run: true,
        base_revision: None,
    };
    assert_eq!(switch.asked()[0], typed);
    let mut command = millrace();
    command.args(["check", "-"]);
    let ran = with_input(command, b"[nonsense]\n");
    assert!(ran.code == 1 && ran.err.starts_with("standard input:1:"), "{ran:?}");
}

const GOOD: &str = r#"
[switch]
name = "node-a"

[[network]]
name = "blue"
vni = 4096

[[port]]
name = "a1"
kind = "tap"
network = "blue"

[[port]]
name = "a2"
kind = "tap"
network = "blue"
"#;

#[test]
fn a_good_file_is_a_yes_without_any_switch() {
    let files = Directory::new();
    let name = files.write("good.toml", GOOD);
    let ran = run(&["check", "--no-machine", &name]);
    let expected = format!(
        "{name}: ok, 2 ports, 1 network, 0 tunnels
  memory: 118.0 MiB on 59 hugepages of 2 MiB, 0.9 MiB on ordinary pages
     40.0 MiB  packet buffers, 16384 of 2048 octets
     20.0 MiB  super-frames, 256 of 65407 octets
     48.0 MiB  DPDK, queues, device state
      8.0 MiB  flow tables, 1 of 65536 entries
      2.0 MiB  FDBs, 1 of 16384 entries
      0.9 MiB  books, counters
      0.0 MiB  rings, between threads
"
    );
    assert_eq!((ran.code, ran.out, ran.err.as_str()), (0, expected, ""));
}

#[test]
fn what_the_machine_lacks_is_a_warning_with_the_command_that_mends_it() {
    let (files, machine) = (Directory::new(), Directory::new());
    let pages = "sys/kernel/mm/hugepages/hugepages-2048kB";
    machine.write(&format!("{pages}/nr_hugepages"), "20");
    machine.write(&format!("{pages}/free_hugepages"), "10");
    let root = machine.write("proc/meminfo", "MemTotal: 4096 kB\nMemAvailable: 512 kB\n").replace("/proc/meminfo", "");
    let name = files.write("good.toml", GOOD);
    let ran = run(&["check", "--sysroot", &root, &name]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mend = format!("mend: echo 69 > /{pages}/nr_hugepages (warning)");
    assert!(ran.err.contains("10 pages of 2 MiB are free, 59 are needed") && ran.err.contains(&mend), "{ran:?}");
    assert!(ran.err.contains("0 MiB are available, 1 MiB are needed on ordinary pages"), "{ran:?}");
    let json: serde_json::Value =
        serde_json::from_str(&run(&["check", "--json", "--sysroot", &root, &name]).out).expect("one object");
    assert_eq!(json["files"][0]["memory"]["hugepages"], 59);
    assert_eq!(json["files"][0]["machine"][0]["check"], "hugepages");
    machine.write(&format!("{pages}/free_hugepages"), "59");
    machine.write("proc/meminfo", "MemAvailable: 2048 kB\n");
    assert_eq!(run(&["check", "--sysroot", &root, &name]).err, "");
}

#[test]
fn a_bad_file_is_a_no_that_names_the_place_and_what_would_be_right() {
    let files = Directory::new();
    let bad = GOOD.replace("vni = 4096", "vin = 4096");
    let (good, bad) = (files.write("good.toml", GOOD), files.write("bad.toml", bad));
    let ran = run(&["check", &bad, &good]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains(&format!("{bad}:7:1: ")) && ran.err.contains("did you mean `vni`?"), "{ran:?}");
    assert!(ran.out.starts_with(&format!("{bad}: refused, ")), "{ran:?}");
    assert!(ran.out.contains(&format!("{good}: ok, ")), "{ran:?}");
    let json: serde_json::Value =
        serde_json::from_str(&run(&["check", "--json", &bad, &good]).out).expect("one object");
    assert_eq!((&json["ok"], &json["files"][0]["errors"][0]["line"]), (&false.into(), &7.into()));
    assert_eq!(json["files"][1]["ok"], true);
}

#[test]
fn the_reference_is_a_file_that_check_takes() {
    let printed = run(&["config", "reference"]);
    assert!(printed.code == 0 && printed.out.contains("\n#flows_max = "), "{}", printed.err);
    let files = Directory::new();
    let checked = run(&["check", "--no-machine", &files.write("reference.toml", printed.out)]);
    assert_eq!((checked.code, checked.err.as_str()), (0, ""));
}
