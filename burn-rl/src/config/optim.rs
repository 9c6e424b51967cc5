//! AdamW and its schedule.

use crate::error::RlError;
use serde::{Deserialize, Serialize};

/// AdamW and its schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct OptimConfig {
    /// Peak learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled decay of matrices; norms, biases and other vectors have none.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; 0 for no limit.
    pub max_grad_norm: f64,
    /// Steps in which the rate rises from 0.
    pub warmup_steps: u64,
    /// The same as a share of all steps, rounded up; only one of the two may be given.
    pub warmup_ratio: f64,
    /// What the rate does then.
    pub schedule: LrSchedule,
    /// Where a cosine or a line ends, as a share of the peak.
    pub min_lr_ratio: f64,
}

/// The rate after the warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LrSchedule {
    /// Stays.
    #[default]
    Constant,
    /// Falls toward `min_lr_ratio` along half a cosine.
    Cosine,
    /// Falls toward `min_lr_ratio` in equal parts.
    Linear,
}

impl Default for OptimConfig {
    fn default() -> Self {
        Self {
            lr: 1e-6,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            warmup_steps: 0,
            warmup_ratio: 0.0,
            schedule: LrSchedule::Constant,
            min_lr_ratio: 0.0,
        }
    }
}

impl OptimConfig {
    /// Refuses values out of range; `section` is what the message calls this one.
    pub(super) fn check(&self, section: &str) -> Result<(), RlError> {
        let ranges = [
            // A step of AdamW is the rate long: more than this leaves nothing of a weight.
            ("lr", self.lr, 0.0, 1e3),
            ("beta1", self.beta1, 0.0, 0.999_999),
            ("beta2", self.beta2, 0.0, 0.999_999),
            ("weight_decay", self.weight_decay, 0.0, 1e3),
            ("max_grad_norm", self.max_grad_norm, 0.0, f64::MAX),
            ("warmup_ratio", self.warmup_ratio, 0.0, 1.0),
            ("min_lr_ratio", self.min_lr_ratio, 0.0, 1.0),
        ];
        for (key, value, low, high) in ranges {
            super::in_range(&format!("{section}.{key}"), value, low, high)?;
        }
        if self.lr * self.weight_decay > 1.0 {
            return Err(RlError::Config(format!(
                "{section}.lr is {} and {section}.weight_decay is {}, expected a product of at most \
                 1: a weight loses that share of itself in a step",
                self.lr, self.weight_decay
            )));
        }
        // A parameter without a gradient would move by 0/0.
        if !(self.epsilon >= f64::from(f32::MIN_POSITIVE) && self.epsilon <= 1.0) {
            return Err(RlError::Config(format!(
                "{section}.epsilon is {}, expected more than 0 and at most 1",
                self.epsilon
            )));
        }
        if self.warmup_steps > 0 && self.warmup_ratio > 0.0 {
            return Err(RlError::Config(format!(
                "{section}.warmup_steps is {} and {section}.warmup_ratio is {}, expected only one \
                 of them",
                self.warmup_steps, self.warmup_ratio
            )));
        }
        Ok(())
    }
}
