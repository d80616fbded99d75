//! What to start DPDK with, and the argument vector that says so.

use log::LevelFilter;

/// How DPDK's environment is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EalConfig {
    /// The CPU DPDK may use for itself; by default the first one the caller may run on. The caller keeps its own.
    pub cpu: Option<u32>,
    /// Memory from hugepages; otherwise from 4 KiB pages (slower, and no NIC can reach it by DMA).
    pub hugepages: bool,
    /// Memory taken at the start in MiB. With hugepages more is taken when needed, and 0 means "when needed"; without,
    /// this is all there will ever be, and 0 means DPDK's default of 64.
    pub memory_mib: u32,
    /// Leave the PCI bus alone. Otherwise it is scanned, but only devices that are opened are touched.
    pub no_pci: bool,
    /// Load every installed driver at the start, which takes 60 ms of processor time; otherwise each is loaded when the first
    /// device of it is opened. For those who will open PCI devices: what the drivers of those that are there demand decides
    /// how DPDK addresses memory (IOVA), and that is decided at the start.
    pub all_drivers: bool,
    /// Tells this process's files in DPDK's run directory from another's; by default made from the process id.
    pub file_prefix: Option<String>,
    /// What DPDK may log at most. `Debug` costs time.
    pub log_level: LevelFilter,
    /// Further arguments, after all others. What they name may need any driver, so with some all are loaded.
    pub extra: Vec<String>,
}

impl Default for EalConfig {
    fn default() -> Self {
        EalConfig {
            cpu: None,
            hugepages: false,
            memory_mib: 0,
            no_pci: true,
            all_drivers: false,
            file_prefix: None,
            log_level: LevelFilter::Info,
            extra: Vec::new(),
        }
    }
}

impl EalConfig {
    /// The argument vector, with the program's name in front. `cpu` is the one to use, `pid` names the files.
    ///
    /// `--in-memory` (no files left behind after a kill) excludes `--no-huge` in DPDK 22.11, and virtio-user guests need
    /// `--single-file-segments` ("too many memory regions" otherwise). `--no-shconf` lets any user start and any number of
    /// processes run side by side. CPU numbers may exceed DPDK's lcore numbers, hence `0@cpu`.
    pub(crate) fn arguments(&self, cpu: u32, pid: u32) -> Vec<String> {
        let mut arguments = vec!["millraced".to_owned(), format!("--lcores=0@{cpu}")];
        let prefix = self.file_prefix.clone().unwrap_or_else(|| format!("millrace-{pid}"));
        arguments.push(format!("--file-prefix={prefix}"));
        arguments.push("--no-telemetry".to_owned());
        arguments.push(format!("--log-level={}", dpdk_level(self.log_level)));
        if self.no_pci {
            arguments.push("--no-pci".to_owned());
        } else if !self.extra.iter().any(|argument| chooses_pci_devices(argument)) {
            // An allowlist of one device that cannot exist: scan, but probe nothing until it is opened.
            arguments.extend(["-a".to_owned(), "0000:00:00.0".to_owned()]);
        }
        let memory: &[&str] =
            if self.hugepages { &["--in-memory", "--single-file-segments"] } else { &["--no-huge", "--no-shconf"] };
        arguments.extend(memory.iter().map(|&flag| flag.to_owned()));
        if self.memory_mib > 0 {
            arguments.extend(["-m".to_owned(), self.memory_mib.to_string()]);
        }
        arguments.extend(self.extra.iter().cloned());
        arguments
    }
}

fn chooses_pci_devices(argument: &str) -> bool {
    let long = ["--allow", "--block"].iter().any(|option| argument.starts_with(option));
    long || ["-a", "-b"].iter().any(|option| argument.starts_with(option))
}

/// DPDK's number of a log level.
fn dpdk_level(level: LevelFilter) -> u32 {
    match level {
        LevelFilter::Off => 1,
        LevelFilter::Error => 4,
        LevelFilter::Warn => 5,
        LevelFilter::Info => 7,
        LevelFilter::Debug | LevelFilter::Trace => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(config: &EalConfig) -> String {
        config.arguments(3, 77).join(" ")
    }

    #[test]
    fn without_hugepages_nothing_is_shared_and_the_memory_is_fixed() {
        let config = EalConfig { memory_mib: 128, ..EalConfig::default() };
        let expected = "millraced --lcores=0@3 --file-prefix=millrace-77 --no-telemetry --log-level=7 --no-pci --no-huge \
                        --no-shconf -m 128";
        assert_eq!(line(&config), expected);
    }

    #[test]
    fn with_hugepages_nothing_is_left_on_disk() {
        let config = EalConfig { hugepages: true, ..EalConfig::default() };
        let line = line(&config);
        assert!(line.ends_with("--no-pci --in-memory --single-file-segments"), "{line}");
        assert!(!line.contains("--no-huge"), "--no-huge and --in-memory exclude each other: {line}");
    }

    #[test]
    fn with_pci_no_device_is_touched_unless_it_is_named() {
        let config = EalConfig { no_pci: false, ..EalConfig::default() };
        assert!(line(&config).contains(" -a 0000:00:00.0 "));
        for chosen in ["-a0000:03:00.0", "--allow=0000:03:00.0", "-b", "--block"] {
            let config = EalConfig { no_pci: false, extra: vec![chosen.to_owned()], ..EalConfig::default() };
            assert!(!line(&config).contains("0000:00:00.0"), "{chosen}");
        }
    }

    #[test]
    fn the_operators_arguments_come_last_and_may_repeat_ours() {
        let config = EalConfig {
            file_prefix: Some("blue".to_owned()),
            log_level: LevelFilter::Error,
            extra: vec!["--log-level=pmd.net.pcap:8".to_owned()],
            ..EalConfig::default()
        };
        let line = line(&config);
        assert!(line.contains(" --file-prefix=blue ") && line.contains(" --log-level=4 "), "{line}");
        assert!(line.ends_with(" --log-level=pmd.net.pcap:8"), "{line}");
    }
}
