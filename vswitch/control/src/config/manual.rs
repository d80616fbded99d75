//! Writes `config/reference.toml`: every key there is, from the rows that the checks go by.

use super::keys::{Absent, Change, Key, SECTIONS, Section, Takes, VERSION, grouped};

/// Characters of a line.
const WIDTH: usize = 118;

/// The column that remarks behind values begin in.
const REMARK: usize = 34;

const HEAD: &str = "\
# Every key of Millrace's configuration file. `millrace config reference` prints this page; it is made of the same rows
# that `millrace check` judges files by.
#
# A small file that works: a switch between two containers. Whatever is absent has its default.
#
#     [switch]
#     name = \"node-a\"
#
#     [[port]]
#     name = \"a1\"
#     kind = \"tap\"                # an interface of the kernel, made in the namespace pod-1
#     netns = \"pod-1\"
#     interface = \"eth0\"
#     addresses = [\"10.244.0.1/24\"]
#     network = \"blue\"
#
#     [[port]]
#     name = \"a2\"
#     kind = \"tap\"
#     netns = \"pod-2\"
#     interface = \"eth0\"
#     addresses = [\"10.244.0.2/24\"]
#     network = \"blue\"
#
#     [[network]]
#     name = \"blue\"
#     vni = 4096
#
# How to read on. What is not in a comment makes a working file by itself: three uplinks, a container, three tunnels. A key
# in a comment (without a blank behind the #) shows its default: taking the # away changes nothing. Where no value says
# what its absence means, the remark does, and the value is an example. Remarks say what a key may be, and what another
# value takes on a running switch: nothing where `millrace apply` takes it up between two packets, \"reopens\" where it
# opens the port's device anew, \"restart\" where it needs another start.
";

/// The reference, as TOML that loads.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    page.push('\n');
    explained(&mut page, &VERSION, &VERSION.shown(), false);
    for section in SECTIONS {
        heading(&mut page, section);
        for (index, part) in section.parts.iter().enumerate() {
            page.push('\n');
            paragraph(&mut page, "# ", part.meaning);
            page += &if section.many { format!("[[{}]]\n", section.name) } else { format!("[{}]\n", section.name) };
            let is_known = |key: &Key| section.parts[..index].iter().any(|part| part.has(key.name));
            for (index, key) in part.keys.iter().enumerate() {
                let (value, gives) = (part.value(key), part.gives(key));
                match is_known(key) {
                    true => page += &line(key, &value, gives),
                    false => {
                        page += if index == 0 { "" } else { "\n" };
                        explained(&mut page, key, &value, gives);
                    }
                }
            }
        }
    }
    page
}

fn heading(page: &mut String, section: &Section) {
    let name = if section.many { format!("[[{}]]", section.name) } else { format!("[{}]", section.name) };
    let rule = "-".repeat(WIDTH - name.len() - 6);
    *page += &format!("\n\n# -- {name} {rule}\n#\n");
    paragraph(page, "# ", section.meaning);
}

/// What a key means, and the key.
fn explained(page: &mut String, key: &Key, value: &str, gives: bool) {
    paragraph(page, "# ", key.meaning);
    for entry in key.entries {
        paragraph(page, "#   ", &format!("{}: {} {}.", entry.name, entry.meaning, capital(&range(entry.takes))));
    }
    let (line, remark) = (line(key, value, gives), remark(key));
    let fits = line.len() <= REMARK && REMARK + 2 + remark.len() <= WIDTH;
    if fits {
        *page += &format!("{:REMARK$}# {remark}\n", line.trim_end());
    } else {
        paragraph(page, "# ", &format!("{}.", capital(&remark)));
        *page += &line;
    }
}

fn line(key: &Key, value: &str, gives: bool) -> String {
    format!("{}{} = {value}\n", if gives { "" } else { "#" }, key.name)
}

/// "64 to 16_777_216 entries; restart; absent: …"
fn remark(key: &Key) -> String {
    let mut parts = vec![range(key.takes)];
    parts.extend(key.instead_of.map(|other| format!("instead of `{other}`")));
    match key.change {
        _ if key.absent == Absent::Refused => parts.push("required".to_owned()),
        Change::Live => {}
        Change::Reopen => parts.push("reopens".to_owned()),
        Change::Restart => parts.push("restart".to_owned()),
    }
    if let Absent::Means(means) = key.absent {
        parts.push(format!("absent: {means}"));
    }
    parts.join("; ")
}

fn range(takes: Takes) -> String {
    match takes {
        Takes::Number { min, max, .. } if min == max => grouped(min),
        Takes::Number { unit, min, max } => {
            format!("{} to {} {unit}", grouped(min), grouped(max)).trim_end().to_owned()
        }
        Takes::Words(words) => words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or "),
        Takes::Flag => "true or false".to_owned(),
        Takes::Other(what) => what.to_owned(),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Text in lines of at most [`WIDTH`] characters, each behind `mark`.
fn paragraph(page: &mut String, mark: &str, text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && mark.len() + line.len() + 1 + word.len() > WIDTH {
            *page += &format!("{mark}{line}\n");
            line.clear();
        }
        line += &format!("{}{word}", if line.is_empty() { "" } else { " " });
    }
    if !line.is_empty() {
        *page += &format!("{mark}{line}\n");
    }
}
