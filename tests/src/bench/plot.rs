//! The picture: the median time of an ADD against how many run at once, on logarithmic scales.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use super::measured::Measured;

const COLORS: [RGBColor; 4] = [
    RGBColor(110, 110, 110),
    RGBColor(0, 110, 200),
    RGBColor(210, 90, 0),
    RGBColor(120, 60, 160),
];

/// Writes it as SVG.
pub fn latency(measured: &Measured, path: &Path) -> Result<(), Box<dyn Error>> {
    let points = || measured.curves.values().flatten();
    let most = points().map(|(count, _)| *count).max().ok_or("nothing to plot")?;
    let slowest = points().map(|(_, ms)| *ms).fold(1.0, f64::max);
    let fastest = points().map(|(_, ms)| *ms).fold(f64::INFINITY, f64::min);
    let most = u32::try_from(most)?;

    let area = SVGBackend::new(path, (860, 520)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("ADD without IPAM (veth): median latency", ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (1.0..f64::from(most) * 1.1).log_scale(),
            (fastest / 2.0..slowest * 1.6).log_scale(),
        )?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("attachments at the same time")
        .y_desc("ms")
        .x_label_formatter(&|count| format!("{count:.0}"))
        .y_label_formatter(&|ms| format!("{ms:.0}"))
        .draw()?;
    for ((name, curve), color) in measured.curves.iter().zip(COLORS) {
        let mut points = Vec::new();
        for (count, ms) in curve {
            points.push((f64::from(u32::try_from(*count)?), *ms));
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let style = color.stroke_width(2);
        let line = chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
        line.label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, color.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .border_style(BLACK.mix(0.3))
        .background_style(WHITE)
        .draw()?;
    area.present()?;
    Ok(())
}
