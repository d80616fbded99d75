//! The curve as a picture.

use std::{error::Error, path::Path};

use crate::{
    flows::curve::{Point, ZIPF},
    plot::{COLOURS, Line, Picture},
};

/// Cost over flows, one line a distribution: `flows.svg`.
pub(crate) fn draw(folder: &Path, points: &[Point]) -> Result<(), Box<dyn Error>> {
    let line = |(exponent, colour): (f64, _)| {
        let name = format!("zipf {exponent}");
        let mine = points.iter().filter(|point| point.load == name);
        Line { points: mine.map(|point| (point.flows as f64, point.over_floor_ns)).collect(), name, colour }
    };
    let picture = Picture {
        caption: "CPU time a packet over the floor, by number of flows".to_owned(),
        x: "flows",
        y: "ns",
        lines: ZIPF.into_iter().zip(COLOURS).map(line).collect(),
    };
    picture.draw_over_log(&folder.join("flows.svg"))
}
