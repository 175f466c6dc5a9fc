//! One chart as inline SVG: lines, steps and bands between two axes, and values to hover over.
//!
//! Only the drawing is stretched to the width of the page; labels are drawings of their own beside it, so that their
//! signs keep their size and shape.

use std::fmt::Write as _;

use super::axis::Tick;
use super::escape::Escaped;

/// The drawing's own units.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 200.0;

/// A chart in the making. Positions go from 0 to 1, upwards and to the right.
pub(super) struct Plot {
    grid: String,
    vertical: String,
    horizontal: String,
    marks: String,
    hovers: String,
}

impl Plot {
    /// Without marks yet. A tick at the left end starts there, one at the right end ends there.
    pub(super) fn new(vertical: &[Tick], horizontal: &[Tick]) -> Self {
        let mut plot = Plot {
            grid: String::new(),
            vertical: String::new(),
            horizontal: String::new(),
            marks: String::new(),
            hovers: String::new(),
        };
        for Tick { at, label } in vertical {
            let y = y(*at);
            let _ = write!(plot.grid, "<path class=\"grid\" d=\"M0 {y:.1}H{WIDTH}\"/>");
            let _ = write!(plot.vertical, "<text x=\"100%\" y=\"{y:.1}\">{}</text>", Escaped(label));
        }
        for Tick { at, label } in horizontal {
            let anchor = match at {
                ..0.04 => "start",
                ..0.96 => "middle",
                _ => "end",
            };
            let _ = write!(plot.grid, "<path class=\"grid\" d=\"M{:.1} 0V{HEIGHT}\"/>", x(*at));
            let _ = write!(
                plot.horizontal,
                "<text x=\"{:.2}%\" y=\"14\" text-anchor=\"{anchor}\">{}</text>",
                at * 100.0,
                Escaped(label)
            );
        }
        plot
    }

    /// A line through points.
    pub(super) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (number, (right, up)) in points.iter().enumerate() {
            let sign = if number == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{sign}{:.1} {:.1}", x(*right), y(*up));
        }
        self.path("line", class, &path);
    }

    /// Points that are marked.
    pub(super) fn dots(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (right, up) in points {
            let _ = write!(path, "M{:.1} {:.1}h0", x(*right), y(*up));
        }
        self.path("dot", class, &path);
    }

    /// A level for each of equal parts of the width; where there is none, nothing is drawn.
    pub(super) fn steps(&mut self, class: &str, levels: &[Option<f64>]) {
        let (mut path, mut is_drawing) = (String::new(), false);
        for (number, level) in levels.iter().enumerate() {
            if let Some(level) = level {
                let (left, right) = part(number, levels.len());
                let _ = if is_drawing {
                    write!(path, "V{:.1}H{right:.1}", y(*level))
                } else {
                    write!(path, "M{left:.1} {:.1}H{right:.1}", y(*level))
                };
            }
            is_drawing = level.is_some();
        }
        self.path("line", class, &path);
    }

    /// Levels as of `steps` that are not joined.
    pub(super) fn dashes(&mut self, class: &str, levels: &[Option<f64>]) {
        let mut path = String::new();
        for (number, level) in levels.iter().enumerate() {
            if let Some(level) = level {
                let (left, right) = part(number, levels.len());
                let _ = write!(path, "M{left:.1} {:.1}H{right:.1}", y(*level));
            }
        }
        self.path("line", class, &path);
    }

    /// What is between two levels in each of equal parts of the width.
    pub(super) fn band(&mut self, class: &str, levels: &[Option<(f64, f64)>]) {
        let mut path = String::new();
        for (number, level) in levels.iter().enumerate() {
            if let Some((low, high)) = level
                && high > low
            {
                let (left, right) = part(number, levels.len());
                let _ = write!(path, "M{left:.1} {:.1}V{:.1}H{right:.1}V{:.1}Z", y(*low), y(*high), y(*low));
            }
        }
        self.path("band", class, &path);
    }

    fn path(&mut self, kind: &str, class: &str, path: &str) {
        if !path.is_empty() {
            let _ = write!(self.marks, "<path class=\"{kind} {class}\" d=\"{path}\"/>");
        }
    }

    /// What a reader sees who points between two positions.
    pub(super) fn hover(&mut self, left: f64, right: f64, text: &str) {
        let _ = write!(
            self.hovers,
            "<rect class=\"hover\" x=\"{:.1}\" width=\"{:.1}\" height=\"{HEIGHT}\"><title>{}</title></rect>",
            x(left),
            x(right) - x(left),
            EscapedLines(text)
        );
    }

    /// The whole, with what it shows in words.
    pub(super) fn finish(self, class: &str, label: &str) -> String {
        let Plot { grid, vertical, horizontal, marks, hovers } = self;
        format!(
            "<div class=\"plot {class}\"><svg class=\"vertical\" aria-hidden=\"true\">{vertical}</svg>\
             <svg class=\"drawing\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
             aria-label=\"{}\">{grid}{marks}{hovers}</svg>\
             <svg class=\"horizontal\" aria-hidden=\"true\">{horizontal}</svg></div>\n",
            Escaped(label)
        )
    }
}

/// Several lines, each escaped.
struct EscapedLines<'a>(&'a str);

impl std::fmt::Display for EscapedLines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, line) in self.0.lines().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", Escaped(line))?;
        }
        Ok(())
    }
}

fn x(at: f64) -> f64 {
    at * WIDTH
}

fn y(at: f64) -> f64 {
    HEIGHT - at * HEIGHT
}

/// Where one of equal parts of the width begins and ends.
fn part(number: usize, parts: usize) -> (f64, f64) {
    (x(number as f64 / parts as f64), x((number + 1) as f64 / parts as f64))
}
