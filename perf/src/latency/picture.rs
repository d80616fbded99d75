//! Latency over load as a picture.

use std::{error::Error, path::Path};

use crate::{
    latency::report::{Direction, Report, Row},
    plot::{COLOURS, Line, Picture},
};

/// The 99th percentile over packets a second, one line a setting: `latency.svg`.
pub(crate) fn draw(folder: &Path, report: &Report) -> Result<(), Box<dyn Error>> {
    picture(&report.settings).draw_under_log(&folder.join("latency.svg"))
}

fn picture(rows: &[Row]) -> Picture {
    let line = |(row, colour): (&Row, _)| Line { name: row.setting.to_owned(), colour, points: points(row) };
    let caption = "port to port, 99th percentile, over load in each direction".to_owned();
    Picture { caption, x: "Mpps", y: "microseconds", lines: rows.iter().zip(COLOURS).map(line).collect() }
}

/// The worse of both directions at each load.
fn points(row: &Row) -> Vec<(f64, f64)> {
    let loads = row.loads.iter().filter(|load| load.percent > 0);
    let worst =
        |directions: &[Direction]| directions.iter().filter_map(|way| way.latency_us).map(|us| us.p99).reduce(f64::max);
    loads.filter_map(|load| Some((load.pps as f64 / 1e6, worst(&load.directions)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{folder::Folder, latency::report::tests::row};

    #[test]
    fn every_setting_has_a_line_without_its_single_packets() {
        let folder = Folder::create().unwrap();
        let (rows, path) = ([row("default", 20.0), row("busy", 9.0)], folder.path().join("latency.svg"));
        assert_eq!(points(&rows[1]), [(0.01, 9.0), (0.05, 9.0)]);
        picture(&rows).draw_under_log(&path).unwrap();
        let picture = std::fs::read_to_string(&path).unwrap();
        assert!(picture.contains("default") && picture.contains("busy") && picture.contains("microseconds"));
    }
}
