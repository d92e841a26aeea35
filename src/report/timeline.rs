//! The steps of a run over time, as one inline SVG.

use std::fmt::Write as _;

use super::acceptance::Acceptance;

const ROW: usize = 18;
const LEFT: usize = 230;
const WIDTH: usize = 620;

/// Bars from the first step's beginning to the last one's end; steps that were not run have a row without a bar.
pub(super) fn svg(acceptance: &Acceptance) -> String {
    let start = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let first = acceptance.steps.iter().filter_map(|step| start(&step.started)).min();
    let from_first = |text: &Option<String>| match (first, start(text)) {
        (Some(first), Some(at)) => Some(at.duration_since(first).as_secs_f64().max(0.0)),
        _ => None,
    };
    let end = acceptance
        .steps
        .iter()
        .filter_map(|step| from_first(&step.started).map(|at| at + step.elapsed_s))
        .fold(0.001_f64, f64::max);
    let height = ROW * acceptance.steps.len() + 24;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {} {height}\" role=\"img\" aria-label=\"steps over time\" xmlns=\"http://www.w3.org/2000/svg\">",
        LEFT + WIDTH + 80
    );
    for (row, step) in acceptance.steps.iter().enumerate() {
        let y = row * ROW;
        let _ = write!(svg, "<text x=\"0\" y=\"{}\">{}</text>", y + 13, step.id);
        let Some(at) = from_first(&step.started) else { continue };
        let scale = |seconds: f64| seconds / end * WIDTH as f64;
        let (x, width) = (LEFT as f64 + scale(at), scale(step.elapsed_s).max(2.0));
        let _ = write!(
            svg,
            "<rect class=\"{}\" x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"12\"><title>{}: {:.1} s</title></rect><text class=\"s\" x=\"{:.1}\" y=\"{}\">{:.1} s</text>",
            step.verdict,
            y + 3,
            step.id,
            step.elapsed_s,
            x + width + 4.0,
            y + 13,
            step.elapsed_s
        );
    }
    let _ = write!(svg, "<text x=\"{LEFT}\" y=\"{}\">0 s</text>", height - 6);
    let _ =
        write!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{end:.0} s</text></svg>", LEFT + WIDTH, height - 6);
    svg
}
