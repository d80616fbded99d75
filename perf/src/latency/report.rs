//! What was found, as a table and as JSON.

use serde::Serialize;

use crate::{fingerprint::Fingerprint, generator::Latency};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) fingerprint: Fingerprint,
    /// Octets of a packet.
    pub(crate) size: u16,
    pub(crate) packed: bool,
    pub(crate) generator_cpu: u32,
    pub(crate) settings: Vec<Row>,
}

/// A setting.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) setting: &'static str,
    /// Its lines in the configuration.
    pub(crate) workers: &'static str,
    /// Packets a second in each direction: as many as came through when as many as possible were sent, and the highest
    /// rates without loss and with 0.1 %.
    pub(crate) flooded_pps: u64,
    pub(crate) no_loss_pps: u64,
    pub(crate) few_lost_pps: u64,
    /// What keeps the rates from being relied on, where anything does.
    pub(crate) doubt: Option<String>,
    /// CPU time of the worker without any packet, as a share of the time.
    pub(crate) idle_cpu: Option<f64>,
    pub(crate) loads: Vec<Load>,
}

/// Latencies at one rate.
#[derive(Debug, Serialize)]
pub(crate) struct Load {
    /// Of `few_lost_pps`; 0 is single packets, each after a silence.
    pub(crate) percent: u64,
    pub(crate) pps: u64,
    pub(crate) lost: u64,
    pub(crate) directions: Vec<Direction>,
    /// Who came between, of the worker's thread or the generator's.
    pub(crate) disturbed: Option<String>,
}

/// From one port to another.
#[derive(Debug, Serialize)]
pub(crate) struct Direction {
    pub(crate) from: u8,
    pub(crate) to: u8,
    pub(crate) latency_us: Option<Latency>,
}

pub(crate) fn table(report: &Report) -> String {
    let mut text = format!(
        "{:<14} {:>9} {:>9} {:>5} {:>5} {:>9} {:>6} {:>5} {:>8} {:>8} {:>8} {:>8} {:>9}\n",
        "setting",
        "0 % pps",
        "0.1 % pps",
        "idle",
        "load",
        "pps",
        "lost",
        "ports",
        "p50 us",
        "p99",
        "p99.9",
        "p99.99",
        "max"
    );
    for row in &report.settings {
        row.loads.iter().for_each(|load| text += &lines(row, load));
        if let Some(doubt) = &row.doubt {
            text += &format!("    {doubt}\n");
        }
    }
    text
}

/// What is to be said of the rates without loss and with 0.1 % that a search came to, `spoilt` of whose trials lost packets
/// while others came between in every attempt.
pub(crate) fn doubt(no_loss: u64, few_lost: u64, spoilt: usize) -> Option<String> {
    let found = match (few_lost, no_loss, spoilt) {
        (0, ..) => {
            "the search failed: even the lowest rate tried lost more than 0.1 %, so there is no load to measure at"
        }
        (_, 0, _) => "the search failed: even the lowest rate tried lost packets",
        (.., 0) => return None,
        _ => "the rates may be too low",
    };
    let why = format!("; others came between in all attempts of {spoilt} trials that lost packets");
    Some(format!("{found}{}", if spoilt > 0 { why } else { String::new() }))
}

fn lines(row: &Row, load: &Load) -> String {
    let idle = row.idle_cpu.map_or("-".to_owned(), |share| format!("{:.0}%", share * 100.0));
    let percent = if load.percent == 0 { "lone".to_owned() } else { format!("{}%", load.percent) };
    let mut text = String::new();
    for Direction { from, to, latency_us } in &load.directions {
        text += &format!(
            "{:<14} {:>9} {:>9} {:>5} {:>5} {:>9} {:>6} {:>5}",
            row.setting,
            row.no_loss_pps,
            row.few_lost_pps,
            idle,
            percent,
            load.pps,
            load.lost,
            format!("{from}>{to}")
        );
        text += &latency_us.map_or(" nothing came\n".to_owned(), |us| {
            format!(" {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>9.1}\n", us.p50, us.p99, us.p999, us.p9999, us.max)
        });
    }
    if let Some(why) = &load.disturbed {
        text += &format!("    {why}\n");
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn row(setting: &'static str, p99: f64) -> Row {
        let us = Latency { p50: 5.0, p99, p999: p99 * 2.0, p9999: p99 * 3.0, max: p99 * 9.0 };
        let load = |percent| Load {
            percent,
            pps: 1000 * percent,
            lost: 0,
            directions: vec![Direction { from: 1, to: 2, latency_us: (percent < 90).then_some(us) }],
            disturbed: (percent == 50).then(|| "disturbed: 60 switches".to_owned()),
        };
        let loads = [0, 10, 50, 90].map(load).into();
        let (flooded_pps, no_loss_pps, few_lost_pps) = (3, 1, 2);
        Row { setting, workers: "", flooded_pps, no_loss_pps, few_lost_pps, doubt: None, idle_cpu: Some(0.07), loads }
    }

    #[test]
    fn a_search_that_failed_is_named_with_who_came_between() {
        assert_eq!(doubt(1, 2, 0), None);
        let said = |no_loss, few_lost, spoilt| doubt(no_loss, few_lost, spoilt).unwrap();
        assert!(said(0, 0, 3).contains("no load") && said(0, 0, 3).ends_with("of 3 trials that lost packets"));
        assert!(said(0, 5, 0).ends_with("tried lost packets"));
        assert!(said(4, 5, 1).starts_with("the rates may be too low; others"));
    }

    #[test]
    fn a_load_has_a_line_for_each_way_and_says_who_came_between() {
        let row = row("default", 20.0);
        let text: String = row.loads.iter().map(|load| lines(&row, load)).collect();
        let words = |n: usize| text.lines().nth(n).unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(
            words(0),
            ["default", "1", "2", "7%", "lone", "0", "0", "1>2", "5.0", "20.0", "40.0", "60.0", "180.0"]
        );
        assert_eq!(words(1)[4..8], ["10%", "10000", "0", "1>2"]);
        assert_eq!(words(3), ["disturbed:", "60", "switches"]);
        assert!(text.ends_with("1>2 nothing came\n"), "{text}");
    }
}
