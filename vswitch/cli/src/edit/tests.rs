//! Edits of texts: what changes, and that nothing else does.

use clap::Parser;

use super::Edit;
use crate::arguments::{Arguments, Command};

/// What `millrace LINE` makes of a text.
fn edited(text: &str, line: &str) -> Result<String, String> {
    let words = ["millrace"].into_iter().chain(line.split_whitespace());
    let arguments = Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
    let edit = match &arguments.command {
        Command::Port(edit) => Edit::Port(edit),
        Command::Network(edit) => Edit::Network(edit),
        Command::Tunnel(edit) => Edit::Tunnel(edit),
        Command::Mac(edit) => Edit::Mac(edit),
        other => panic!("{other:?}"),
    };
    edit.of(text).map_err(|failure| failure.to_string())
}

fn done(text: &str, line: &str) -> String {
    edited(text, line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

const NODE: &str = "# Head of the file.

[switch]
name = \"x\"   # its name

# About a1.
[[port]]
name = \"a1\"
kind = \"tap\" # a kernel interface
network = \"blue\"
# mtu = 1400

# Stands apart.

# About a2.
[[port]]
name = 'a2'
  kind = \"tap\"
  # why it is in blue
  network = \"blue\"   # for now

[[network]]
name = \"blue\"
vni = 4_096
tunnels = [\"to-b\"]

[[tunnel]]
name = \"to-b\"
uplink = \"up0\"
remote = \"192.0.2.2\"
";

#[test]
fn a_new_port_stands_behind_the_last_and_nothing_else_moves() {
    let new = done(NODE, "port add a3 --tap --netns pod-3 --network blue --address 10.0.0.3/8 --set mtu=1400");
    let section = "\n[[port]]\nname = \"a3\"\nkind = \"tap\"\nnetns = \"pod-3\"\naddresses = [\"10.0.0.3/8\"]\n\
                   network = \"blue\"\nmtu = 1400\n";
    assert_eq!(new.replacen(section, "", 1), NODE);
    assert!(new.contains(&format!("# for now\n{section}\n[[network]]")), "{new}");
    assert!(new.parse::<toml_edit::DocumentMut>().is_ok());
}

#[test]
fn a_new_port_of_a_guest_has_its_socket_and_its_queues() {
    let new = done(NODE, "port add vm1 --vhost /run/vm1.sock --mode server --queues 2 --network blue");
    let section = "\n[[port]]\nname = \"vm1\"\nkind = \"vhost-user\"\nsocket = \"/run/vm1.sock\"\nmode = \"server\"\n\
                   queues = 2\nnetwork = \"blue\"\n";
    assert_eq!(new.replacen(section, "", 1), NODE);
    assert!(new.contains(section), "{new}");
}

#[test]
fn a_new_object_is_removed_without_a_trace() {
    for (add, del) in [
        ("port add u1 --eth net_null0 --uplink --mac 02:00:00:00:00:01", "port del u1"),
        ("port add vm1 --vhost /run/vm1.sock --network blue", "port del vm1"),
        ("network add red --vni 5 --tunnel to-b", "network del red"),
        (
            "tunnel add to-c --uplink up0 --remote 192.0.2.3 --network blue --set port=8472",
            "tunnel del to-c --network blue",
        ),
        ("port set a2 mtu=1300 storm_max=5", "port set a2 --unset mtu --unset storm_max"),
        ("mac add blue 02:00:00:00:00:07 --port a1", "network set blue --unset static"),
    ] {
        let new = done(NODE, add);
        assert_ne!(new, NODE);
        assert_eq!(done(&new, del), NODE, "{add}\n{new}");
    }
    assert_eq!(done("", "network add red --vni 5"), "[[network]]\nname = \"red\"\nvni = 5\n");
    assert_eq!(done("a = 1", "network add red --vni 5"), "a = 1\n\n[[network]]\nname = \"red\"\nvni = 5\n");
}

#[test]
fn a_tunnel_by_several_uplinks_lists_them_in_their_order() {
    let new = done(NODE, "tunnel add to-d --uplink up1 --uplink up0 --remote 192.0.2.4 --set multipath=ecmp");
    let section =
        "\n[[tunnel]]\nname = \"to-d\"\nuplinks = [\"up1\", \"up0\"]\nremote = \"192.0.2.4\"\nmultipath = \"ecmp\"\n";
    assert_eq!(new, format!("{NODE}{section}"));
}

#[test]
fn a_file_without_blank_lines_gets_none() {
    let text = "[[port]]\nname = \"a\"\n[[network]]\nname = \"n\"\n";
    let new = done(text, "port add b --tap");
    assert_eq!(new, text.replace("[[network]]", "[[port]]\nname = \"b\"\nkind = \"tap\"\n[[network]]"));
    assert_eq!(done(&new, "port del b"), text);
}

#[test]
fn a_changed_value_keeps_its_line_and_its_comment() {
    let new = done(NODE, "port set a2 network=red name=b2");
    let expected = NODE.replace("'a2'", "\"b2\"").replace("\"blue\"   # for now", "\"red\"   # for now");
    assert_eq!(new, expected);
    assert_eq!(done(NODE, "network set blue vni=7"), NODE.replace("4_096", "7"));
}

#[test]
fn a_new_key_stands_below_the_last_as_far_in() {
    assert_eq!(done(NODE, "port set a2 mtu=1"), NODE.replace("# for now\n", "# for now\n  mtu = 1\n"));
    let inner = "[[port]]\nname = \"a\"\n[[port.trunk]]\nvlan = 1\n";
    assert_eq!(done(inner, "port set a mtu=1"), inner.replace("\"a\"\n", "\"a\"\nmtu = 1\n"));
    assert_eq!(done("[[port]]\nname = \"a\"", "port set a mtu=1"), "[[port]]\nname = \"a\"\nmtu = 1\n");
}

#[test]
fn what_goes_takes_its_comments_along_and_no_others() {
    let new = done(NODE, "port del a1");
    let start = NODE.find("# About a1.").unwrap();
    let end = NODE.find("# Stands apart.").unwrap();
    assert_eq!(new, format!("{}{}", &NODE[..start], &NODE[end..]));
    let new = done(NODE, "port del a2");
    assert!(new.contains("# Stands apart.\n\n[[network]]") && !new.contains("About a2"), "{new}");
    let new = done(NODE, "port set a2 --unset network");
    assert_eq!(new, NODE.replace("  # why it is in blue\n  network = \"blue\"   # for now\n", ""));
    let headed = "# Head.\n[[port]]\nname = \"a\"\n";
    assert_eq!(done(headed, "port del a"), "# Head.\n");
}

#[test]
fn sections_within_an_object_go_with_it_wherever_they_stand() {
    let text = "[[port]]\nname = \"a\"\n\n[[network]]\nname = \"n\"\n\n[[port.trunk]]\nvlan = 1\n\n[tables]\n";
    assert_eq!(done(text, "port del a"), "\n[[network]]\nname = \"n\"\n\n[tables]\n");
}

const LISTED: &str = "[[network]]
name = \"n\"
static = [
    # the first
    { mac = \"02:00:00:00:00:01\", port = \"a1\" },  # one
    { mac = '02:00:00:00:00:0A', port = \"a2\" }     # two
]
";

#[test]
fn a_list_of_lines_gets_a_line_and_loses_one() {
    let new = done(LISTED, "mac add n 02:00:00:00:00:03 --tunnel t");
    let line = "    { mac = \"02:00:00:00:00:03\", tunnel = \"t\" },\n";
    assert_eq!(new, LISTED.replace("\" }     # two\n", &format!("\" }},     # two\n{line}")));
    let back = done(&new, "mac del n 02:00:00:00:00:03");
    assert_eq!(back, LISTED.replace("\" }     # two", "\" },     # two"));
    let one = done(LISTED, "mac del n 02:00:00:00:00:01");
    assert!(!one.contains("# one") && !one.contains("# the first") && one.contains("# two"), "{one}");
    let other = done(LISTED, "mac del n 02:00:00:00:00:0a");
    assert!(other.contains("# one\n]"), "{other}");
    let moved = done(LISTED, "mac set n 02:00:00:00:00:01 --port a3");
    assert!(moved.contains("port = \"a3\"") && moved.matches("00:01").count() == 1, "{moved}");
}

#[test]
fn a_list_on_one_line_stays_there() {
    let text = "[[network]]\nname = \"n\"\ntunnels = [\"a\", 'b' ,\"c\"] # three\n[[tunnel]]\nname = \"b\"\n";
    let new = done(text, "tunnel del b --network n");
    assert_eq!(new, "[[network]]\nname = \"n\"\ntunnels = [\"a\", \"c\"] # three\n");
    let new = done(&new, "tunnel add d --uplink u --remote ::1 --network n");
    assert!(new.contains("tunnels = [\"a\", \"c\", \"d\"] # three\n"), "{new}");
    for empty in ["[]", "[ ]", "[\n# none yet\n]"] {
        let text = format!("[[network]]\nname = \"n\"\ntunnels = {empty}\n");
        let new = done(&text, "tunnel add d --uplink u --remote ::1 --network n");
        let list: toml_edit::DocumentMut = new.parse().unwrap();
        assert_eq!(list["network"][0]["tunnels"][0].as_str(), Some("d"), "{new}");
        assert_eq!(new.contains("# none yet"), empty.contains('#'));
    }
}

#[test]
fn entries_that_are_sections_are_edited_as_sections() {
    let text =
        "[[network]]\nname = \"n\"\n\n[[network.static]]\nmac = \"02:00:00:00:00:01\"\nport = \"a\"\n\n[tables]\n";
    let new = done(text, "mac add n 02:00:00:00:00:02 --port b");
    let section = "[[network.static]]\nmac = \"02:00:00:00:00:02\"\nport = \"b\"\n\n";
    assert_eq!(new, text.replace("[tables]", &format!("{section}[tables]")));
    assert_eq!(done(&new, "mac del n 02:00:00:00:00:02"), text);
}

#[test]
fn lines_that_end_as_on_windows_go_on_to() {
    let text = NODE.replace('\n', "\r\n");
    let new = done(&text, "port add a3 --tap --network blue");
    assert_eq!(new.matches('\n').count(), new.matches("\r\n").count());
    assert_eq!(done(&new, "port del a3"), text);
}

#[test]
fn an_edit_of_what_is_not_there_or_already_there_is_refused_by_name() {
    for (line, told) in [
        ("port add a1 --tap", "there is a port `a1` already: `millrace port set a1` changes it"),
        ("port set a9 mtu=1", "there is no port `a9`; there is: a1, a2"),
        ("port del a9", "there is no port `a9`; there is: a1, a2"),
        ("port set a1 --unset mtu", "port `a1` has no `mtu`"),
        ("tunnel add c --uplink u --remote ::1 --network red", "there is no network `red`; there is: blue"),
        ("tunnel del to-b --network red", "there is no network `red`; there is: blue"),
        ("mac del blue 02:00:00:00:00:01", "network `blue` has no static entry for 02:00:00:00:00:01"),
        ("mac set blue 02:00:00:00:00:01 --port a1", "network `blue` has no static entry for 02:00:00:00:00:01"),
    ] {
        assert_eq!(edited(NODE, line), Err(told.to_owned()));
    }
    for text in
        ["port = [{ name = \"a\" }]", "[[port]]\nname = \"a\"\nx.y = 1\n", "[[port]]\nname = \"a\"\n[[port.x]]\n"]
    {
        let told = edited(text, "port set a x=2").unwrap_err();
        assert!(told.contains("edit the file, and apply it"), "{told}");
    }
}

/// Every example of the house, by its path.
fn examples() -> Vec<(String, String)> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config");
    let folders = [root.to_owned(), format!("{root}/two-nodes")];
    let files =
        folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap().flatten()).map(|entry| entry.path());
    let toml = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    toml.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn in_every_example_what_comes_and_goes_leaves_every_octet_as_it_was() {
    let examples = examples();
    assert!(examples.len() >= 5);
    for (path, text) in examples {
        for (add, del) in [
            ("port add x9 --tap --network blue --address 10.9.9.9/24", "port del x9"),
            ("network add x9 --vni 99999", "network del x9"),
            ("tunnel add x9 --uplink up0 --remote 192.0.2.99", "tunnel del x9"),
        ] {
            let new = done(&text, add);
            let lines: Vec<&str> = new.lines().collect();
            assert!(text.lines().all(|line| lines.contains(&line)), "{path}: {add}");
            assert_eq!(done(&new, del), text, "{path}: {add}");
        }
    }
}

#[test]
fn no_text_however_short_it_was_cut_makes_an_edit_fail_badly() {
    let (_, text) = examples().into_iter().find(|(path, _)| path.ends_with("node-a.toml")).unwrap();
    let mut edits = 0;
    for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
        for line in [
            "port add x9 --tap",
            "port set a1 mtu=1 network=red",
            "port del a1",
            "mac add blue 02:00:00:00:00:01 --port a1",
        ] {
            if let Ok(new) = edited(&text[..end], line) {
                assert!(new.parse::<toml_edit::DocumentMut>().is_ok(), "{line}: {new}");
                edits += 1;
            }
        }
    }
    assert!(edits > 1_000, "{edits}");
}
