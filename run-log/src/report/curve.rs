//! What is done to a curve before it is drawn: smoothing, thinning, stacking, and its axis' ticks.

use crate::history::Point;

/// A curve is drawn with at most this many places along the x axis.
pub(super) const MAX_PLACES: usize = 220;

pub(super) fn finite_count(points: &[Point]) -> usize {
    points.iter().filter(|p| p.1.is_finite()).count()
}

pub(super) fn finite(points: &[Point]) -> Vec<Point> {
    points.iter().copied().filter(|p| p.1.is_finite()).collect()
}

/// Layers (step, base, top) on the steps that all curves have.
pub(super) fn stack(lines: &[(&str, Vec<Point>)]) -> Vec<Vec<(f64, f64, f64)>> {
    let Some((_, first)) = lines.first() else {
        return Vec::new();
    };
    let value = |points: &[Point], step: f64| {
        points
            .binary_search_by(|p| p.0.total_cmp(&step))
            .ok()
            .map(|at| points[at].1)
    };
    let mut layers = vec![Vec::new(); lines.len()];
    for (step, _) in first {
        let Some(values) = lines
            .iter()
            .map(|(_, p)| value(p, *step))
            .collect::<Option<Vec<f64>>>()
        else {
            continue;
        };
        let mut base = 0.0;
        for (layer, value) in layers.iter_mut().zip(values) {
            layer.push((*step, base, base + value));
            base += value;
        }
    }
    layers
}

/// Each point on the least-squares line through its neighbours, about a fifteenth of the curve: a
/// moving average that neither bends a slope nor follows the noise at the ends.
pub(super) fn smooth(points: &[Point]) -> Vec<Point> {
    let reach = (points.len() / 30).max(3);
    let fit = |(i, here): (usize, &Point)| {
        let near = &points[i.saturating_sub(reach)..(i + reach + 1).min(points.len())];
        let count = near.len() as f64;
        let mean_x = near.iter().map(|p| p.0).sum::<f64>() / count;
        let mean_y = near.iter().map(|p| p.1).sum::<f64>() / count;
        let spread: f64 = near.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
        let joint: f64 = near.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
        let slope = if spread > 0.0 { joint / spread } else { 0.0 };
        (here.0, mean_y + slope * (here.0 - mean_x))
    };
    points.iter().enumerate().map(fit).collect()
}

/// At most about two points for each place: the lowest and the highest there, so that no spike is
/// lost.
pub(super) fn envelope(points: &[Point]) -> Vec<Point> {
    if points.len() <= MAX_PLACES {
        return points.to_vec();
    }
    let mut out = Vec::with_capacity(2 * MAX_PLACES);
    for chunk in points.chunks(points.len().div_ceil(MAX_PLACES)) {
        let by_value = |a: &&Point, b: &&Point| a.1.total_cmp(&b.1);
        if let (Some(low), Some(high)) =
            (chunk.iter().min_by(by_value), chunk.iter().max_by(by_value))
        {
            let (a, b) = if low.0 <= high.0 {
                (low, high)
            } else {
                (high, low)
            };
            out.push(*a);
            if a.0 != b.0 {
                out.push(*b);
            }
        }
    }
    out
}

/// At most `count` items, evenly spread, with the first and the last.
pub(super) fn thin<T: Copy>(items: &[T], count: usize) -> Vec<T> {
    if items.len() <= count {
        return items.to_vec();
    }
    (0..count)
        .map(|i| items[i * (items.len() - 1) / (count - 1)])
        .collect()
}

/// The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `rough`.
pub(super) fn nice(rough: f64) -> f64 {
    if !(rough.is_finite() && rough > 0.0) {
        return 1.0;
    }
    let power = 10_f64.powf(rough.log10().floor());
    let lead = rough / power;
    power
        * [1.0, 2.0, 2.5, 5.0]
            .into_iter()
            .find(|n| lead <= n * (1.0 + 1e-9))
            .unwrap_or(10.0)
}

/// Multiples of `tick` in a range.
pub(super) fn ticks(range: (f64, f64), tick: f64) -> Vec<f64> {
    let first = (range.0 / tick - 1e-9).ceil() as i64;
    let last = (range.1 / tick + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * tick).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        for (rough, round) in [
            (0.13, 0.2),
            (0.2, 0.2),
            (2.2, 2.5),
            (30.0, 50.0),
            (7e-6, 1e-5),
        ] {
            assert!(
                (nice(rough) / round - 1.0).abs() < 1e-12,
                "{rough}: {}",
                nice(rough)
            );
        }
        assert_eq!(ticks((0.0, 10.0), 2.5), [0.0, 2.5, 5.0, 7.5, 10.0]);
    }

    #[test]
    fn smoothing_keeps_a_straight_line_and_the_envelope_keeps_spikes() {
        let line: Vec<Point> = (0..1000).map(|i| (i as f64, 3.0 * i as f64)).collect();
        for (a, b) in smooth(&line).iter().zip(&line) {
            assert!((a.1 - b.1).abs() < 1e-9);
        }
        let mut spiky = line.clone();
        spiky[517].1 = 1e6;
        let drawn = envelope(&spiky);
        assert!(drawn.len() <= 2 * MAX_PLACES && drawn.contains(&(517.0, 1e6)));
        assert!(drawn.windows(2).all(|w| w[0].0 < w[1].0));
        let thinned = thin(&line, 60);
        assert_eq!(
            (thinned.len(), thinned[0], thinned[59]),
            (60, line[0], line[999])
        );
    }

    #[test]
    fn stacked_layers_add_up() {
        let a = vec![(1.0, 2.0), (2.0, 3.0)];
        let b = vec![(1.0, 4.0), (3.0, 9.0)];
        let layers = stack(&[("a", a), ("b", b)]);
        assert_eq!(layers, [vec![(1.0, 0.0, 2.0)], vec![(1.0, 2.0, 6.0)]]);
    }
}
