//! Measuring on held-out data.

use super::{RolloutConfig, TrainConfig};
use crate::{error::RlError, types::StopTexts};
use burn_vlm::generate::Sampling;
use serde::{Deserialize, Serialize};

/// Measuring on held-out data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct EvalConfig {
    /// A JSONL file; empty for no evaluation.
    pub data: String,
    /// How the set is called in metrics.
    pub name: String,
    /// Steps between evaluations; there is one before the first step and one after the last in
    /// any case. 0 for no others.
    pub every: u64,
    /// Rows used, from the first; 0 for all.
    pub samples: usize,
    /// Completions of each row: with more than one, pass@k is estimated for k up to that many.
    pub draws: usize,
    /// Divides the logits; 0 is greedy.
    pub temperature: f64,
    /// Mass of the most likely tokens that are kept.
    pub top_p: f64,
    /// A completion is cut after this many tokens.
    pub max_new_tokens: usize,
    /// Stop strings, as `rollout.stop`; empty for those of `rollout.stop`.
    pub stop: Vec<String>,
    /// Whether the stop string is part of the text that is judged.
    pub include_stop_string: bool,
    /// Which weights are measured.
    pub weights: EvalWeights,
}

/// Which weights are measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EvalWeights {
    /// The policy's.
    #[default]
    Policy,
    /// Their moving average.
    Average,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            data: String::new(),
            name: "eval".into(),
            every: 0,
            samples: 0,
            draws: 1,
            temperature: 0.0,
            top_p: 1.0,
            max_new_tokens: 512,
            stop: vec![],
            include_stop_string: false,
            weights: EvalWeights::Policy,
        }
    }
}

impl EvalConfig {
    /// The stop strings.
    pub fn stop_texts(&self) -> StopTexts {
        StopTexts {
            strings: self.stop.clone().into(),
            include: self.include_stop_string,
        }
    }

    /// The same with the stop strings of rollouts where it has none.
    pub(crate) fn of_run(&self, rollout: &RolloutConfig) -> Self {
        let mut own = self.clone();
        if own.stop.is_empty() {
            own.stop.clone_from(&rollout.stop);
            own.include_stop_string = rollout.include_stop_string;
        }
        own
    }

    /// How completions are drawn.
    pub fn sampling(&self) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_p: self.top_p,
            max_new_tokens: self.max_new_tokens,
            ..Sampling::default()
        }
    }

    pub(super) fn check(&self, train: &TrainConfig) -> Result<(), RlError> {
        let refuse = |message: String| Err(RlError::Config(message));
        if self.draws == 0 {
            return refuse("eval.draws is 0, expected at least 1".into());
        }
        if self.draws > 1 && self.temperature == 0.0 {
            return refuse(format!(
                "eval.draws is {}, but at eval.temperature 0 all completions of a row are alike: \
                 expected a temperature above 0, or 1 draw",
                self.draws
            ));
        }
        if self.top_p < 1.0 && self.temperature == 0.0 {
            return refuse(format!(
                "eval.top_p is {}, but at eval.temperature 0 the most likely token is taken every \
                 time: expected a temperature above 0, or 1",
                self.top_p
            ));
        }
        if self.weights == EvalWeights::Average && train.average_decay == 0.0 {
            return refuse(
                "eval.weights is `average`, but train.average_decay is 0: expected a decay above \
                 0, or `policy`"
                    .into(),
            );
        }
        let sampling = self.sampling().check();
        sampling.map_err(|e| RlError::Config(format!("eval.{e}")))
    }
}
