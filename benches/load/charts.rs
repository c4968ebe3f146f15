//! Curves of what things cost, as SVG, both axes logarithmic.

use std::path::Path;

use plotters::prelude::*;

use crate::figures::Results;
use crate::world::GROUP_SIZES;

const SIZE: (u32, u32) = (860, 460);
const COLOURS: [RGBColor; 8] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(255, 127, 14),
    RGBColor(23, 150, 160),
    RGBColor(140, 86, 75),
    RGBColor(90, 90, 90),
];

/// A curve and what it is called.
struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

/// All charts that the results have figures for.
pub fn draw(results: &Results, folder: &Path) {
    let disk = "surrealkv";
    let by_users = |value: fn(&crate::figures::Figure) -> f64, operations: &[&str]| -> Vec<Curve> {
        let curve = |operation: &&str| {
            let sizes = results.figures.get(disk).into_iter().flatten();
            let points = sizes.filter_map(|(users, known)| Some((number(*users), value(known.get(*operation)?))));
            Curve { name: (*operation).to_owned(), points: points.collect() }
        };
        operations.iter().map(curve).filter(|curve| curve.points.len() > 1).collect()
    };
    let reads = ["GET /Users/{id}", "filter userName eq", "page of 100 anywhere", "me"];
    let writes = ["POST /Users", "PATCH active, Okta's shape", "PATCH active, Entra's shape"];
    let everything: Vec<&str> = reads.iter().chain(&writes).copied().collect();
    chart(
        &folder.join("latency.svg"),
        "p50 on disk, 16 connections",
        ("users", "ms"),
        by_users(|figure| figure.p50, &everything),
    );
    chart(
        &folder.join("throughput.svg"),
        "answered on disk, 16 connections",
        ("users", "a second"),
        by_users(|figure| figure.rate, &everything),
    );
    let operations = ["add one member to", "remove one member from", "GET without members of"];
    let by_members = operations.map(|operation| {
        let largest = results.figures.get(disk).and_then(|sizes| sizes.keys().next_back());
        let point = |size: &usize| {
            let figure = results.find((disk, *largest?), &format!("{operation} a group of {size}"))?;
            Some((number(*size), figure.p50))
        };
        Curve { name: format!("{operation} a group"), points: GROUP_SIZES.iter().filter_map(point).collect() }
    });
    let by_members: Vec<Curve> = by_members.into_iter().filter(|curve| curve.points.len() > 1).collect();
    chart(&folder.join("groups.svg"), "p50 on disk, one connection", ("members", "ms"), by_members);
}

#[expect(clippy::cast_precision_loss, reason = "some millions")]
fn number(count: usize) -> f64 {
    count as f64
}

fn chart(path: &Path, title: &str, (x, y): (&str, &str), curves: Vec<Curve>) {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let range = |axis: fn(&(f64, f64)) -> f64| {
        let (low, high) = points().map(axis).fold((f64::MAX, f64::MIN), |(low, high), at| (low.min(at), high.max(at)));
        (low / 1.5)..(high * 1.5)
    };
    if points().next().is_none() {
        return;
    }
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).expect("drawn");
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(range(|point| point.0).log_scale(), range(|point| point.1).log_scale())
        .expect("axes");
    let label = |value: &f64| match *value {
        value if value >= 1_000_000.0 => format!("{} M", value / 1_000_000.0),
        value if value >= 1_000.0 => format!("{} k", value / 1_000.0),
        value => format!("{value}"),
    };
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(x)
        .y_desc(y)
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .light_line_style(WHITE.mix(0.0))
        .draw()
        .expect("drawn");
    for (curve, colour) in curves.into_iter().zip(COLOURS) {
        let line = LineSeries::new(curve.points, colour.stroke_width(2)).point_size(3);
        let drawn = chart.draw_series(line).expect("drawn").label(curve.name);
        drawn.legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    let mut legend = chart.configure_series_labels();
    legend
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .position(SeriesLabelPosition::UpperLeft)
        .draw()
        .expect("drawn");
    area.present().expect("written");
}
