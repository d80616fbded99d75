//! `show macs`.

use std::collections::BTreeMap;

use api::{MacKind, MacRow, Macs};

use super::grid::{Grid, Lean::Left, Lean::Right, joined};
use crate::quantity::{Numbers, milliseconds};

/// What the replicas of several workers can agree on.
type Place<'a> = (&'a str, wire::Mac, &'a str, &'static str);

/// Who says so, and the youngest age among them.
#[derive(Default)]
struct Sayers {
    workers: Vec<u8>,
    age_ms: Option<u64>,
}

pub(super) fn table(macs: &Macs, numbers: Numbers) -> Grid {
    let mut grid = Grid::new([
        ("NETWORK", Left),
        ("MAC", Left),
        ("MEMBER", Left),
        ("KIND", Left),
        ("AGE", Right),
        ("WORKERS", Left),
    ]);
    for ((network, mac, member, kind), mut sayers) in merged(&macs.macs) {
        sayers.workers.sort_unstable();
        grid.row([
            network.to_owned(),
            mac.to_string(),
            member.to_owned(),
            kind.to_owned(),
            sayers.age_ms.map_or_else(String::new, |age| milliseconds(age, numbers)),
            joined(sayers.workers),
        ]);
    }
    grid
}

fn merged(rows: &[MacRow]) -> BTreeMap<Place<'_>, Sayers> {
    let mut places = BTreeMap::<Place, Sayers>::new();
    for row in rows {
        let sayers = places.entry((&row.network, row.mac, &row.member, row.kind.name())).or_default();
        sayers.workers.push(row.worker);
        if row.kind == MacKind::Learned {
            sayers.age_ms = sayers.age_ms.into_iter().chain(row.age_ms).min();
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_that_agree_are_one_line_with_the_youngest_age() {
        let row = |worker, member: &str, age_ms| MacRow {
            network: "blue".into(),
            mac: wire::Mac::new([2, 0, 0, 0, 0, 1]),
            member: member.into(),
            kind: if age_ms == 0 { MacKind::Static } else { MacKind::Learned },
            age_ms: (age_ms > 0).then_some(age_ms),
            worker,
        };
        let macs =
            Macs { total: 4, macs: vec![row(1, "a1", 2_000), row(0, "a1", 500), row(2, "a2", 9), row(3, "a2", 0)] };
        let text = table(&macs, Numbers::Short).to_string();
        let lines: Vec<String> =
            text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let expected = [
            "blue 02:00:00:00:00:01 a1 learned 500 ms 0,1",
            "blue 02:00:00:00:00:01 a2 learned 9 ms 2",
            "blue 02:00:00:00:00:01 a2 static - 3",
        ];
        assert_eq!(lines, expected);
    }
}
