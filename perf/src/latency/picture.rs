//! Latency over load as a picture.

use std::{error::Error, fs, path::Path};

use plotters::prelude::*;

use crate::latency::report::{Report, Row};

/// Its size in pixels.
const SIZE: (u32, u32) = (720, 420);

/// The settings' colours, in their order.
const COLOURS: [RGBColor; 4] =
    [RGBColor(20, 90, 200), RGBColor(160, 160, 160), RGBColor(220, 110, 20), RGBColor(60, 150, 60)];

/// The 99th percentile over packets a second, one line a setting: `latency.svg`.
pub(crate) fn draw(folder: &Path, report: &Report) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    draw_file(&folder.join("latency.svg"), &report.settings).map_err(|error| error.to_string())
}

/// The worse of both directions at each load.
fn points(row: &Row) -> Vec<(f64, f64)> {
    let loads = row.loads.iter().filter(|load| load.percent > 0);
    let worst = |directions: &[super::report::Direction]| {
        directions.iter().filter_map(|way| way.latency_us).map(|us| us.p99).reduce(f64::max)
    };
    loads.filter_map(|load| Some((load.pps as f64 / 1e6, worst(&load.directions)?))).collect()
}

fn draw_file(path: &Path, rows: &[Row]) -> Result<(), Box<dyn Error>> {
    let lines: Vec<_> = rows.iter().map(|row| (row.setting, points(row))).collect();
    let all = || lines.iter().flat_map(|(_, points)| points);
    let (right, top) = all().fold((0.0_f64, 0.0_f64), |(right, top), point| (right.max(point.0), top.max(point.1)));
    let low = all().fold(f64::INFINITY, |low, point| low.min(point.1));
    if !low.is_finite() {
        return Ok(()); // nothing was measured
    }
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("port to port, 99th percentile, over load in each direction", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..right * 1.1, (low.max(0.1) * 0.7..top.max(0.2) * 1.4).log_scale())?;
    chart.configure_mesh().x_desc("Mpps").y_desc("microseconds").draw()?;
    for ((name, points), colour) in lines.into_iter().zip(COLOURS.into_iter().cycle()) {
        let drawn = chart.draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(3))?;
        drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    area.present()?;
    Ok(())
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
        draw_file(&path, &rows).unwrap();
        let picture = fs::read_to_string(&path).unwrap();
        assert!(picture.contains("default") && picture.contains("busy") && picture.contains("microseconds"));
    }
}
