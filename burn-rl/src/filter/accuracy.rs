//! Groups that are too hard or too easy.

use super::{Filter, Verdict};
use crate::{
    error::RlError,
    range::between,
    types::{RunFacts, Sample},
};

/// Keeps groups whose mean of a named reward part lies in a band, its bounds included, and groups
/// whose row is not judged by that part
/// (<https://github.com/ModalMinds/MM-EUREKA>, `experience_maker.py`).
#[derive(Debug, Clone, PartialEq)]
pub struct AccuracyBand {
    /// Name of the reward part.
    pub part: String,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

impl Filter for AccuracyBand {
    fn check(&self) -> Result<(), RlError> {
        between("accuracy_low", self.low, 0.0, 1.0)?;
        between("accuracy_high", self.high, 0.0, 1.0)?;
        match self.low > self.high {
            true => Err(RlError::Config(format!(
                "algo.accuracy_low is {}, expected at most algo.accuracy_high, which is {}",
                self.low, self.high
            ))),
            false => Ok(()),
        }
    }

    fn check_run(&self, run: &RunFacts) -> Result<(), RlError> {
        if run.reward_parts.contains(&self.part) {
            return Ok(());
        }
        Err(RlError::Config(format!(
            "algo.accuracy_part is `{}`, which no configured reward produces: expected one of: {}",
            self.part,
            run.reward_parts.join(", ")
        )))
    }

    fn verdict(&self, group: &[Sample]) -> Verdict {
        if !group.iter().any(|s| s.parts.contains_key(&self.part)) {
            return Verdict::Keep;
        }
        // A response without a part that others of the group have counts as 0.
        let sum: f64 = group.iter().filter_map(|s| s.parts.get(&self.part)).sum();
        let mean = sum / group.len().max(1) as f64;
        if mean < self.low {
            Verdict::Drop("too_hard")
        } else if mean > self.high {
            Verdict::Drop("too_easy")
        } else {
            Verdict::Keep
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(accuracies: &[f64]) -> Verdict {
        let sample = |accuracy: &f64| Sample {
            reward: 9.0,
            parts: [("accuracy".to_owned(), *accuracy)].into(),
            ..Sample::default()
        };
        let group: Vec<Sample> = accuracies.iter().map(sample).collect();
        let band = AccuracyBand {
            part: "accuracy".into(),
            low: 0.25,
            high: 0.75,
        };
        band.verdict(&group)
    }

    #[test]
    fn bounds_are_included() {
        assert_eq!(judge(&[0.0; 4]), Verdict::Drop("too_hard"));
        assert_eq!(judge(&[1.0, 0.0, 0.0, 0.0]), Verdict::Keep);
        assert_eq!(judge(&[1.0, 1.0, 1.0, 0.0]), Verdict::Keep);
        assert_eq!(judge(&[1.0; 4]), Verdict::Drop("too_easy"));
    }
}
