//! Line charts and stacked areas as inline SVG, readable by pointer without any script.

use super::curve::{MAX_PLACES, envelope, finite, finite_count, nice, smooth, stack, thin, ticks};
use super::text::{escape, number, thousands};
use crate::history::Point;

/// Size of a chart in its own units; the page scales it to the width of its card.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 196.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = 392.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 172.0;

/// As many places along the x axis answer to the pointer.
const MAX_READOUTS: usize = 60;
/// Shorter curves are shown as they are; longer ones get a smoothed line over the raw one.
const MIN_SMOOTHED: usize = 16;

/// What the numbers of a chart are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Unit {
    /// A part of a whole, 0 to 1, shown in per cent.
    Share,
    /// Anything, drawn from zero.
    Plain,
    /// Anything whose distance from zero means nothing.
    Free,
    Tokens,
    Nats,
    Seconds,
    TokensPerSecond,
    Bytes,
}

impl Unit {
    /// What values are multiplied by, and what they are then called.
    fn scale(self, largest: f64) -> (f64, &'static str) {
        match self {
            Unit::Share => (100.0, "%"),
            Unit::Plain | Unit::Free => (1.0, ""),
            Unit::Tokens => (1.0, "tokens"),
            Unit::Nats => (1.0, "nats"),
            Unit::Seconds => (1.0, "s"),
            Unit::TokensPerSecond => (1.0, "tokens/s"),
            Unit::Bytes if largest >= 1e9 => (1e-9, "GB"),
            Unit::Bytes => (1e-6, "MB"),
        }
    }

    /// A value of this unit for people.
    pub fn show(self, value: f64) -> String {
        let (factor, name) = self.scale(value.abs());
        let text = self.bare(value, factor);
        if name.is_empty() {
            text
        } else {
            format!("{text} {name}")
        }
    }

    /// Two values of this unit, which is named once: `4.0`, `14.2 tokens`.
    pub fn show_two(self, first: f64, last: f64) -> (String, String) {
        let (factor, _) = self.scale(last.abs());
        (self.bare(first, factor), self.show(last))
    }

    fn bare(self, value: f64, factor: f64) -> String {
        let scaled = value * factor;
        match self {
            Unit::Share | Unit::Tokens if scaled.abs() < 1000.0 => format!("{scaled:.1}"),
            _ => number(scaled),
        }
    }
}

/// How a chart is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Lines,
    /// Few, exact values: a dot for each.
    Dots,
    /// Parts that add up.
    Stacked,
}

/// One chart in its card.
#[derive(Debug)]
pub(super) struct Chart {
    pub title: String,
    pub caption: String,
    pub unit: Unit,
    pub kind: Kind,
    pub lines: Vec<(String, Vec<Point>)>,
}

impl Chart {
    /// The card as HTML. `steps` is the range of the x axis, the same in all charts of a page.
    pub fn render(&self, steps: (f64, f64)) -> String {
        let finite: Vec<(&str, Vec<Point>)> = self
            .lines
            .iter()
            .map(|(name, points)| (name.as_str(), finite(points)))
            .filter(|(_, points)| !points.is_empty())
            .collect();
        let not_finite: usize = self
            .lines
            .iter()
            .map(|(_, p)| p.len() - finite_count(p))
            .sum();
        let plot = Plot::new(self, &finite, steps);
        let mut body = plot.axes();
        if self.kind == Kind::Stacked {
            body += &plot.areas(&finite);
        } else {
            for (i, (_, points)) in finite.iter().enumerate() {
                body += &plot.line(i, points, self.kind);
            }
        }
        body += &plot.readouts(self, &finite);
        let warning = match not_finite {
            0 => String::new(),
            1 => "<p class=\"warn\">1 value was not finite.</p>".to_owned(),
            n => format!(
                "<p class=\"warn\">{} values were not finite.</p>",
                thousands(n as f64)
            ),
        };
        format!(
            "<figure class=\"chart\"><figcaption><h3>{title}{last}</h3><p>{caption}</p>{legend}\
             {warning}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"{label}\">{body}</svg></figure>\n",
            title = escape(&self.title),
            last = self.last_value(&finite),
            caption = escape(&self.caption),
            legend = self.legend(&finite),
            label = escape(&self.spoken(&finite)),
        )
    }

    fn last_value(&self, lines: &[(&str, Vec<Point>)]) -> String {
        match lines {
            [(_, points)] => points.last().map_or(String::new(), |p| {
                format!("<b class=\"last\">{}</b>", escape(&self.unit.show(p.1)))
            }),
            _ => String::new(),
        }
    }

    fn legend(&self, lines: &[(&str, Vec<Point>)]) -> String {
        if lines.len() < 2 {
            return String::new();
        }
        let item = |(i, (name, points)): (usize, &(&str, Vec<Point>))| {
            let last = points.last().map_or(String::new(), |p| self.in_chart(p.1));
            format!(
                "<li class=\"c{}\">{} <b>{}</b></li>",
                i % 5,
                escape(name),
                escape(&last)
            )
        };
        format!(
            "<ul class=\"legend\">{}</ul>",
            lines.iter().enumerate().map(item).collect::<String>()
        )
    }

    /// A value where the axis already names the unit; a share keeps its sign.
    fn in_chart(&self, value: f64) -> String {
        match self.unit {
            Unit::Tokens => self.unit.bare(value, 1.0),
            Unit::Nats | Unit::TokensPerSecond => number(value),
            unit => unit.show(value),
        }
    }

    /// The chart for those who cannot see it.
    fn spoken(&self, lines: &[(&str, Vec<Point>)]) -> String {
        let ends = |(name, points): &(&str, Vec<Point>)| {
            let (first, last) = (points.first()?, points.last()?);
            Some(format!(
                "{name} from {} to {}",
                self.unit.show(first.1),
                self.unit.show(last.1)
            ))
        };
        format!(
            "{}: {}",
            self.title,
            lines.iter().filter_map(ends).collect::<Vec<_>>().join("; ")
        )
    }
}

/// From numbers to places.
struct Plot {
    factor: f64,
    unit: &'static str,
    x: (f64, f64),
    y: (f64, f64),
    y_tick: f64,
}

impl Plot {
    fn new(chart: &Chart, lines: &[(&str, Vec<Point>)], steps: (f64, f64)) -> Self {
        let values = || {
            lines
                .iter()
                .flat_map(|(_, points)| points.iter().map(|p| p.1))
        };
        let mut high = values().fold(f64::NEG_INFINITY, f64::max);
        let mut low = values().fold(f64::INFINITY, f64::min);
        if chart.kind == Kind::Stacked {
            high = stack(lines)
                .iter()
                .flat_map(|l| l.iter().map(|p| p.2))
                .fold(0.0, f64::max);
        }
        if !(high.is_finite() && low.is_finite()) {
            (low, high) = (0.0, 1.0);
        }
        let (factor, unit) = chart.unit.scale(high.abs());
        if chart.unit != Unit::Free {
            low = low.min(0.0);
        }
        if chart.unit == Unit::Share && high > 0.5 {
            high = high.max(1.0);
        }
        if high - low <= low.abs() * 1e-9 {
            let room = if high == 0.0 { 1.0 } else { high.abs() * 0.5 };
            (low, high) = (if low == 0.0 { 0.0 } else { low - room }, high + room);
        }
        let (low, high) = (low * factor, high * factor);
        let y_tick = nice((high - low) / 4.0);
        let y = (
            (low / y_tick + 1e-9).floor() * y_tick,
            (high / y_tick - 1e-9).ceil() * y_tick,
        );
        Self {
            factor,
            unit,
            x: steps,
            y,
            y_tick,
        }
    }

    fn px(&self, step: f64) -> f64 {
        let span = self.x.1 - self.x.0;
        if span <= 0.0 {
            return (LEFT + RIGHT) / 2.0;
        }
        LEFT + (step - self.x.0) / span * (RIGHT - LEFT)
    }

    fn py(&self, value: f64) -> f64 {
        BOTTOM - (value * self.factor - self.y.0) / (self.y.1 - self.y.0) * (BOTTOM - TOP)
    }

    fn axes(&self) -> String {
        let mut out = String::new();
        let base = self.base();
        for value in ticks(self.y, self.y_tick) {
            let y = self.py(value / self.factor);
            let class = if value == 0.0 { "zero" } else { "grid" };
            out += &format!(
                "<path class=\"{class}\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/><text x=\"{:.0}\" \
                 y=\"{:.1}\" class=\"e\">{}</text>",
                LEFT - 6.0,
                y + 3.5,
                axis_number(value - base)
            );
        }
        let x_tick = nice((self.x.1 - self.x.0) / 5.0).max(1.0);
        for step in ticks(self.x, x_tick) {
            let x = self.px(step);
            out += &format!(
                "<text x=\"{x:.1}\" y=\"{:.0}\" class=\"m\">{}</text>",
                BOTTOM + 16.0,
                axis_number(step)
            );
        }
        let step_y = BOTTOM + 16.0;
        let above = match base {
            0.0 => self.unit.to_owned(),
            base => format!("{} + … {}", number(base), self.unit),
        };
        out + &format!(
            "<text x=\"0\" y=\"10\">{}</text><text x=\"0\" y=\"{step_y}\">step</text>",
            above.trim_end()
        )
    }

    /// What the labels of the y axis count from: 0, or where a narrow range far from 0 would have
    /// the same label all along, its rounded middle.
    fn base(&self) -> f64 {
        let labels: Vec<String> = ticks(self.y, self.y_tick)
            .into_iter()
            .map(axis_number)
            .collect();
        if labels.windows(2).all(|pair| pair[0] != pair[1]) {
            return 0.0;
        }
        let middle = (self.y.0 + self.y.1) / 2.0;
        let power = 10_f64.powf(middle.abs().log10().floor() - 2.0);
        (middle / power).round() * power
    }

    fn line(&self, index: usize, points: &[Point], kind: Kind) -> String {
        let class = index % 5;
        let path = |class: &str, points: &[Point]| {
            format!("<path class=\"{class}\" d=\"{}\"/>", self.path(points))
        };
        let mut out = format!("<g class=\"c{class}\">");
        if kind == Kind::Lines && points.len() >= MIN_SMOOTHED {
            out += &path("raw", &envelope(points));
            out += &path("line", &thin(&smooth(points), MAX_PLACES));
        } else {
            out += &path("line", &envelope(points));
            if points.len() <= MAX_READOUTS {
                for (step, value) in points {
                    let (x, y) = (self.px(*step), self.py(*value));
                    out +=
                        &format!("<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.4\"/>");
                }
            }
        }
        out + "</g>"
    }

    fn path(&self, points: &[Point]) -> String {
        let place = |(i, (step, value)): (usize, &Point)| {
            let letter = if i == 0 { 'M' } else { 'L' };
            format!("{letter}{:.1} {:.1}", self.px(*step), self.py(*value))
        };
        points.iter().enumerate().map(place).collect()
    }

    fn areas(&self, lines: &[(&str, Vec<Point>)]) -> String {
        let mut out = String::new();
        for (i, layer) in stack(lines).iter().enumerate() {
            let layer = thin(layer, MAX_PLACES);
            let top: Vec<Point> = layer.iter().map(|p| (p.0, p.2)).collect();
            let base: Vec<Point> = layer.iter().rev().map(|p| (p.0, p.1)).collect();
            let d = format!("{}L{}Z", self.path(&top), &self.path(&base)[1..]);
            out += &format!("<path class=\"area c{}\" d=\"{d}\"/>", i % 5);
        }
        out
    }

    /// Invisible columns that show a guide and the numbers while the pointer is over them.
    fn readouts(&self, chart: &Chart, lines: &[(&str, Vec<Point>)]) -> String {
        let mut steps: Vec<f64> = lines
            .iter()
            .flat_map(|(_, p)| p.iter().map(|p| p.0))
            .collect();
        steps.sort_by(f64::total_cmp);
        steps.dedup();
        let steps = thin(&steps, MAX_READOUTS);
        let mut out = String::new();
        for (i, step) in steps.iter().enumerate() {
            let x = self.px(*step);
            let from = if i == 0 {
                LEFT
            } else {
                (self.px(steps[i - 1]) + x) / 2.0
            };
            let to = steps
                .get(i + 1)
                .map_or(RIGHT, |next| (self.px(*next) + x) / 2.0);
            let mut text = format!("step {}", thousands(*step));
            let mut dots = String::new();
            for (k, (name, points)) in lines.iter().enumerate() {
                let Ok(at) = points.binary_search_by(|p| p.0.total_cmp(step)) else {
                    continue;
                };
                let shown = chart.in_chart(points[at].1);
                text += &match lines.len() {
                    1 => format!(" · {shown}"),
                    _ => format!(" · {name} {shown}"),
                };
                if chart.kind != Kind::Stacked {
                    let y = self.py(points[at].1);
                    dots += &format!(
                        "<circle class=\"c{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>",
                        k % 5
                    );
                }
            }
            out += &format!(
                "<g class=\"h\"><rect x=\"{from:.1}\" y=\"0\" width=\"{:.1}\" height=\"{HEIGHT}\"/>\
                 <path d=\"M{x:.1} {TOP}V{BOTTOM}\"/>{dots}<text x=\"{RIGHT}\" y=\"10\" \
                 class=\"e\">{}</text></g>",
                (to - from).max(0.0),
                escape(&text)
            );
        }
        out
    }
}

fn axis_number(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{}M", number(value / 1e6)),
        v if v >= 1e4 => format!("{}k", number(value / 1e3)),
        _ => number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_fall_inside_the_plot_for_any_numbers() {
        for values in [
            [0.0, 0.0],
            [-3.0, -3.0],
            [1e-9, 2e-9],
            [-5.0, 1e12],
            [0.2, 0.9],
        ] {
            for unit in [Unit::Share, Unit::Plain, Unit::Free, Unit::Bytes] {
                let points = vec![(0.0, values[0]), (1.0, values[1])];
                let lines = [("a", points)];
                let chart = Chart {
                    title: String::new(),
                    caption: String::new(),
                    unit,
                    kind: Kind::Lines,
                    lines: Vec::new(),
                };
                let plot = Plot::new(&chart, &lines, (0.0, 1.0));
                for value in values {
                    let y = plot.py(value);
                    assert!(
                        (TOP - 0.1..=BOTTOM + 0.1).contains(&y),
                        "{values:?} {unit:?}: {y}"
                    );
                }
                assert!(ticks(plot.y, plot.y_tick).len() <= 8, "{values:?} {unit:?}");
            }
        }
    }

    #[test]
    fn labels_of_a_narrow_range_differ() {
        let points = vec![(0.0, 1.000_001), (1.0, 1.000_009)];
        let chart = Chart {
            title: String::new(),
            caption: String::new(),
            unit: Unit::Free,
            kind: Kind::Lines,
            lines: Vec::new(),
        };
        let axes = Plot::new(&chart, &[("a", points)], (0.0, 1.0)).axes();
        assert!(axes.contains(">1 + …<"), "{axes}");
        assert!(axes.contains(">4e-6<") && axes.contains(">6e-6<"), "{axes}");
    }

    #[test]
    fn what_is_not_finite_is_reported_and_not_drawn() {
        let chart = Chart {
            title: "A <b>".into(),
            caption: String::new(),
            unit: Unit::Share,
            kind: Kind::Lines,
            lines: vec![("a".into(), vec![(0.0, 0.25), (1.0, f64::NAN), (2.0, 0.5)])],
        };
        let html = chart.render((0.0, 2.0));
        assert!(html.contains("1 value was not finite") && !html.contains("NaN"));
        assert!(html.contains("A &lt;b&gt;") && html.contains("50.0 %"));
    }
}
