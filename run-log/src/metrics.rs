//! The named numbers of one step, and where they go.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::LogError;

/// What a clock or a memory gauge says, and so differs between two runs that do the same.
const MEASURED: [&str; 3] = ["time/", "throughput/", "memory/"];

/// Whether a number of this name is measured rather than computed.
pub fn is_measured(name: &str) -> bool {
    MEASURED.iter().any(|prefix| name.starts_with(prefix))
}

/// The named numbers of one step, in the order in which they were first set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    entries: Vec<(String, f64)>,
}

impl Metrics {
    /// No numbers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a number; one that is there already keeps its place.
    pub fn set(&mut self, name: impl Into<String>, value: f64) {
        let name = name.into();
        match self.entries.iter_mut().find(|(n, _)| *n == name) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((name, value)),
        }
    }

    /// The number of that name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.entries
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| *v)
    }

    /// All numbers in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.entries.iter().map(|(n, v)| (n.as_str(), *v))
    }

    /// Sets every number of `other` here.
    pub fn merge(&mut self, other: Metrics) {
        for (name, value) in other.entries {
            self.set(name, value);
        }
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no number.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A JSON object in order. JSON has no NaN or infinity: such a number is `null`, which still says
/// that it was measured.
impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries.len()))?;
        for (name, value) in &self.entries {
            map.serialize_entry(name, &value.is_finite().then_some(value))?;
        }
        map.end()
    }
}

/// Somewhere the numbers of each step go.
pub trait Sink: Send {
    /// Takes the numbers of one step.
    ///
    /// # Errors
    /// [`LogError::Io`] if they cannot be written.
    fn step(&mut self, step: u64, metrics: &Metrics) -> Result<(), LogError>;

    /// Takes more numbers of a step that it was given already: an interrupted run measures what the
    /// step's weights are worth when it is continued.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    fn amend(&mut self, step: u64, more: &Metrics) -> Result<(), LogError> {
        self.step(step, more)
    }

    /// Hands everything taken so far to the operating system.
    ///
    /// # Errors
    /// [`LogError::Io`] if it cannot be written.
    fn flush(&mut self) -> Result<(), LogError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_first_setting() {
        let mut a = Metrics::new();
        a.set("z", 1.0);
        a.set("a", f64::NAN);
        let mut b = Metrics::new();
        b.set("m", f64::INFINITY);
        b.set("z", 3.0);
        a.merge(b);
        assert_eq!(
            serde_json::to_string(&a).unwrap(),
            r#"{"z":3.0,"a":null,"m":null}"#
        );
        assert_eq!(a.get("z"), Some(3.0));
        assert_eq!(a.get("y"), None);
    }
}
