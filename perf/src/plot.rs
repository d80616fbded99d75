//! Figures as pictures.

use std::{error::Error, path::Path};

use plotters::{
    coord::ranged1d::{AsRangedCoord, ValueFormatter},
    prelude::*,
};

use crate::compare::{Peer, Row};

/// Its size in pixels.
const SIZE: (u32, u32) = (720, 420);

/// Colours of lines, in their order.
pub(crate) const COLOURS: [RGBColor; 4] =
    [RGBColor(20, 90, 200), RGBColor(160, 160, 160), RGBColor(220, 110, 20), RGBColor(60, 150, 60)];

/// One line of a picture.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) colour: RGBColor,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Lines in one plane.
pub(crate) struct Picture {
    pub(crate) caption: String,
    /// What the axes are.
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    pub(crate) lines: Vec<Line>,
}

/// One picture a work, whose file is called after it and `kind`: millions of packets per second of CPU time over the number
/// of flows.
pub(crate) fn throughput(folder: &Path, kind: &str, rows: &[Row]) -> Result<(), Box<dyn Error>> {
    let mut works: Vec<_> = rows.iter().map(|row| row.work).collect();
    works.dedup();
    for work in works {
        let rows: Vec<_> = rows.iter().filter(|row| row.work == work).collect();
        let path = folder.join(format!("{work}{kind}.svg"));
        let caption = format!("{work}{kind}: Mpps of one core over five-tuples");
        let picture = Picture { caption, x: "five-tuples", y: "Mpps", lines: lines(&rows) };
        picture.draw_over_log(&path)?;
    }
    Ok(())
}

fn lines(rows: &[&Row]) -> Vec<Line> {
    let [ours, floor, ovs, kernel] = COLOURS;
    let line = |name: &str, colour, ns: &dyn Fn(&Row) -> Option<f64>| {
        let points = rows.iter().filter_map(|row| Some((f64::from(row.flows), 1000.0 / ns(row)?))).collect();
        Line { name: name.to_owned(), colour, points }
    };
    let peer = |peer: Peer| move |row: &Row| row.peers.get(&peer).map(|figures| figures.ns);
    vec![
        line("testpmd io", floor, &|row| row.floor_ns),
        line("millrace", ours, &|row| row.ours_ns),
        line("OVS-DPDK", ovs, &peer(Peer::Ovs)),
        line("kernel", kernel, &peer(Peer::Kernel)),
    ]
}

/// The least and the largest of both coordinates; `None` where there is no point.
struct Bounds {
    x: (f64, f64),
    y: (f64, f64),
}

impl Picture {
    fn bounds(&self) -> Option<Bounds> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let of = |of: fn(&(f64, f64)) -> f64| {
            points().map(of).fold((f64::INFINITY, 0.0_f64), |(low, high), at| (low.min(at), high.max(at)))
        };
        let bounds = Bounds { x: of(|point| point.0), y: of(|point| point.1) };
        bounds.x.0.is_finite().then_some(bounds)
    }

    /// Writes it as SVG, with x by powers of ten and y from 0.
    pub(crate) fn draw_over_log(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let Some(Bounds { x, y }) = self.bounds() else { return Ok(()) };
        self.draw(path, (x.0 * 0.8..x.1 * 1.25).log_scale(), 0.0..y.1 * 1.1)
    }

    /// Writes it as SVG, with x from 0 and y by powers of ten.
    pub(crate) fn draw_under_log(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let Some(Bounds { x, y }) = self.bounds() else { return Ok(()) };
        self.draw(path, 0.0..x.1 * 1.1, (y.0.max(0.1) * 0.7..y.1.max(0.2) * 1.4).log_scale())
    }

    fn draw<X, Y>(&self, path: &Path, x: X, y: Y) -> Result<(), Box<dyn Error>>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.caption, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(x, y)?;
        chart.configure_mesh().x_desc(self.x).y_desc(self.y).draw()?;
        for Line { name, colour, points } in self.lines.iter().filter(|line| !line.points.is_empty()) {
            let series = LineSeries::new(points.clone(), colour.stroke_width(2)).point_size(3);
            let (drawn, colour) = (chart.draw_series(series)?, *colour);
            drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
        area.present()?;
        Ok(())
    }
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
            floor_span: None,
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
        throughput(folder.path(), "", &[row(1000, Some(40.0)), row(100_000, Some(50.0))]).unwrap();
        let picture = std::fs::read_to_string(folder.path().join("l2.svg")).unwrap();
        assert!(picture.contains("millrace") && picture.contains("testpmd io") && picture.contains("five-tuples"));
        assert!(!picture.contains("OVS"), "it was not there");
        assert_eq!(picture.matches("<polyline").count(), picture.matches("<polyline fill=\"none\"").count());
    }

    #[test]
    fn one_load_alone_is_a_point() {
        let folder = Folder::create().unwrap();
        throughput(folder.path(), "", &[row(1000, Some(40.0))]).unwrap();
        throughput(folder.path(), "-five-tuple", &[]).unwrap();
        assert!(!folder.path().join("l2-five-tuple.svg").exists());
        assert!(folder.path().join("l2.svg").exists());
    }
}
