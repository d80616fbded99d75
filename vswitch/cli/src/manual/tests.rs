use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use clap::ValueEnum;

use super::*;

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("millrace-manual-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a program that need not be installed.
fn run_if_there(program: &str, arguments: &[&str], files: &[PathBuf]) -> Option<Output> {
    let run = Command::new(program).args(arguments).args(files).env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).output();
    match run {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            eprintln!("skipped: no {program} here");
            None
        }
        run => Some(run.unwrap()),
    }
}

fn names() -> BTreeSet<String> {
    pages().iter().map(Page::file).collect()
}

#[test]
fn every_command_has_a_page_of_its_own() {
    fn visit(command: &clap::Command, path: &str, expected: &mut BTreeSet<String>) {
        expected.insert(format!("{path}.1"));
        let subs = command.get_subcommands().filter(|sub| sub.get_name() != "help");
        subs.for_each(|sub| visit(sub, &format!("{path}-{}", sub.get_name()), expected));
    }
    let mut expected = BTreeSet::from(["millraced.8".to_owned()]);
    visit(&Arguments::command(), "millrace", &mut expected);
    assert!(expected.contains("millrace-show-ports.1") && expected.len() >= 36, "{expected:?}");
    assert_eq!(names(), expected);
}

#[test]
fn every_page_has_its_sections_and_an_example_as_it_is_typed() {
    for page in pages() {
        let Page { name, text, .. } = &page;
        for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "\"SEE ALSO\""] {
            assert!(text.contains(&format!("\n.SH {heading}\n")), "{name} lacks {heading}:\n{text}");
        }
        let typed = name.replace('-', " ");
        let (_, examples) = text.split_once("\n.SH EXAMPLES\n.nf\n").unwrap_or_else(|| panic!("{name}:\n{text}"));
        let (examples, _) = examples.split_once("\n.fi\n").unwrap();
        assert!(examples.contains(typed.split(' ').next_back().unwrap()), "{name}: {examples}");
        assert!(!text.contains(".SH \"\"") && !text.contains("sysroot"), "{name}:\n{text}");
    }
}

#[test]
fn groff_and_man_have_nothing_to_say_against_a_page() {
    let folder = Folder::new("groff");
    let files: Vec<PathBuf> = pages().iter().map(|page| write(page, &folder.0).unwrap()).collect();
    let Some(ran) = run_if_there("groff", &["-k", "-Tutf8", "-ww", "-man"], &files) else { return };
    assert!(ran.status.success() && ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(String::from_utf8_lossy(&ran.stdout).contains("millraced(8)"));
    let daemon = &files[files.len() - 1..];
    let Some(ran) = run_if_there("man", &["--warnings", "-l"], daemon) else { return };
    assert!(ran.status.success() && ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn pages_that_the_systemd_unit_names_exist() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/systemd/millraced@.service");
    let unit = fs::read_to_string(unit).unwrap();
    let lines = unit.lines().filter_map(|line| line.strip_prefix("Documentation="));
    let named: Vec<String> =
        lines.flat_map(str::split_whitespace).filter_map(|at| at.strip_prefix("man:")).map(file_of).collect();
    assert!(!named.is_empty());
    named.iter().for_each(|name| assert!(names().contains(name), "{name}"));
}

/// `millraced(8)` → `millraced.8`.
fn file_of(reference: &str) -> String {
    reference.replace('(', ".").replace(')', "")
}

#[test]
fn pages_refer_to_pages_that_exist() {
    let names = names();
    let mut references = 0;
    for page in pages() {
        let text = page.text.replace("\\fB", "").replace("\\fR", "").replace("\\-", "-");
        for word in text.split([' ', '\n', ',']).filter(|word| word.starts_with("millrace") && word.ends_with(')')) {
            assert!(names.contains(&file_of(word)), "{}: {word}", page.name);
            references += 1;
        }
    }
    assert!(references > 2 * names.len(), "{references}");
}

#[test]
fn without_a_folder_the_page_of_the_whole_command_is_printed() {
    let (exit, out, _) = crate::console::tests::on_console(None, false, |console| man(None, console));
    assert_eq!(exit.unwrap(), Exit::Yes);
    assert_eq!(out, pages()[0].text);
    assert!(out.contains(".TH \"millrace\" 1 \"\" \"Millrace "), "{out}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let failure = man(
        Some(Path::new("/dev/null/man")),
        &mut Console::of_process(&mut Vec::new(), &mut Vec::new(), &mut &b""[..], false),
    );
    let told = failure.unwrap_err().to_string();
    assert!(told.starts_with("cannot write /dev/null/man/man1/millrace.1: "), "{told}");
}

#[test]
fn shells_read_their_completions() {
    let folder = Folder::new("shells");
    for shell in Shell::value_variants() {
        let file = folder.0.join(shell.to_string());
        let script = script(*shell);
        for word in ["show", "doctor", "dry-run"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
        fs::write(&file, script).unwrap();
        let no_run = match shell {
            Shell::Bash | Shell::Zsh => "-n",
            Shell::Fish => "--no-execute",
            _ => continue,
        };
        let Some(ran) = run_if_there(&shell.to_string(), &[no_run], &[file]) else { continue };
        assert!(ran.status.success() && ran.stderr.is_empty(), "{shell}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

#[test]
fn bash_completes_commands_options_and_words() {
    let script = format!(
        "{}\ncomplete_at() {{ COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)) COMPREPLY=(); \
         _millrace millrace \"${{@: -1}}\" \"${{@: -2:1}}\"; echo \"${{COMPREPLY[*]}}\"; }}\n\
         complete_at millrace sh; complete_at millrace show po; complete_at millrace apply --dr; \
         complete_at millrace show ports --state o\n",
        script(Shell::Bash)
    );
    let Some(ran) = run_if_there("bash", &["--norc", "-c", &script], &[]) else { return };
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "show\nports\n--dry-run\nopening\n");
}
