//! What walks through a training step.

use crate::{digest::Digest, error::RlError};
use burn_rewards::{BoxCoordinates, ImageSize, Reward, RewardInput};
use burn_vlm::{EncodedPrompt, generate::FinishReason, rng::hash_text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, ops::Range, path::PathBuf, sync::Arc};

/// A data row made ready for the model.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// Identity of the row, unique in its file.
    pub id: String,
    /// The id as a number: what random draws are keyed by.
    pub key: u64,
    /// What the user wrote, for people.
    pub text: String,
    /// The picture files.
    pub images: Vec<PathBuf>,
    /// The gold answer; empty where a row has none.
    pub answer: String,
    /// The demonstrated response as tokens, stop token included, if the row has one.
    pub target: Option<Vec<u32>>,
    /// What else a reward may look at.
    pub context: RowContext,
    /// What the model reads.
    pub encoded: Arc<EncodedPrompt>,
}

impl Prompt {
    /// Numbers of a picture that its digest looks at.
    const PICTURE_SAMPLES: usize = 4096;

    /// A prompt of tokens alone, for a policy that reads nothing else. `id` is what random draws
    /// depend on.
    pub fn of_tokens(id: impl Into<String>, tokens: Vec<u32>, answer: impl Into<String>) -> Self {
        let id = id.into();
        let images = vec![];
        Self {
            key: hash_text(&id),
            text: id.clone(),
            id,
            images: vec![],
            answer: answer.into(),
            target: None,
            context: RowContext::default(),
            encoded: Arc::new(EncodedPrompt { tokens, images }),
        }
    }

    /// 16 hexadecimal digits of what the model reads and of the gold answer.
    pub(crate) fn digest(&self) -> String {
        let mut digest = Digest::new().text(&self.id).text(&self.answer);
        for token in &self.encoded.tokens {
            digest = digest.number(u64::from(*token));
        }
        for image in &self.encoded.images {
            digest = image.grid.iter().fold(digest, |d, n| d.number(*n as u64));
            // Spread over the picture: all of it would take longer than to read it.
            let stride = image.patches.len().div_ceil(Self::PICTURE_SAMPLES).max(1);
            let values = image.patches.iter().step_by(stride);
            digest = values.fold(digest, |d, value| d.number(u64::from(value.to_bits())));
        }
        digest.hex()
    }

    /// What a reward is told of a response to it, outside of any step.
    pub fn reward_input<'a>(&'a self, rollout: &'a Rollout) -> RewardInput<'a> {
        let context = &self.context;
        let mut input = RewardInput::new(&rollout.text, &self.answer)
            .with_answers(&context.answers)
            .with_prompt(&self.text)
            .with_response_tokens(rollout.tokens.len())
            .with_truncated(rollout.finish == FinishReason::Length)
            .with_row_id(&context.row_id)
            .with_set(&context.set)
            .with_fields(&context.fields)
            .with_prompt_end(&context.prompt_end)
            .with_images(&context.images)
            .with_image_files(&self.images);
        input.coordinates = context.coordinates;
        input
    }
}

/// A data row as rewards see it, without question and answer; part of each logged rollout, so that
/// it can be rewarded again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RowContext {
    /// The row's id in its file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub row_id: String,
    /// All answers that are accepted, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
    /// Name of the data set.
    pub set: Arc<str>,
    /// The row's fields, without its prompt and its pictures.
    pub fields: Arc<Map<String, Value>>,
    /// The last characters of the prompt as the model reads it, special tokens included.
    pub prompt_end: String,
    /// Sizes of the pictures.
    pub images: Vec<ImageSize>,
    /// What models of this family count boxes in.
    pub coordinates: Option<BoxCoordinates>,
}

/// One completion of a prompt. It is identified by (step, prompt id, draw), never by its text.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// The response, stop token included.
    pub tokens: Vec<u32>,
    /// Log-probability of each token under the policy that sampled it, at the temperature at which
    /// the learner takes log-probabilities
    /// ([`GenerationParams::logprob_temperature`](crate::rollout::GenerationParams)), without
    /// truncation or penalty.
    pub logprobs: Vec<f32>,
    /// Log-probability of each token under the behaviour policy, the distribution that it was drawn
    /// from: after penalty, temperature, top-k and top-p.
    pub behaviour_logprobs: Vec<f32>,
    /// Why it ended.
    pub finish: FinishReason,
    /// The response as text, without special tokens.
    pub text: String,
    /// The score.
    pub reward: Reward,
}

impl Rollout {
    /// A response that ended by itself, drawn from the policy as it is and not scored yet;
    /// `logprobs` has one number a token.
    pub fn new(tokens: Vec<u32>, logprobs: Vec<f32>, text: impl Into<String>) -> Self {
        Self {
            tokens,
            behaviour_logprobs: logprobs.clone(),
            logprobs,
            finish: FinishReason::Stop,
            text: text.into(),
            reward: Reward::default(),
        }
    }

    /// What an algorithm sees of it before any pass of the model.
    pub fn sample(&self) -> Sample {
        Sample {
            reward: self.reward.value,
            parts: self.reward.parts.iter().cloned().collect(),
            truncated: self.finish == FinishReason::Length,
            mask: vec![true; self.tokens.len()],
            sampler_logp: self.logprobs.clone(),
            behaviour_logp: self.behaviour_logprobs.clone(),
            ..Sample::default()
        }
    }
}

/// All completions of one prompt in one step.
#[derive(Debug, Clone)]
pub struct Group {
    /// The prompt.
    pub prompt: Arc<Prompt>,
    /// Which draw of the prompt in this step the first completion is: not 0 where a prompt came
    /// before in the same step.
    pub first_draw: u64,
    /// Its completions, by draw.
    pub rollouts: Vec<Rollout>,
}

impl Group {
    /// What an algorithm sees of it before any pass of the model.
    pub fn samples(&self) -> Vec<Sample> {
        self.rollouts.iter().map(Rollout::sample).collect()
    }
}

/// One completion as an algorithm sees it: numbers, one a response token where they are lists.
///
/// A list that no part of the algorithm needs is empty.
///
/// ```
/// use burn_rl::types::{Sample, ScoredBatch};
///
/// let sample = |reward, tokens| Sample { reward, mask: vec![true; tokens], ..Sample::default() };
/// let batch = ScoredBatch::from_groups([vec![sample(1.0, 3), sample(0.0, 5)], vec![sample(0.5, 2)]]);
/// assert_eq!(batch.groups, [0..2, 2..3]);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// The reward of the whole response.
    pub reward: f64,
    /// What the reward is made of, by name and without weights.
    pub parts: BTreeMap<String, f64>,
    /// Rewards of single tokens beside that of the whole response; usually empty.
    pub token_rewards: Vec<f64>,
    /// The reward of the greedy completion of the same prompt.
    pub greedy_reward: Option<f64>,
    /// Whether the response was cut at the length limit.
    pub truncated: bool,
    /// False for tokens that take no part in the loss.
    pub mask: Vec<bool>,
    /// Log-probabilities under the policy that sampled, by the sampler, at the temperature of the
    /// learner: what the trainer's own should equal.
    pub sampler_logp: Vec<f32>,
    /// Log-probabilities under the behaviour policy, the distribution that was sampled from.
    pub behaviour_logp: Vec<f32>,
    /// Log-probabilities under the policy before the update, by the trainer.
    pub old_logp: Vec<f32>,
    /// Log-probabilities under the reference model.
    pub ref_logp: Vec<f32>,
    /// The critic's values before the update: of the state in which each token was chosen.
    pub values: Vec<f32>,
}

impl Sample {
    /// Number of response tokens.
    pub fn len(&self) -> usize {
        self.mask.len()
    }

    /// Whether the response is empty.
    pub fn is_empty(&self) -> bool {
        self.mask.is_empty()
    }

    /// The last token that takes part in the loss: where the reward of the response arrives.
    pub fn last_active(&self) -> Option<usize> {
        self.mask.iter().rposition(|m| *m)
    }

    /// Number of tokens that take part in the loss.
    pub fn active(&self) -> usize {
        self.mask.iter().filter(|m| **m).count()
    }
}

/// The completions of a step on the host, group after group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScoredBatch {
    /// All samples.
    pub samples: Vec<Sample>,
    /// Which of them belong to one prompt.
    pub groups: Vec<Range<usize>>,
    /// What earlier steps left behind.
    pub carried: CarriedState,
}

/// The few numbers that advantages carry from step to step; part of a checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CarriedState {
    /// The moving average of rewards, once there is one.
    pub reward_average: Option<f64>,
    /// The weight of the KL, where a controller moves it away from its configured start.
    pub kl_coef: Option<f64>,
}

impl ScoredBatch {
    /// A batch of groups.
    pub fn from_groups(groups: impl IntoIterator<Item = Vec<Sample>>) -> Self {
        let mut batch = Self::default();
        for group in groups {
            let start = batch.samples.len();
            batch.samples.extend(group);
            batch.groups.push(start..batch.samples.len());
        }
        batch
    }

    /// Takes all tokens of some samples out of the loss; their rewards still count. An index that no
    /// sample has changes nothing.
    pub fn mask_out(&mut self, samples: impl IntoIterator<Item = usize>) {
        for i in samples {
            if let Some(sample) = self.samples.get_mut(i) {
                sample.mask.fill(false);
            }
        }
    }

    /// Refuses a batch whose lists do not fit together.
    ///
    /// # Errors
    /// A group of samples that are not there, or a list that has neither one number a response
    /// token nor none.
    pub fn check(&self) -> Result<(), RlError> {
        let n = self.samples.len();
        if let Some(group) = self.groups.iter().find(|g| g.start > g.end || g.end > n) {
            return Err(RlError::Config(format!(
                "a group has samples {group:?}, expected some of the {n} samples of the batch"
            )));
        }
        for (i, sample) in self.samples.iter().enumerate() {
            for (name, found) in [
                ("token_rewards", sample.token_rewards.len()),
                ("sampler_logp", sample.sampler_logp.len()),
                ("behaviour_logp", sample.behaviour_logp.len()),
                ("old_logp", sample.old_logp.len()),
                ("ref_logp", sample.ref_logp.len()),
                ("values", sample.values.len()),
            ] {
                let expected = sample.len();
                if found != 0 && found != expected {
                    return Err(RlError::Config(format!(
                        "sample {i} has {found} numbers in {name}, expected {expected}, one a \
                         response token"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Rewards while they are shaped, on the host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rewards {
    /// The reward of each response: what baselines and scales work on.
    pub outcomes: Vec<f64>,
    /// Rewards of single tokens: what is added along the way to the outcome.
    pub tokens: Vec<Vec<f64>>,
}

impl Rewards {
    /// The rewards of a batch as they came.
    pub fn new(batch: &ScoredBatch) -> Self {
        let tokens = |sample: &Sample| {
            let mut rewards = sample.token_rewards.clone();
            rewards.resize(sample.len(), 0.0);
            rewards
        };
        Self {
            outcomes: batch.samples.iter().map(|s| s.reward).collect(),
            tokens: batch.samples.iter().map(tokens).collect(),
        }
    }
}

/// What parts of an algorithm may know of the run they are put into, before it starts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFacts {
    /// Completions of each prompt.
    pub samples_per_prompt: usize,
    /// Longest response in tokens.
    pub max_new_tokens: usize,
    /// Names of the parts that the configured rewards produce.
    pub reward_parts: Vec<String>,
}

/// What every token of a batch is worth: one list a sample, one number a response token.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Advantages {
    /// The advantage of each token.
    pub per_token: Vec<Vec<f32>>,
    /// What the critic's values should have been; empty without a critic.
    pub returns: Vec<Vec<f32>>,
    /// The moving average of rewards after this batch, for [`CarriedState::reward_average`]; none where
    /// no part keeps one.
    pub reward_average: Option<f64>,
}

/// Which numbers an algorithm reads, so that no pass runs and no model is built for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// More than one completion a prompt.
    pub groups: bool,
    /// Log-probabilities under the policy before the update, in the loss. With one optimiser step a
    /// rollout, old and current policy are equal; the learner then uses the current ones without
    /// gradient and runs no pass for them.
    pub old_logp: bool,
    /// The same on the host, before advantages are known: always a pass.
    pub old_logp_on_host: bool,
    /// Log-probabilities under the behaviour policy, in the loss.
    pub behaviour_logp: bool,
    /// Log-probabilities under the reference model.
    pub ref_logp: bool,
    /// Entropies at the tokens, in the loss; they come with the log-probabilities.
    pub entropy: bool,
    /// Values of a critic.
    pub values: bool,
    /// The reward of a greedy completion of every prompt.
    pub greedy_reward: bool,
    /// Log-probabilities and entropies of all tokens of an optimiser step under the current
    /// policy, on the host, before its loss.
    pub step_scores: bool,
}

impl Needs {
    /// What either needs.
    pub fn union(self, other: Self) -> Self {
        Self {
            groups: self.groups || other.groups,
            old_logp: self.old_logp || other.old_logp,
            old_logp_on_host: self.old_logp_on_host || other.old_logp_on_host,
            behaviour_logp: self.behaviour_logp || other.behaviour_logp,
            ref_logp: self.ref_logp || other.ref_logp,
            entropy: self.entropy || other.entropy,
            values: self.values || other.values,
            greedy_reward: self.greedy_reward || other.greedy_reward,
            step_scores: self.step_scores || other.step_scores,
        }
    }
}

/// Stop strings: texts that end a completion as a stop token does. What is rewarded is the text up
/// to the string; what is learned from are all of its tokens, of which the last may go beyond it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StopTexts {
    /// The texts; none for no such end.
    pub strings: Arc<[String]>,
    /// Whether the string is part of the text.
    pub include: bool,
}
