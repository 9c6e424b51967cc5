//! A batch given as numbers: groups of rollouts, one number a response token.

use crate::input_error::InputError;
use burn_rl::types::{Needs, Sample, ScoredBatch};
use serde::{Deserialize, Deserializer, de};
use std::{collections::BTreeMap, path::Path};

/// The file of `--apply`, lengths checked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchFile {
    /// The completions of one prompt each.
    pub groups: Vec<GroupFile>,
    /// The moving average of the rewards of earlier steps.
    #[serde(default)]
    pub reward_average: Option<f64>,
}

/// The completions of one prompt.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupFile {
    /// One or more.
    pub rollouts: Vec<RolloutFile>,
    /// The reward of the greedy completion of the same prompt.
    #[serde(
        default,
        alias = "greedy",
        alias = "baseline",
        alias = "baseline_reward"
    )]
    pub greedy_reward: Option<f64>,
}

/// One completion. Lists have one number a response token; what an algorithm does not need may be
/// left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutFile {
    /// The reward of the whole response.
    pub reward: f64,
    /// Its parts by name.
    #[serde(default)]
    pub parts: BTreeMap<String, f64>,
    /// Rewards of single tokens beside that of the response.
    #[serde(default)]
    pub token_rewards: Option<Vec<f64>>,
    /// The reward of the greedy completion of the same prompt, where the group has none.
    #[serde(default, alias = "baseline", alias = "baseline_reward")]
    pub greedy_reward: Option<f64>,
    /// Whether the response was cut at the length limit.
    #[serde(default)]
    pub truncated: bool,
    /// 0 for tokens that take no part in the loss; without a list all do.
    #[serde(default)]
    pub mask: Option<Vec<Flag>>,
    /// Log-probabilities under the current policy.
    pub logp: Vec<f32>,
    /// Log-probabilities under the policy before the update; where missing, `sample_logp`.
    #[serde(default)]
    pub old_logp: Option<Vec<f32>>,
    /// Log-probabilities under the behaviour policy.
    #[serde(default)]
    pub sample_logp: Option<Vec<f32>>,
    /// Log-probabilities under the reference model.
    #[serde(default)]
    pub ref_logp: Option<Vec<f32>>,
    /// Entropy at each token, in nats.
    #[serde(default)]
    pub entropy: Option<Vec<f32>>,
    /// The critic's values.
    #[serde(default)]
    pub values: Option<Vec<f32>>,
}

/// 0, 1, false or true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Flag;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("0 or 1")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(value))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Flag, E> {
                match value == 0.0 || value == 1.0 {
                    true => Ok(Flag(value == 1.0)),
                    false => Err(E::invalid_value(de::Unexpected::Float(value), &self)),
                }
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Flag, E> {
                match value {
                    0 | 1 => Ok(Flag(value == 1)),
                    other => Err(E::invalid_value(de::Unexpected::Unsigned(other), &self)),
                }
            }
        }
        input.deserialize_any(Visitor)
    }
}

impl BatchFile {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that is not such a batch; the message names the place in it.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let name = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|e| InputError::new(format!("{name}: {e}, expected a batch as JSON")))?;
        Self::parse(&text).map_err(|message| InputError::new(format!("{name}: {message}")))
    }

    /// Reads JSON text.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut input = serde_json::Deserializer::from_str(text);
        let batch: Self = serde_path_to_error::deserialize(&mut input)
            .map_err(|e| format!("{}: {}", e.path(), e.inner()))?;
        input.end().map_err(|e| e.to_string())?;
        batch.check()?;
        Ok(batch)
    }

    fn check(&self) -> Result<(), String> {
        if self.groups.is_empty() {
            return Err("groups is empty, expected at least one".into());
        }
        for (g, group) in self.groups.iter().enumerate() {
            if group.rollouts.is_empty() {
                return Err(format!(
                    "groups[{g}].rollouts is empty, expected at least one"
                ));
            }
            for (r, rollout) in group.rollouts.iter().enumerate() {
                rollout
                    .check()
                    .map_err(|message| format!("{}.{message}", place(g, r)))?;
            }
        }
        match self.rollouts().all(|(_, r)| r.logp.is_empty()) {
            true => Err("no rollout has a token in `logp`".into()),
            false => Ok(()),
        }
    }

    /// All rollouts, each with its place in the file.
    pub fn rollouts(&self) -> impl Iterator<Item = (String, &RolloutFile)> {
        let groups = self.groups.iter().enumerate();
        groups.flat_map(|(g, group)| {
            group
                .rollouts
                .iter()
                .enumerate()
                .map(move |(r, rollout)| (place(g, r), rollout))
        })
    }

    /// The batch as an algorithm takes it.
    ///
    /// # Errors
    /// A list that the algorithm needs and a rollout does not have.
    pub fn scored(&self, needs: Needs) -> Result<ScoredBatch, InputError> {
        let mut samples = vec![];
        let greedy = self
            .groups
            .iter()
            .flat_map(|g| g.rollouts.iter().map(|_| g.greedy_reward));
        for ((place, rollout), greedy) in self.rollouts().zip(greedy) {
            let missing = |what: &str| {
                InputError::new(format!("{place} has no {what}, which this algorithm needs"))
            };
            let old = rollout.old_logp.as_ref().or(rollout.sample_logp.as_ref());
            let greedy_reward = rollout.greedy_reward.or(greedy);
            let needed = [
                (
                    needs.old_logp || needs.old_logp_on_host,
                    old.is_some(),
                    "`old_logp` (nor `sample_logp`)",
                ),
                (
                    needs.behaviour_logp,
                    rollout.sample_logp.is_some(),
                    "`sample_logp`",
                ),
                (needs.ref_logp, rollout.ref_logp.is_some(), "`ref_logp`"),
                (needs.entropy, rollout.entropy.is_some(), "`entropy`"),
                (needs.values, rollout.values.is_some(), "`values`"),
                (
                    needs.greedy_reward,
                    greedy_reward.is_some(),
                    "`greedy_reward` (nor has its group)",
                ),
            ];
            if let Some((.., what)) = needed.iter().find(|(needed, has, _)| *needed && !has) {
                return Err(missing(what));
            }
            let mask = rollout
                .mask
                .as_ref()
                .map(|mask| mask.iter().map(|flag| flag.0).collect());
            samples.push(Sample {
                reward: rollout.reward,
                parts: rollout.parts.clone(),
                token_rewards: rollout.token_rewards.clone().unwrap_or_default(),
                greedy_reward,
                truncated: rollout.truncated,
                mask: mask.unwrap_or_else(|| vec![true; rollout.logp.len()]),
                sampler_logp: vec![],
                behaviour_logp: rollout.sample_logp.clone().unwrap_or_default(),
                old_logp: old.cloned().unwrap_or_default(),
                ref_logp: rollout.ref_logp.clone().unwrap_or_default(),
                values: rollout.values.clone().unwrap_or_default(),
            });
        }
        let mut samples = samples.into_iter();
        let groups = self.groups.iter();
        let mut batch = ScoredBatch::from_groups(
            groups.map(|group| samples.by_ref().take(group.rollouts.len()).collect()),
        );
        batch.carried.reward_average = self.reward_average;
        Ok(batch)
    }
}

fn place(group: usize, rollout: usize) -> String {
    format!("groups[{group}].rollouts[{rollout}]")
}

impl RolloutFile {
    fn check(&self) -> Result<(), String> {
        let length = |list: &Option<Vec<f32>>| list.as_ref().map(Vec::len);
        let lists = [
            ("mask", self.mask.as_ref().map(Vec::len)),
            ("old_logp", length(&self.old_logp)),
            ("sample_logp", length(&self.sample_logp)),
            ("ref_logp", length(&self.ref_logp)),
            ("entropy", length(&self.entropy)),
            ("values", length(&self.values)),
            ("token_rewards", self.token_rewards.as_ref().map(Vec::len)),
        ];
        let expected = self.logp.len();
        match lists
            .iter()
            .find(|(_, len)| len.is_some_and(|len| len != expected))
        {
            Some((name, len)) => {
                let found = len.unwrap_or(0);
                Err(format!(
                    "{name} has {found} numbers, expected {expected} as `logp` has"
                ))
            }
            None => Ok(()),
        }
    }
}
