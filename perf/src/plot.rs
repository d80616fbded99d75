//! Figures as pictures.

use std::path::Path;

use plotters::prelude::*;

use crate::{
    Failure,
    compare::{Peer, Row},
};

/// Its size in pixels.
const SIZE: (u32, u32) = (720, 420);

/// One line of a picture.
struct Line {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// One picture a work: millions of packets per second of CPU time over the number of flows.
pub(crate) fn throughput(folder: &Path, rows: &[Row]) -> Result<(), Failure> {
    let failed = |why: String| Failure::Plot { path: folder.to_owned(), why };
    std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    let mut works: Vec<_> = rows.iter().map(|row| row.work).collect();
    works.dedup();
    for work in works {
        let rows: Vec<_> = rows.iter().filter(|row| row.work == work).collect();
        let path = folder.join(format!("{work}.svg"));
        draw(&path, work, &lines(&rows)).map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}

fn lines(rows: &[&Row]) -> Vec<Line> {
    let line = |name, colour, ns: &dyn Fn(&Row) -> Option<f64>| {
        let points = rows.iter().filter_map(|row| Some((f64::from(row.flows), 1000.0 / ns(row)?))).collect();
        Line { name, colour, points }
    };
    let peer = |peer: Peer| move |row: &Row| row.peers.get(&peer).map(|figures| figures.ns);
    vec![
        line("testpmd io", RGBColor(160, 160, 160), &|row| row.floor_ns),
        line("millrace", RGBColor(20, 90, 200), &|row| row.ours_ns),
        line("OVS-DPDK", RGBColor(220, 110, 20), &peer(Peer::Ovs)),
        line("kernel", RGBColor(60, 150, 60), &peer(Peer::Kernel)),
    ]
}

fn draw(path: &Path, work: &str, lines: &[Line]) -> Result<(), Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let bounds = |of: fn(&(f64, f64)) -> f64| {
        points().map(of).fold((f64::INFINITY, 0.0_f64), |(low, high), at| (low.min(at), high.max(at)))
    };
    let ((fewest, most), (_, fastest)) = (bounds(|p| p.0), bounds(|p| p.1));
    if !fewest.is_finite() {
        return Ok(()); // nothing was measured
    }
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{work}: Mpps of one core over five-tuples"), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d((fewest * 0.8..most * 1.25).log_scale(), 0.0..fastest * 1.1)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc("five-tuples").y_desc("Mpps").x_label_formatter(&|flows| format!("{flows:.0}")).draw()?;
    for Line { name, colour, points } in lines.iter().filter(|line| !line.points.is_empty()) {
        let series = LineSeries::new(points.clone(), colour.stroke_width(2)).point_size(3);
        let drawn = chart.draw_series(series)?;
        let colour = *colour;
        drawn.label(*name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;

    fn row(flows: u32, ours_ns: Option<f64>) -> Row {
        Row {
            work: "l2",
            flows,
            floor_ns: Some(12.5),
            ours_ns,
            ours_over_floor_ns: None,
            ours_span: None,
            peers: Default::default(),
            ratio_ovs: None,
            refused: Vec::new(),
        }
    }

    #[test]
    fn a_picture_has_a_line_for_each_that_was_measured() {
        let folder = Folder::create().unwrap();
        throughput(folder.path(), &[row(1000, Some(40.0)), row(100_000, Some(50.0))]).unwrap();
        let picture = std::fs::read_to_string(folder.path().join("l2.svg")).unwrap();
        assert!(picture.contains("millrace") && picture.contains("testpmd io") && picture.contains("five-tuples"));
        assert!(!picture.contains("OVS"), "it was not there");
        assert_eq!(picture.matches("<polyline").count(), picture.matches("<polyline fill=\"none\"").count());
    }

    #[test]
    fn one_load_alone_is_a_point() {
        let folder = Folder::create().unwrap();
        throughput(folder.path(), &[row(1000, Some(40.0))]).unwrap();
        throughput(folder.path(), &[]).unwrap();
        assert!(folder.path().join("l2.svg").exists());
    }
}
