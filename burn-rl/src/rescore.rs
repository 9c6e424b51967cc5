//! What another reward would have made of a finished run: its logged completions are rewarded,
//! filtered and given advantages again.

use crate::{
    error::RlError,
    filter::Verdict,
    recipe::Recipe,
    types::{CarriedState, RowContext, Sample, ScoredBatch},
};
use burn_rewards::{OnUnparsableGold, Reward, RewardError, RewardFn, RewardInput};
use run_log::RolloutRecord;
use serde::Serialize;
use std::collections::BTreeMap;

/// Rewards closer than this are the same.
const SAME: f64 = 1e-9;

/// An algorithm that judges rewards step after step.
pub struct Judge<'a> {
    recipe: &'a Recipe,
    carried: CarriedState,
}

/// A group after filters and advantages.
struct Judged {
    verdict: Verdict,
    /// Means over the tokens of each completion; none where the group is left out, or where advantages
    /// read more than rewards.
    advantages: Option<Vec<f64>>,
}

impl<'a> Judge<'a> {
    /// A judge at the start of a run.
    pub fn new(recipe: &'a Recipe) -> Self {
        Self {
            recipe,
            carried: CarriedState::default(),
        }
    }

    /// Whether advantages follow from rewards, lengths and groups alone; else they read what no
    /// rollout log has: log-probabilities, values or greedy completions.
    pub fn has_advantages(&self) -> bool {
        let sample = |reward| Sample {
            reward,
            mask: vec![true],
            ..Sample::default()
        };
        let tried = ScoredBatch::from_groups([vec![sample(1.0), sample(0.0)]]);
        let found = self.recipe.advantages(&tried);
        !matches!(found, Err(RlError::NotProvided(_)))
    }

    /// The groups of a step; none stands for one that has no rewards.
    fn judge(&mut self, step: u64, groups: &[Option<Vec<Sample>>]) -> Result<Vec<Judged>, RlError> {
        let verdict = |group: &Option<Vec<Sample>>| match group {
            None => Verdict::Drop("gold_unparsed"),
            Some(_) if step <= self.recipe.filter_after() => Verdict::Keep,
            Some(samples) => self.recipe.verdict(samples),
        };
        let verdicts: Vec<Verdict> = groups.iter().map(verdict).collect();
        let mut kept = vec![];
        for (group, verdict) in groups.iter().zip(&verdicts) {
            let (Some(samples), true) = (group, verdict.keeps()) else {
                continue;
            };
            let mut samples = samples.clone();
            if let Verdict::Mask(_, indices) = verdict {
                let masked = samples.iter_mut().enumerate();
                let masked = masked.filter(|(i, _)| indices.contains(i));
                masked.for_each(|(_, sample)| sample.mask.fill(false));
            }
            kept.push(samples);
        }
        let mut advantages = self.advantages(kept)?.into_iter();
        let judged = |verdict: Verdict| Judged {
            advantages: match verdict.keeps() {
                true => advantages.next(),
                false => None,
            },
            verdict,
        };
        Ok(verdicts.into_iter().map(judged).collect())
    }

    /// One list a group; no list at all where advantages cannot be known.
    fn advantages(&mut self, kept: Vec<Vec<Sample>>) -> Result<Vec<Vec<f64>>, RlError> {
        if kept.is_empty() {
            return Ok(vec![]);
        }
        let mut batch = ScoredBatch::from_groups(kept);
        batch.carried = self.carried;
        let found = match self.recipe.advantages(&batch) {
            Err(RlError::NotProvided(_)) => return Ok(vec![]),
            found => found?,
        };
        if found.reward_average.is_some() {
            self.carried.reward_average = found.reward_average;
        }
        let mean = |i: usize| {
            let tokens = found.per_token[i].iter().map(|a| f64::from(*a));
            tokens.sum::<f64>() / found.per_token[i].len().max(1) as f64
        };
        let group = |range: &std::ops::Range<usize>| range.clone().map(mean).collect();
        Ok(batch.groups.iter().map(group).collect())
    }
}

/// What two rewards make of one completion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowChange {
    /// The step it was sampled in.
    pub step: u64,
    /// The id of the data row.
    pub prompt_id: String,
    /// Which of the completions of this prompt.
    pub draw: usize,
    /// As it was logged.
    pub reward_old: f64,
    /// Under the other reward; none where its gold answer cannot be used.
    pub reward_new: Option<f64>,
    /// Parts as they were logged.
    pub parts_old: BTreeMap<String, f64>,
    /// Parts of the other reward.
    pub parts_new: BTreeMap<String, f64>,
    /// What became of its group: `keep`, `drop <reason>` or `mask <reason>`.
    pub filter_old: String,
    /// What would become of it.
    pub filter_new: String,
    /// The mean advantage of its tokens; none where its group is left out, or where advantages
    /// need more than rewards.
    pub advantage_old: Option<f64>,
    /// The same under the other reward.
    pub advantage_new: Option<f64>,
}

impl RowChange {
    /// Whether it has a new reward, which is another one.
    fn is_paid_otherwise(&self) -> bool {
        self.reward_new
            .is_some_and(|new| (new - self.reward_old).abs() > SAME)
    }

    fn has_other_filter(&self) -> bool {
        self.filter_old != self.filter_new
    }

    fn changes_sign(&self) -> bool {
        let pair = self.advantage_old.zip(self.advantage_new);
        pair.is_some_and(|(old, new)| old * new < 0.0)
    }
}

/// Counts over the completions of a step, or of several.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StepChange {
    /// Completions.
    pub completions: usize,
    /// The sum of their rewards as logged, of those that have a new one.
    sum_old: f64,
    /// The sum of their new rewards.
    sum_new: f64,
    /// Completions that have a new reward.
    rewarded: usize,
    /// Completions whose reward is another one.
    pub other_rewards: usize,
    /// Groups of completions.
    pub groups: usize,
    /// Groups that the filters kept.
    pub kept_old: usize,
    /// Groups that they would keep.
    pub kept_new: usize,
    /// Groups of which the filters would have kept, masked or dropped something else.
    pub other_filters: usize,
    /// Groups in which the advantage of some completion changes its sign.
    pub sign_changes: usize,
    /// Groups left out because the new reward cannot use the gold answer.
    pub unusable: usize,
}

impl StepChange {
    /// The mean reward as logged, over completions that have a new one.
    pub fn mean_old(&self) -> f64 {
        self.sum_old / self.rewarded.max(1) as f64
    }

    /// The mean of the new rewards.
    pub fn mean_new(&self) -> f64 {
        self.sum_new / self.rewarded.max(1) as f64
    }

    /// Whether the step would have been another one.
    pub fn differs(&self) -> bool {
        self.other_rewards > 0 || self.other_filters > 0 || self.unusable > 0
    }

    /// Adds another step.
    pub fn add(&mut self, other: &Self) {
        self.completions += other.completions;
        self.sum_old += other.sum_old;
        self.sum_new += other.sum_new;
        self.rewarded += other.rewarded;
        self.other_rewards += other.other_rewards;
        self.groups += other.groups;
        self.kept_old += other.kept_old;
        self.kept_new += other.kept_new;
        self.other_filters += other.other_filters;
        self.sign_changes += other.sign_changes;
        self.unusable += other.unusable;
    }

    fn of(groups: &[Vec<RowChange>]) -> Self {
        let mut all = Self::default();
        for rows in groups {
            let kept = |filter: &str| !filter.starts_with("drop");
            let Some(first) = rows.first() else { continue };
            let (old, new) = (kept(&first.filter_old), kept(&first.filter_new));
            all.groups += 1;
            all.kept_old += usize::from(old);
            all.kept_new += usize::from(new);
            all.other_filters += usize::from(rows.iter().any(RowChange::has_other_filter));
            all.unusable += usize::from(first.reward_new.is_none());
            all.sign_changes += usize::from(rows.iter().any(RowChange::changes_sign));
            for row in rows {
                all.completions += 1;
                all.other_rewards += usize::from(row.is_paid_otherwise());
                if let Some(new) = row.reward_new {
                    all.rewarded += 1;
                    all.sum_old += row.reward_old;
                    all.sum_new += new;
                }
            }
        }
        all
    }
}

/// A reward for a run that is over.
pub struct Rescorer<'a> {
    /// The new reward.
    pub reward: &'a dyn RewardFn,
    /// What a gold answer that it cannot use does.
    pub on_unparsable_gold: OnUnparsableGold,
    /// The run's algorithm.
    pub old: Judge<'a>,
    /// The algorithm that would have learned.
    pub new: Judge<'a>,
    /// Completions of a prompt.
    pub samples_per_prompt: usize,
}

impl Rescorer<'_> {
    /// What the new reward makes of the completions of a step, group after group as they were
    /// logged. Steps must come in their order: a baseline may be carried from one to the next.
    ///
    /// # Errors
    /// A reward that cannot judge, with the id of the row.
    pub fn step(
        &mut self,
        step: u64,
        records: &[RolloutRecord],
    ) -> Result<(StepChange, Vec<RowChange>), RlError> {
        let groups = groups(records, self.samples_per_prompt);
        let mut rewards = self.rewards(step, records)?.into_iter();
        let rewards: Vec<Vec<Option<Reward>>> = groups
            .iter()
            .map(|group| rewards.by_ref().take(group.len()).collect())
            .collect();
        let logged = |group: &&[RolloutRecord]| {
            let samples = group.iter().map(|r| sample(r, r.reward, r.parts.clone()));
            Some(samples.collect())
        };
        let rewarded = |(group, rewards): (&&[RolloutRecord], &Vec<Option<Reward>>)| {
            let pairs = group.iter().zip(rewards);
            let samples = pairs.map(|(record, reward)| {
                let reward = reward.as_ref()?;
                Some(sample(record, reward.value, parts(reward)))
            });
            samples.collect::<Option<Vec<Sample>>>()
        };
        let before: Vec<Option<Vec<Sample>>> = groups.iter().map(logged).collect();
        let after: Vec<Option<Vec<Sample>>> = groups.iter().zip(&rewards).map(rewarded).collect();
        let old = self.old.judge(step, &before)?;
        let new = self.new.judge(step, &after)?;
        let mut all = vec![];
        for (i, group) in groups.iter().enumerate() {
            let row = |(k, record): (usize, &RolloutRecord)| {
                let reward = rewards[i][k].as_ref().filter(|_| after[i].is_some());
                let at = |judged: &Judged| judged.advantages.as_ref()?.get(k).copied();
                RowChange {
                    step,
                    prompt_id: record.prompt_id.clone(),
                    draw: record.draw,
                    reward_old: record.reward,
                    reward_new: reward.map(|r| r.value),
                    parts_old: record.parts.clone(),
                    parts_new: reward.map(parts).unwrap_or_default(),
                    filter_old: filter(&old[i].verdict, k),
                    filter_new: filter(&new[i].verdict, k),
                    advantage_old: at(&old[i]),
                    advantage_new: at(&new[i]),
                }
            };
            all.push(group.iter().enumerate().map(row).collect::<Vec<_>>());
        }
        Ok((StepChange::of(&all), all.into_iter().flatten().collect()))
    }

    /// The new rewards; none where the gold answer cannot be used and is to be skipped.
    fn rewards(
        &self,
        step: u64,
        records: &[RolloutRecord],
    ) -> Result<Vec<Option<Reward>>, RlError> {
        let contexts = records.iter().map(context);
        let contexts = contexts.collect::<Result<Vec<RowContext>, RlError>>()?;
        let inputs = records.iter().zip(&contexts);
        let inputs: Vec<RewardInput<'_>> = inputs.map(|(r, c)| input(r, c, step)).collect();
        let scored = self.reward.score_batch(&inputs).into_iter();
        let skip = self.on_unparsable_gold == OnUnparsableGold::Skip;
        let one = |(scored, record): (Result<Reward, RewardError>, &RolloutRecord)| match scored {
            Ok(reward) => Ok(Some(reward)),
            Err(RewardError::Gold { .. }) if skip => Ok(None),
            Err(error) if error.is_input() => {
                let id = &record.prompt_id;
                Err(RlError::Config(format!(
                    "step {step}, data row `{id}`: {error}"
                )))
            }
            Err(error) => Err(error.into()),
        };
        scored.zip(records).map(one).collect()
    }
}

/// What else is known of the row; nothing where the run was logged without it.
fn context(record: &RolloutRecord) -> Result<RowContext, RlError> {
    if record.context.is_null() {
        return Ok(RowContext::default());
    }
    serde_json::from_value(record.context.clone()).map_err(|e| {
        let id = &record.prompt_id;
        RlError::Config(format!("`context` of data row `{id}`: {e}"))
    })
}

/// What the reward of a run was told of a completion.
fn input<'a>(record: &'a RolloutRecord, context: &'a RowContext, step: u64) -> RewardInput<'a> {
    let mut input = RewardInput::new(&record.response, &record.answer)
        .with_answers(&context.answers)
        .with_prompt(&record.prompt)
        .with_response_tokens(record.tokens)
        .with_truncated(is_cut(record))
        .with_row_id(&context.row_id)
        .with_set(&context.set)
        .with_step(step)
        .with_fields(&context.fields)
        .with_prompt_end(&context.prompt_end)
        .with_images(&context.images);
    input.coordinates = context.coordinates;
    input
}

fn is_cut(record: &RolloutRecord) -> bool {
    record.finish_reason == "length"
}

fn parts(reward: &Reward) -> BTreeMap<String, f64> {
    reward.parts.iter().cloned().collect()
}

fn sample(record: &RolloutRecord, reward: f64, parts: BTreeMap<String, f64>) -> Sample {
    Sample {
        reward,
        parts,
        truncated: is_cut(record),
        mask: vec![true; record.tokens],
        ..Sample::default()
    }
}

fn filter(verdict: &Verdict, index: usize) -> String {
    match verdict {
        Verdict::Drop(reason) => format!("drop {reason}"),
        Verdict::Mask(reason, indices) if indices.contains(&index) => format!("mask {reason}"),
        Verdict::Keep | Verdict::Mask(..) => "keep".into(),
    }
}

/// The groups of a step: completions of one prompt that follow each other, as they were logged.
fn groups(records: &[RolloutRecord], size: usize) -> Vec<&[RolloutRecord]> {
    let mut groups = vec![];
    let mut start = 0;
    for end in 1..=records.len() {
        let ends = records.get(end).is_none_or(|next| {
            let last = &records[end - 1];
            next.prompt_id != last.prompt_id || next.draw <= last.draw || end - start >= size
        });
        if ends {
            groups.push(&records[start..end]);
            start = end;
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{algo::Registry, config::AlgoConfig};
    use burn_rewards::{Composite, RewardConfig};

    fn record(id: &str, draw: usize, response: &str, reward: f64) -> RolloutRecord {
        RolloutRecord {
            prompt_id: id.into(),
            draw,
            answer: "2".into(),
            response: response.into(),
            tokens: 3,
            reward,
            finish_reason: "stop".into(),
            kept: true,
            ..RolloutRecord::default()
        }
    }

    fn recipe(options: &str) -> Recipe {
        let config = AlgoConfig {
            name: "grpo".into(),
            options: toml::from_str(options).unwrap(),
        };
        config.recipe(&Registry::builtin()).unwrap()
    }

    fn rescorer<'a>(reward: &'a Composite, recipe: &'a Recipe) -> Rescorer<'a> {
        Rescorer {
            reward,
            on_unparsable_gold: OnUnparsableGold::Error,
            old: Judge::new(recipe),
            new: Judge::new(recipe),
            samples_per_prompt: 2,
        }
    }

    /// Two groups of two. The run paid the length of the first group's answers, whichever is right;
    /// the new reward pays what is right. Advantages of two completions are ± 1/√2.
    #[test]
    fn rewards_filters_and_signs_by_hand() {
        let recipe = recipe("beta = 0.0\nstd_epsilon = 0.0\ndrop_zero_variance = true");
        let reward = RewardConfig::named(&["answer_exact"]).build().unwrap();
        let records = [
            record("a", 0, "<answer>3</answer>", 1.0),
            record("a", 1, "<answer>2</answer>", 0.0),
            record("b", 0, "<answer>2</answer>", 1.0),
            record("b", 1, "<answer>2</answer>", 0.0),
            record("b", 2, "<answer>3</answer>", 0.5),
            record("b", 3, "<answer>2</answer>", 0.5),
        ];
        let mut rescorer = rescorer(&reward, &recipe);
        assert!(rescorer.new.has_advantages());
        let (step, rows) = rescorer.step(4, &records).unwrap();
        assert_eq!((step.completions, step.groups), (6, 3));
        assert_eq!((step.mean_old(), step.mean_new()), (0.5, 4.0 / 6.0));
        assert_eq!(step.other_rewards, 5);
        assert_eq!(
            (step.kept_old, step.kept_new, step.other_filters),
            (2, 2, 2)
        );
        assert_eq!(step.sign_changes, 1);
        assert!(step.differs());
        let advantages = |row: &RowChange| (row.advantage_old, row.advantage_new);
        let a = f64::from(std::f32::consts::FRAC_1_SQRT_2);
        let close = |found: (Option<f64>, Option<f64>), old: Option<f64>, new: Option<f64>| {
            let same = |x: Option<f64>, y: Option<f64>| match (x, y) {
                (Some(x), Some(y)) => (x - y).abs() < 1e-6,
                (x, y) => x == y,
            };
            assert!(same(found.0, old) && same(found.1, new), "{found:?}");
        };
        close(advantages(&rows[0]), Some(a), Some(-a));
        close(advantages(&rows[1]), Some(-a), Some(a));
        close(advantages(&rows[2]), Some(a), None);
        close(advantages(&rows[4]), None, Some(-a));
        assert_eq!(rows[2].filter_new, "drop zero_variance");
        assert_eq!(rows[4].filter_old, "drop zero_variance");
        assert_eq!(rows[5].parts_new["accuracy"], 1.0);
    }

    #[test]
    fn the_same_reward_changes_nothing() {
        let recipe = recipe("beta = 0.0");
        let reward = RewardConfig::named(&["answer_exact"]).build().unwrap();
        let records = [
            record("a", 0, "<answer>3</answer>", 0.0),
            record("a", 1, "<answer>2</answer>", 1.0),
        ];
        let mut rescorer = rescorer(&reward, &recipe);
        let (step, rows) = rescorer.step(1, &records).unwrap();
        assert!(!step.differs() && step.sign_changes == 0);
        assert!(
            rows.iter()
                .all(|row| row.advantage_old == row.advantage_new)
        );
    }

    #[test]
    fn a_gold_answer_that_cannot_be_used_ends_it_or_leaves_the_group_out() {
        let recipe = recipe("beta = 0.0");
        let reward = RewardConfig::named(&["numeric"]).build().unwrap();
        let mut records = [record("a", 0, "2", 1.0), record("a", 1, "2", 0.0)];
        records.iter_mut().for_each(|r| r.answer = "red".into());
        let mut rescorer = rescorer(&reward, &recipe);
        let message = rescorer.step(7, &records).unwrap_err().to_string();
        assert!(message.contains("step 7, data row `a`"), "{message}");
        rescorer.on_unparsable_gold = OnUnparsableGold::Skip;
        let (step, rows) = rescorer.step(7, &records).unwrap();
        assert_eq!((step.unusable, step.kept_new), (1, 0));
        assert_eq!(rows[0].filter_new, "drop gold_unparsed");
        assert_eq!(rows[0].reward_new, None);
    }

    #[test]
    fn advantages_that_read_more_than_rewards_are_not_made_up() {
        let config = AlgoConfig {
            name: "ppo".into(),
            ..AlgoConfig::default()
        };
        assert!(!Judge::new(&config.recipe(&Registry::builtin()).unwrap()).has_advantages());
    }
}
