//! Finding and losing a switch: every way it can be unreachable ends with 3, in time, and says what to do.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixListener,
    thread,
    time::{Duration, Instant},
};

use crate::fake_switch::{Directory, FakeSwitch, millrace, run, run_on};
use api::{Hello, Reply, Request, RpcError};

const HELLO: &str = "{\"jsonrpc\":\"2.0\",\"method\":\"hello\",\"params\":\
                     {\"product\":\"millrace\",\"version\":\"9.8.7\",\"schema\":1,\"switch\":\"node-a\"}}\n";

/// A switch that says `text` to everybody, then closes once it was asked something, or waits.
fn saying(text: &'static str, then_waits: bool) -> FakeSwitch {
    FakeSwitch::serving(move |mut stream| {
        let _ = stream.write_all(text.as_bytes());
        if !text.is_empty() {
            let _ = stream.read(&mut [0; 4096]);
        }
        if then_waits {
            thread::sleep(Duration::from_secs(30));
        }
    })
}

#[test]
fn no_socket_names_the_path_and_asks_whether_the_daemon_runs() {
    let directory = Directory::new();
    let socket = directory.path("none.sock");
    let ran = run_on(&socket, &["show", "ports"]);
    let expected =
        format!("millrace: no switch at {}: there is no such socket; is millraced running?\n", socket.display());
    assert_eq!((ran.code, ran.out.as_str(), ran.err), (3, "", expected));
}

#[test]
fn a_socket_nobody_listens_at_says_so() {
    let directory = Directory::new();
    drop(UnixListener::bind(directory.path("old.sock")).expect("the directory is ours"));
    let ran = run_on(&directory.path("old.sock"), &["show", "ports", "--json"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("nobody listens at "), "{ran:?}");
    assert!(ran.out.starts_with("{\"error\":{\"message\":\"nobody listens at "), "{ran:?}");
}

#[test]
fn a_file_that_is_no_socket_and_a_path_too_long_are_told() {
    let directory = Directory::new();
    directory.write("file.sock", "");
    assert_eq!(run_on(&directory.path("file.sock"), &["show", "ports"]).code, 3);
    let ran = run_on(&directory.path(&"long".repeat(50)), &["show", "ports"]);
    assert!(ran.code == 3 && ran.err.contains("cannot connect to "), "{ran:?}");
}

#[test]
fn the_environment_names_a_socket_and_the_command_line_overrules_it() {
    let switch = FakeSwitch::answering(|_| Err(RpcError::busy()));
    let run = |arguments: &[&str]| {
        let output = millrace().env("MILLRACE_SOCKET", switch.socket()).args(arguments).output();
        output.expect("it was built").status.code()
    };
    assert_eq!(run(&["show", "ports"]), Some(1));
    assert_eq!(run(&["show", "ports", "--socket", "/nowhere.sock"]), Some(3));
}

#[test]
fn something_else_at_the_socket_is_recognised() {
    for text in ["220 mail.example ESMTP\n", "{}\n", "\n"] {
        let ran = saying(text, false).run(&["show", "ports"]);
        assert!(ran.code == 3 && ran.err.contains("cannot be understood"), "{text:?}: {ran:?}");
    }
}

#[test]
fn another_schema_names_both() {
    let newer = Hello { schema: 2, ..Hello::new("2.0.0", "node-a") }.encode().leak();
    let ran = saying(newer, false).run(&["show", "ports"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("speaks schema 2 (version 2.0.0), this millrace 1"), "{ran:?}");
}

#[test]
fn a_switch_that_closes_is_told_apart_from_one_that_is_silent() {
    for text in ["", HELLO] {
        let ran = saying(text, false).run(&["show", "ports"]);
        assert!(ran.code == 3 && ran.err.contains("closed the connection without an answer"), "{ran:?}");
        let start = Instant::now();
        let ran = saying(text, true).run(&["show", "ports", "--timeout", "1"]);
        assert!(ran.code == 3 && ran.err.contains("does not answer in time"), "{ran:?}");
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    }
}

#[test]
fn a_switch_that_drips_is_given_up_in_time() {
    let switch = FakeSwitch::serving(|mut stream| {
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    let start = Instant::now();
    let ran = switch.run(&["show", "ports", "--timeout", "1"]);
    assert!(ran.code == 3 && start.elapsed() < Duration::from_secs(4), "{ran:?}");
}

#[test]
fn a_hello_without_end_is_given_up() {
    let switch = FakeSwitch::serving(|mut stream| while stream.write_all(&[b'x'; 4096]).is_ok() {});
    let ran = switch.run(&["show", "ports"]);
    assert!(ran.code == 3 && ran.err.contains("cannot be understood"), "{ran:?}");
}

#[test]
fn an_answer_to_another_question_is_not_taken_for_ours() {
    let answers = [
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"ports\":[]}}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"macs\":[]}}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":1}\n",
    ];
    for answer in answers {
        let ran = saying(format!("{HELLO}{answer}").leak(), false).run(&["show", "ports"]);
        assert!(ran.code == 3 && ran.err.contains("cannot be understood"), "{answer}: {ran:?}");
    }
}

#[test]
fn who_may_not_is_told_who_may() {
    let switch = FakeSwitch::answering(|_| Err(RpcError::not_authorised("uid 1000 may not; uid 0 may")));
    let ran = switch.run(&["show", "ports"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "millrace: uid 1000 may not; uid 0 may\n"));
}

#[test]
fn a_refusal_sent_before_a_long_request_was_read_is_still_told() {
    let refusal = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,\"message\":\"uid 0 may\"}}\n";
    let line: &str = format!("{HELLO}{refusal}").leak();
    let switch = FakeSwitch::serving(move |mut stream| {
        let _ = stream.write_all(line.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Both);
    });
    let file = Directory::new();
    let name = file.write("big.toml", "#".repeat(500_000));
    let ran = switch.run(&["apply", &name]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "millrace: uid 0 may\n"));
}

#[test]
fn usage_errors_are_two_help_and_version_are_zero() {
    assert_eq!(run(&["show", "prots"]).code, 2);
    assert_eq!(run(&["--bogus"]).code, 2);
    assert_eq!(run(&[]).code, 2);
    let version = run(&["--version"]);
    assert_eq!((version.code, version.out.as_str()), (0, concat!("millrace ", env!("CARGO_PKG_VERSION"), "\n")));
    for command in [&["--help"][..], &["check", "--help"], &["apply", "-h"], &["show", "ledger", "--help"]] {
        let ran = run(command);
        assert!(ran.code == 0 && ran.out.contains("Example"), "{command:?}: {ran:?}");
    }
    let manual = run(&["--help"]).out;
    for part in ["Exit codes:", "  3  no switch reachable", "MILLRACE_SOCKET"] {
        assert!(manual.contains(part), "{part}");
    }
}

#[test]
fn a_full_disk_is_a_no() {
    let switch = FakeSwitch::answering(|request| match request {
        Request::ShowPorts => Ok(Reply::Ports(api::Ports::default())),
        _ => Err(RpcError::busy()),
    });
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let mut command = millrace();
    command.arg("--socket").arg(switch.socket()).args(["show", "ports"]).stdout(full);
    let output = command.output().expect("it was built");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write the answer"));
}
