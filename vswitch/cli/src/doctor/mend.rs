//! Commands that mend, in words a shell takes.

use super::{cpu_set::CpuSet, need::Need, topology::Topology};

/// Where Debian's GRUB looks for settings beside its own file.
const GRUB_FOLDER: &str = "/etc/default/grub.d";

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Adds parameters to the kernel's command line, for the next start.
pub(super) fn boot_with(parameters: &str) -> String {
    format!(
        "mkdir -p {GRUB_FOLDER} && echo 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {parameters}\"' \
         >> {GRUB_FOLDER}/millrace.cfg && update-grub && reboot"
    )
}

/// Replaces one parameter of the kernel's command line by another; the kernel does not add up two of a kind.
pub(super) fn boot_instead(old: &str, new: &str) -> String {
    let safe = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || "_-,=".contains(c));
    if !safe(old) {
        return boot_with(new);
    }
    format!("grep -rlF {old} /etc/default/grub {GRUB_FOLDER} | xargs sed -i 's/{old}/{new}/' && update-grub && reboot")
}

/// Puts the workers on better CPUs, by the configuration.
pub(super) fn move_workers(need: &Need, topology: &Topology, node: Option<u16>) -> String {
    let Some(cpus) = topology.better_cpus(need, node) else {
        return format!("# no {} better CPUs here: name fewer `cores`", need.cpus.len());
    };
    name_cores(need, &cpus)
}

/// Writes `cores` into the configuration.
pub(super) fn name_cores(need: &Need, cpus: &CpuSet) -> String {
    let list: Vec<String> = cpus.iter().map(|cpu| cpu.to_string()).collect();
    set_in_workers(need, "cores", &format!("[{}]", list.join(", ")), r"\[[^]]*\]", ']')
}

/// Writes `cpu_latency_us` into the configuration.
pub(super) fn set_cpu_latency(need: &Need, max_us: u16) -> String {
    set_in_workers(need, "cpu_latency_us", &max_us.to_string(), "[0-9_]*", '=')
}

/// Writes a key of `[workers]`. What it was matches `old`; where it stands in one line, that line has the letter `closes`.
fn set_in_workers(need: &Need, key: &str, value: &str, old: &str, closes: char) -> String {
    let Some(file) = need.file.as_deref().map(quoted) else {
        return format!("# in the configuration: [workers] {key} = {value}");
    };
    let starts = |line: &str| line.trim_start().starts_with(key);
    if need.text.lines().any(|line| starts(line) && line.contains(closes)) {
        return format!(r"sed -i 's/^\( *{key} *= *\){old}/\1{value}/' {file}");
    }
    if need.text.lines().any(starts) {
        return format!("# in {file}: [workers] {key} = {value}");
    }
    if need.text.lines().any(|line| line.trim_end() == "[workers]") {
        return format!(r"sed -i '/^\[workers\]/a {key} = {value}' {file}");
    }
    format!(r"printf '\n[workers]\n{key} = {value}\n' >> {file}")
}

/// CPUs as a shell counts them up: `2 3`.
pub(super) fn words(cpus: &CpuSet) -> String {
    cpus.iter().map(|cpu| cpu.to_string()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_a_shell_would_read_otherwise_is_quoted() {
        for (word, text) in [("/etc/a.toml", "/etc/a.toml"), ("", "''"), ("a b", "'a b'"), ("a'b;$", r"'a'\''b;$'")] {
            assert_eq!(quoted(word), text);
        }
    }

    #[test]
    fn a_strange_parameter_is_not_put_into_a_pattern() {
        assert!(boot_instead("isolcpus=1/e id #", "isolcpus=2").starts_with("mkdir -p "));
        assert!(boot_instead("isolcpus=1", "isolcpus=1-2").contains("sed -i 's/isolcpus=1/isolcpus=1-2/'"));
    }
}
