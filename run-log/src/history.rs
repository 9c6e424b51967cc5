//! The curves of a run.

use std::collections::HashMap;
use std::path::Path;

use crate::error::LogError;
use crate::metrics::Metrics;
use crate::step_log;

/// A point of a curve: the step and the value there, NaN where the file says `null`.
pub type Point = (f64, f64);

/// The curves of a run by name, in the order in which they first appear.
#[derive(Debug, Default)]
pub struct History {
    curves: Vec<(String, Vec<Point>)>,
}

impl History {
    /// Reads `metrics.jsonl`; empty if there is none yet.
    ///
    /// # Errors
    /// As [`step_log::read`].
    pub fn load(path: &Path) -> Result<Self, LogError> {
        let mut history = Self::default();
        let mut indices: HashMap<String, usize> = HashMap::new();
        for (step, metrics) in step_log::read(path)? {
            for (name, value) in metrics.iter() {
                let index = match indices.get(name) {
                    Some(index) => *index,
                    None => {
                        let index = history.curves.len();
                        indices.insert(name.to_owned(), index);
                        history.curves.push((name.to_owned(), Vec::new()));
                        index
                    }
                };
                history.curves[index].1.push((step as f64, value));
            }
        }
        for (_, points) in &mut history.curves {
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        Ok(history)
    }

    /// Adds the numbers of one more step.
    ///
    /// ```
    /// use run_log::{History, Metrics};
    ///
    /// let mut metrics = Metrics::new();
    /// metrics.set("reward/mean", 0.5);
    /// let mut history = History::default();
    /// history.add(1, &metrics);
    /// assert_eq!(history.get("reward/mean"), [(1.0, 0.5)]);
    /// ```
    pub fn add(&mut self, step: u64, metrics: &Metrics) {
        for (name, value) in metrics.iter() {
            let point = (step as f64, value);
            match self.curves.iter_mut().find(|(n, _)| n == name) {
                Some((_, points)) => points.push(point),
                None => self.curves.push((name.to_owned(), vec![point])),
            }
        }
    }

    /// The points of a metric; none if it was never written.
    pub fn get(&self, name: &str) -> &[Point] {
        self.curves
            .iter()
            .find(|(n, _)| n == name)
            .map_or(&[], |(_, points)| points)
    }

    /// All names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.curves.iter().map(|(name, _)| name.as_str())
    }

    /// First and last step of the run.
    pub fn steps(&self) -> Option<(f64, f64)> {
        let all = || {
            self.curves
                .iter()
                .flat_map(|(_, points)| points.iter().map(|p| p.0))
        };
        Some((all().reduce(f64::min)?, all().reduce(f64::max)?))
    }

    /// First and last finite value of a metric, with their steps.
    pub fn ends(&self, name: &str) -> Option<(Point, Point)> {
        let finite = || self.get(name).iter().filter(|p| p.1.is_finite());
        Some((*finite().next()?, *finite().next_back()?))
    }

    /// The evaluation sets that `eval/<set>/<metric>` names, in order.
    pub fn eval_sets(&self, metric: &str) -> Vec<&str> {
        fn set_of<'a>(name: &'a str, metric: &str) -> Option<&'a str> {
            let set = name
                .strip_prefix("eval/")?
                .strip_suffix(metric)?
                .strip_suffix('/')?;
            (!set.is_empty()).then_some(set)
        }
        self.names()
            .filter_map(|name| set_of(name, metric))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn null_is_not_a_number_and_a_torn_line_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let text = "{\"step\":0,\"eval/held_out/pass@1\":0.4}\n\
                    {\"step\":1,\"a\":null,\"note\":\"x\"}\n{\"step\":2,\"a\":2.5}\n{\"step\":3,\"a";
        fs::write(&path, text).unwrap();
        let history = History::load(&path).unwrap();
        assert_eq!(
            history.names().collect::<Vec<_>>(),
            ["eval/held_out/pass@1", "a"]
        );
        assert!(history.get("a")[0].1.is_nan());
        assert_eq!(history.ends("a"), Some(((2.0, 2.5), (2.0, 2.5))));
        assert_eq!(history.steps(), Some((0.0, 2.0)));
        assert_eq!(history.eval_sets("pass@1"), ["held_out"]);
        fs::write(&path, format!("oops\n{text}")).unwrap();
        assert!(matches!(
            History::load(&path),
            Err(LogError::Line { line: 1, .. })
        ));
    }
}
