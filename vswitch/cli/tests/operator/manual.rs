//! `millrace man` and `millrace completions`: what is made of the definition of the command line.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use crate::fake_switch::{Directory, run};

#[test]
fn every_command_has_a_manual_page_with_its_examples() {
    let files = Directory::new();
    let folder = files.path("").display().to_string();
    let ran = run(&["man", &folder]);
    assert!(ran.code == 0 && ran.err.is_empty(), "{ran:?}");
    let pages: Vec<&str> = ran.out.lines().collect();
    assert!(pages.len() >= 36 && pages.iter().any(|page| page.ends_with("/man8/millraced.8")), "{pages:?}");
    for page in pages {
        let text = fs::read_to_string(page).expect("it was written");
        assert!(text.contains(".SH NAME") && text.contains(".SH EXAMPLES"), "{page}: {text}");
    }
    let page = fs::read_to_string(files.path("man1/millrace-port-add.1")).expect("it was written");
    assert!(page.contains("millrace port add a3 \\-\\-tap") && page.contains("netns"), "{page}");
    assert_eq!(fs::read_to_string(files.path("man1/millrace.1")).expect("it was written"), run(&["man"]).out);
}

#[test]
fn a_manual_that_cannot_be_written_names_the_file() {
    let ran = run(&["man", "/dev/null/man"]);
    assert!(
        ran.code == 1 && ran.err.contains("cannot write /dev/null/man/man1/millrace.1: Not a directory"),
        "{ran:?}"
    );
}

#[test]
fn completions_know_the_commands_and_bash_takes_them() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(&["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("dry-run") && ran.out.contains("tunnel"), "{shell}: {}", ran.err);
    }
    assert_eq!(run(&["completions", "tcsh"]).code, 2);
    let script = run(&["completions", "bash"]).out;
    let mut bash = Command::new("bash");
    let asked = bash.args([
        "-c",
        "source /dev/stdin; COMP_WORDS=(millrace port a); COMP_CWORD=2; _millrace millrace a port; \
                                 echo ${COMPREPLY[@]}",
    ]);
    let mut asked = asked.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is bash");
    asked.stdin.take().expect("it is piped").write_all(script.as_bytes()).expect("bash reads");
    let answer = asked.wait_with_output().expect("bash ends");
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "add\n");
}

#[test]
fn texts_are_one_object_under_json() {
    for command in [&["man"][..], &["completions", "bash"], &["config", "reference"]] {
        let plain = run(command).out;
        let json = run(&[&["--json"], command].concat()).out;
        let value: serde_json::Value = serde_json::from_str(&json).expect("one object");
        assert_eq!((value["text"].as_str(), &value["schema"]), (Some(plain.as_str()), &1.into()), "{command:?}");
    }
}
