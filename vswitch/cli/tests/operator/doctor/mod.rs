//! `millrace doctor` on planted machines: a good one, and good ones with one thing spoilt.

mod faults;
mod machine;

use std::process::Command;

use serde_json::Value;

use crate::fake_switch::{Ran, run};

use self::{
    faults::{FAULTS, Fault},
    machine::{GRUB, GRUB_END, Machine, VF},
};

/// What is wrong, from the answer for programs: severity, check, subject, mend.
fn wrong(ran: &Ran) -> Vec<[String; 4]> {
    let answer: Value = serde_json::from_str(&ran.out).expect("one object");
    let findings = answer["findings"].as_array().expect("a list");
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let is_bad = |finding: &&Value| finding["severity"] == "problem" || finding["severity"] == "warning";
    findings
        .iter()
        .filter(is_bad)
        .map(|finding| ["severity", "check", "about", "mend"].map(|key| text(finding, key)))
        .collect()
}

/// A command of the table as the doctor writes it.
fn written_out(mend: &str, machine: &Machine) -> String {
    let mend = mend.replace(" FILE", &format!(" {}", machine.config().display()));
    let within =
        |open: &str| mend.strip_prefix(open)?.split_once('>').map(|(text, rest)| (text.to_owned(), rest.to_owned()));
    if let Some((parameters, rest)) = within("BOOT<") {
        return format!("{GRUB}{parameters}{GRUB_END}{rest}");
    }
    if let Some((both, rest)) = within("REBOOT<") {
        let (old, new) = both.split_once('|').expect("there are two");
        let files = format!("grep -rlF {old} /etc/default/grub /etc/default/grub.d");
        return format!("{files} | xargs sed -i 's/{old}/{new}/' && update-grub && reboot{rest}");
    }
    mend
}

/// The answers for programs on the good machine, on each with a fault, and without a configuration.
pub(crate) fn answers() -> Vec<Ran> {
    let good = Machine::good();
    let root = good.root().display().to_string();
    let mut answers = vec![good.examine(&["--json"]), run(&["doctor", "--json", "--sysroot", &root])];
    answers.extend(FAULTS.iter().map(|fault| {
        let machine = Machine::good();
        (fault.plant)(&machine);
        machine.examine(&["--json"])
    }));
    answers
}

#[test]
fn a_well_kept_machine_has_neither_problems_nor_warnings() {
    let machine = Machine::good();
    let ran = machine.examine(&["--json"]);
    assert_eq!((wrong(&ran), ran.code), (vec![], 0), "{}", ran.out);
    let people = machine.examine(&[]);
    assert_eq!(people.code, 0);
    assert!(people.out.contains("\n0 problems, 0 warnings, 2 not checkable; judged by "), "{}", people.out);
}

#[test]
fn each_planted_fault_is_found_alone_with_its_mend() {
    assert!(FAULTS.len() >= 15);
    for Fault { name, plant, finding: [severity, check, about], mend, .. } in FAULTS {
        let machine = Machine::good();
        plant(&machine);
        let ran = machine.examine(&["--json"]);
        let mend = written_out(mend, &machine);
        let expected = [severity, check, about, mend.as_str()].map(str::to_owned);
        assert_eq!(wrong(&ran), [expected], "{name}");
        assert_eq!(ran.code, i32::from(*severity == "problem"), "{name}");
    }
}

#[test]
fn commands_that_act_at_once_really_mend() {
    let mut mended = 0;
    for fault in FAULTS.iter().filter(|fault| fault.acts) {
        let machine = Machine::good();
        (fault.plant)(&machine);
        let [[.., mend]] = &wrong(&machine.examine(&["--json"]))[..] else { panic!("{}", fault.name) };
        let done = Command::new("sh").args(["-ec", &machine.here(mend)]).status().expect("there is a shell");
        assert!(done.success(), "{}: {mend}", fault.name);
        assert_eq!(wrong(&machine.examine(&["--json"])), Vec::<[String; 4]>::new(), "{}: {mend}", fault.name);
        mended += 1;
    }
    assert!(mended >= 8, "{mended}");
}

#[test]
fn a_finding_says_what_where_why_and_what_to_do() {
    let machine = Machine::good();
    machine.bind(VF, "iavf");
    let ran = machine.examine(&[]);
    let expected = format!(
        "\nproblem: driver, 0000:3b:02.0 (up0): iavf\n  in    {VF}/driver\n  \
         why   the kernel has the device, so DPDK cannot open it\n  \
         mend  scripts/bind vfio 0000:3b:02.0 --apply\n"
    );
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains(&expected), "{}", ran.out);
    assert!(ran.lines()[1].starts_with("problem driver 0000:3b:02.0 (up0) iavf"), "{}", ran.out);
}

#[test]
fn the_answer_for_programs_keeps_its_shape() {
    let machine = Machine::good();
    machine.write("/proc/sys/kernel/nmi_watchdog", "1");
    let answer: Value = serde_json::from_str(&machine.examine(&["--json"]).out).expect("one object");
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&answer), "config findings ok problems schema unchecked warnings");
    assert_eq!((&answer["schema"], &answer["ok"], &answer["warnings"]), (&1.into(), &true.into(), &1.into()));
    let findings = answer["findings"].as_array().expect("a list");
    findings.iter().for_each(|finding| assert_eq!(keys(finding), "about check file found mend severity why"));
    let mut checks: Vec<&str> = findings.iter().filter_map(|finding| finding["check"].as_str()).collect();
    checks.sort_unstable();
    let expected = "c-states cpu-latency driver firmware governor housekeeping hugepages hugepages-mounted hugepages-node \
                    iommu iommu-group irq isolcpus kernel memlock nic-numa nmi-watchdog nofile nohz_full \
                    numa-balancing rcu_nocbs smt-siblings swap thp tun vf-settings vfio-device vfio-noiommu vfio-pci \
                    worker-cpu-0 worker-cpus workqueues";
    assert_eq!(checks.join(" "), expected);
}

#[test]
fn what_sysfs_does_not_tell_is_said_and_not_guessed() {
    let machine = Machine::good();
    let answer: Value = serde_json::from_str(&machine.examine(&["--json"]).out).expect("one object");
    let findings = answer["findings"].as_array().expect("a list").iter();
    let unchecked = findings.filter(|finding| finding["severity"] == "unchecked");
    let told: Vec<_> = unchecked.map(|finding| ["check", "mend"].map(|key| finding[key].as_str())).collect();
    let expected = [["firmware", "ethtool -i ens1f0"], ["vf-settings", "ip -d link show dev ens1f0 | grep 'vf 0 '"]];
    assert_eq!(told, expected.map(|pair| pair.map(Some)));
}

#[test]
fn two_causes_are_two_findings() {
    let machine = Machine::good();
    machine.remove("/sys/bus/pci/drivers/vfio-pci");
    machine.remove(&format!("{VF}/driver"));
    let checks: Vec<_> = wrong(&machine.examine(&["--json"])).into_iter().map(|[_, check, ..]| check).collect();
    assert_eq!(checks, ["vfio-pci", "driver"]);
    let machine = Machine::good();
    machine.write("/sys/devices/system/cpu/nohz_full", "(null)");
    machine.write("/proc/cmdline", "isolcpus=managed_irq,domain,8-11");
    let checks: Vec<_> = wrong(&machine.examine(&["--json"])).into_iter().map(|[_, check, ..]| check).collect();
    assert_eq!(checks, ["nohz_full", "rcu_nocbs"]);
}

#[test]
fn a_bifurcated_device_needs_no_vfio_and_tells_its_firmware() {
    let machine = Machine::good();
    machine.bind(VF, "mlx5_core");
    machine.write(&format!("{VF}/infiniband/mlx5_2/fw_ver"), "22.36.1010");
    ["/sys/bus/pci/drivers/vfio-pci", "/dev/vfio", "/sys/kernel/iommu_groups"]
        .iter()
        .for_each(|path| machine.remove(path));
    let ran = machine.examine(&["--json"]);
    assert_eq!(wrong(&ran), Vec::<[String; 4]>::new());
    assert!(ran.out.contains("mlx5_core of the kernel, firmware 22.36.1010"), "{}", ran.out);
}

#[test]
fn a_running_switch_has_its_pages_already() {
    let machine = Machine::good();
    machine.write("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "3");
    assert_eq!(wrong(&machine.examine(&["--json"])).len(), 1);
    machine.write("/proc/4711/comm", "millraced");
    assert_eq!(wrong(&machine.examine(&["--json"])), Vec::<[String; 4]>::new());
}

#[test]
fn interrupts_that_the_kernel_keeps_off_isolated_cpus_are_no_finding() {
    let machine = Machine::good();
    machine.write("/proc/irq/24/smp_affinity_list", "0-11");
    assert_eq!(wrong(&machine.examine(&["--json"])), Vec::<[String; 4]>::new());
}

#[test]
fn this_very_machine_is_examined_without_a_configuration_and_nothing_is_asked_of_a_switch() {
    let ran = run(&["doctor", "--json"]);
    let answer: Value = serde_json::from_str(&ran.out).expect("one object");
    assert!(answer["config"].is_null() && ran.code == i32::from(answer["ok"] == false), "{ran:?}");
    let kernel = answer["findings"].as_array().expect("a list").iter().find(|finding| finding["check"] == "kernel");
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("this is Linux");
    assert_eq!(kernel.expect("it is looked at")["found"], release.trim());
}

#[test]
fn a_file_with_errors_is_the_one_finding() {
    let machine = Machine::good();
    machine.configure("vni = 4096", "vin = 4096");
    let ran = machine.examine(&["--json"]);
    let file = machine.config().display().to_string();
    let expected = ["problem".into(), "config".into(), file.clone(), format!("millrace check {file}")];
    assert_eq!((wrong(&ran), ran.code), (vec![expected], 1));
}

#[test]
fn a_machine_that_tells_nothing_or_nonsense_is_examined_to_the_end() {
    let machine = Machine::good();
    machine.remove("/sys");
    machine.remove("/proc");
    let ran = machine.examine(&["--json"]);
    assert!(serde_json::from_str::<Value>(&ran.out).is_ok() && ran.code == 1, "{ran:?}");
    for nonsense in ["", "\u{0}\u{ff}", "99999999999999999999", "0-18446744073709551615", "-", ",,,", "[", "7-3"] {
        let machine = Machine::good();
        spoil(&machine.root(), nonsense);
        let ran = machine.examine(&["--json"]);
        assert!(serde_json::from_str::<Value>(&ran.out).is_ok() && ran.code < 2, "{nonsense:?}: {ran:?}");
    }
}

/// Writes the text into every file below.
fn spoil(folder: &std::path::Path, text: &str) {
    for entry in std::fs::read_dir(folder).expect("it is a folder").flatten() {
        let kind = entry.file_type().expect("it is there");
        if kind.is_dir() {
            spoil(&entry.path(), text);
        } else if kind.is_file() {
            std::fs::write(entry.path(), text).expect("the directory is ours");
        }
    }
}
