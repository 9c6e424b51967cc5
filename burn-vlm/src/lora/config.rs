//! What an adapter is made of.

use crate::error::VlmError;
use serde::{Deserialize, Serialize};

/// Every linear layer of the blocks and of the projector, as PEFT calls it.
pub const ALL_LINEAR: &str = "all-linear";

/// Low-rank adaptation ([arXiv:2106.09685](https://arxiv.org/abs/2106.09685)): a frozen layer
/// `W x` becomes `W x + s · B A dropout(x)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// r, rows of A; 0 for no adapter.
    pub rank: usize,
    /// α; s = α / r.
    pub alpha: f64,
    /// Share of the adapter's inputs that are left out while it is trained.
    pub dropout: f64,
    /// Whether s = α / √r instead ([arXiv:2312.03732](https://arxiv.org/abs/2312.03732)).
    pub rslora: bool,
    /// Whether completions are sampled with the adapter added to the weights, which is faster and
    /// takes a copy of those weights, rather than beside them.
    pub merge_rollouts: bool,
    /// Which layers: `all-linear`, or the last components of their names, as `q_proj`.
    pub target_modules: Vec<String>,
    /// Which parts of the model: leading components of names, as `model.layers.0..8` or `visual`;
    /// empty for all.
    pub layers: Vec<String>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            rank: 0,
            alpha: 16.0,
            dropout: 0.0,
            rslora: false,
            merge_rollouts: true,
            target_modules: vec![ALL_LINEAR.into()],
            layers: vec![],
        }
    }
}

impl LoraConfig {
    /// Whether there is an adapter at all.
    pub fn is_on(&self) -> bool {
        self.rank > 0
    }

    /// s
    pub fn scale(&self) -> f64 {
        self.alpha / self.divisor(self.rank)
    }

    /// What α is divided by in an adapter of this rank.
    pub(super) fn divisor(&self, rank: usize) -> f64 {
        let r = rank as f64;
        if self.rslora { r.sqrt() } else { r }
    }

    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// The key, what was found and what was expected.
    pub fn check(&self) -> Result<(), VlmError> {
        let refuse = |key: &str, found: String, expected: &str| {
            let message = format!("lora.{key} is {found}, expected {expected}");
            Err(VlmError::Request(message))
        };
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return refuse("alpha", self.alpha.to_string(), "more than 0");
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return refuse("dropout", self.dropout.to_string(), "0 to less than 1");
        }
        if self.target_modules.is_empty() {
            let expected = format!("`{ALL_LINEAR}` or names of layers");
            return refuse("target_modules", "empty".into(), &expected);
        }
        Ok(())
    }
}
