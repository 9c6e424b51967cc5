//! Groups that passed the filters, on their way to an update; some wait from step to step.

use crate::{
    data::{Drawn, PromptSource},
    error::RlError,
    filter::{GroupBuffer, RefillCount},
    types::{Group, Prompt, Sample},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// A group that passed the filters: what an update needs of it.
#[derive(Debug, Clone)]
pub struct TrainGroup {
    /// Position of its prompt in the walk over the data. Each position is visited once, so it names the
    /// group for as long as the run lasts.
    pub position: u64,
    /// What the model read.
    pub prompt: Arc<Prompt>,
    /// What it answered, draw after draw.
    pub responses: Vec<Vec<u32>>,
    /// Rewards, masks and log-probabilities of the answers.
    pub samples: Vec<Sample>,
}

impl TrainGroup {
    /// The group of the prompt at `position`, with what an algorithm sees of it.
    pub fn new(position: u64, group: &Group, samples: Vec<Sample>) -> Self {
        Self {
            position,
            prompt: group.prompt.clone(),
            responses: group.rollouts.iter().map(|r| r.tokens.clone()).collect(),
            samples,
        }
    }
}

/// Where sampling stands: a part of a checkpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingState {
    /// Prompts drawn so far.
    drawn: u64,
    /// Rollouts since the last update.
    refills: RefillCount,
    /// Groups that wait for an update.
    waiting: Vec<SavedGroup>,
}

impl SamplingState {
    /// The state of a run that has drawn so many prompts.
    pub fn new(drawn: u64, batch: &GroupBuffer<TrainGroup>) -> Self {
        Self {
            drawn,
            refills: batch.refills().clone(),
            waiting: batch.waiting().iter().map(SavedGroup::new).collect(),
        }
    }

    /// Continues from it: gives the number of prompts drawn and of groups left out, and refills
    /// `batch`.
    ///
    /// # Errors
    /// A waiting group whose row is no longer as it was, unless `other_rows` leaves it out; `path`
    /// is what the message calls the state.
    pub fn restore(
        self,
        batch: &mut GroupBuffer<TrainGroup>,
        train: &mut dyn PromptSource,
        other_rows: OtherRows,
        path: &Path,
    ) -> Result<(u64, usize), RlError> {
        let saved = self.waiting.len();
        let mut groups = vec![];
        for group in self.waiting {
            match group.group(train) {
                Ok(group) => groups.push(group),
                Err(_) if other_rows == OtherRows::LeaveOut => {}
                Err(message) => {
                    let path = path.into();
                    return Err(RlError::Checkpoint { path, message });
                }
            }
        }
        let left_out = saved - groups.len();
        batch.restore(groups, self.refills);
        Ok((self.drawn, left_out))
    }
}

/// What becomes of a group that waits on a row which is no longer as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OtherRows {
    /// It is refused.
    #[default]
    Refuse,
    /// It is left out.
    LeaveOut,
}

/// A [`TrainGroup`] in a file. Its prompt is read from the data again; numbers are the bits of floats,
/// because JSON has no NaN and not every reader gives the last bit back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedGroup {
    position: u64,
    prompt_id: String,
    /// As [`Prompt::digest`] gives it.
    prompt: String,
    responses: Vec<Vec<u32>>,
    samples: Vec<SavedSample>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedSample {
    reward: u64,
    parts: BTreeMap<String, u64>,
    token_rewards: Vec<u64>,
    greedy_reward: Option<u64>,
    truncated: bool,
    mask: Vec<bool>,
    /// Not in states that were written before the two differed.
    #[serde(default)]
    sampler_logp: Vec<u32>,
    #[serde(rename = "sample_logp")]
    behaviour_logp: Vec<u32>,
    old_logp: Vec<u32>,
}

impl SavedGroup {
    fn new(group: &TrainGroup) -> Self {
        Self {
            position: group.position,
            prompt_id: group.prompt.id.clone(),
            prompt: group.prompt.digest(),
            responses: group.responses.clone(),
            samples: group.samples.iter().map(SavedSample::new).collect(),
        }
    }

    /// The group with its prompt; what is wrong where that is no longer there.
    fn group(self, train: &mut dyn PromptSource) -> Result<TrainGroup, String> {
        let refuse = |found: String| {
            format!(
                "a group waits for an update with answers to the row `{}`, but {found}; put the \
                 data back as they were, or leave such groups out with --accept-changed-data",
                self.prompt_id
            )
        };
        let drawn = train.draw(self.position, 1);
        let drawn = drawn.map_err(|e| refuse(format!("it cannot be read: {e}")))?;
        let found = drawn.into_iter().find(|d| d.position == self.position);
        let Some(Drawn { prompt, .. }) = found else {
            return Err(refuse("it is left out now".into()));
        };
        if prompt.id != self.prompt_id {
            return Err(refuse(format!("in its place is `{}` now", prompt.id)));
        }
        if prompt.digest() != self.prompt {
            return Err(refuse("it is read as other tokens or pictures now".into()));
        }
        Ok(TrainGroup {
            position: self.position,
            prompt,
            responses: self.responses,
            samples: self.samples.into_iter().map(SavedSample::sample).collect(),
        })
    }
}

impl SavedSample {
    fn new(sample: &Sample) -> Self {
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect();
        Self {
            reward: sample.reward.to_bits(),
            parts: sample
                .parts
                .iter()
                .map(|(name, value)| (name.clone(), value.to_bits()))
                .collect(),
            token_rewards: sample.token_rewards.iter().map(|v| v.to_bits()).collect(),
            greedy_reward: sample.greedy_reward.map(f64::to_bits),
            truncated: sample.truncated,
            mask: sample.mask.clone(),
            sampler_logp: bits(&sample.sampler_logp),
            behaviour_logp: bits(&sample.behaviour_logp),
            old_logp: bits(&sample.old_logp),
        }
    }

    fn sample(self) -> Sample {
        let floats = |bits: Vec<u32>| bits.into_iter().map(f32::from_bits).collect();
        Sample {
            reward: f64::from_bits(self.reward),
            parts: self
                .parts
                .into_iter()
                .map(|(name, bits)| (name, f64::from_bits(bits)))
                .collect(),
            token_rewards: self.token_rewards.into_iter().map(f64::from_bits).collect(),
            greedy_reward: self.greedy_reward.map(f64::from_bits),
            truncated: self.truncated,
            mask: self.mask,
            sampler_logp: floats(self.sampler_logp),
            behaviour_logp: floats(self.behaviour_logp),
            old_logp: floats(self.old_logp),
            ..Sample::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_survives_the_file_to_the_bit() {
        let sample = Sample {
            reward: f64::NAN,
            parts: [("accuracy".to_owned(), 0.1 + 0.2)].into(),
            token_rewards: vec![-0.0],
            greedy_reward: Some(f64::INFINITY),
            truncated: true,
            mask: vec![true, false],
            sampler_logp: vec![-0.2, 0.0],
            behaviour_logp: vec![-0.1, f32::NEG_INFINITY],
            old_logp: vec![1e-45],
            ..Sample::default()
        };
        let saved = SavedSample::new(&sample);
        let json = serde_json::to_string(&saved).unwrap();
        let back: SavedSample = serde_json::from_str(&json).unwrap();
        let back = back.sample();
        assert_eq!(
            format!("{:?}", SavedSample::new(&back)),
            format!("{saved:?}")
        );
        assert!(back.reward.is_nan() && back.behaviour_logp[1] == f32::NEG_INFINITY);
    }
}
