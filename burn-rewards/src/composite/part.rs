//! A reward and its place in a sum.

use crate::{Condition, Reward, RewardError, RewardFn, RewardInput, names::hint};

/// A reward and its place in a [`Composite`](super::Composite).
pub struct Part {
    pub(super) reward: Box<dyn RewardFn>,
    /// What error messages call it.
    pub(super) rule: String,
    /// Names of what it is sure to produce; the first is its own value.
    pub(super) names: Vec<String>,
    pub(super) weight: f64,
    pub(super) gate: Option<String>,
    pub(super) clip: Option<(f64, f64)>,
    when: Condition,
    from_step: u64,
    until_step: u64,
}

impl Part {
    /// A reward with weight 1; `rule` names it in error messages.
    pub fn new(rule: &str, reward: Box<dyn RewardFn>) -> Self {
        let mut names = reward.part_names();
        if names.is_empty() {
            names.push(rule.to_owned());
        }
        Self {
            reward,
            rule: rule.into(),
            names,
            weight: 1.0,
            gate: None,
            clip: None,
            when: Condition::default(),
            from_step: 0,
            until_step: u64::MAX,
        }
    }

    /// Logs its value under another name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.names[0] = name.into();
        self
    }

    /// Factor of its value in the sum.
    #[must_use]
    pub fn weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Counts only where the part called `gate` is above 0, or does not apply.
    #[must_use]
    pub fn gate(mut self, gate: &str) -> Self {
        self.gate = Some(gate.into());
        self
    }

    /// Bounds of its value before the weight.
    #[must_use]
    pub fn clip(mut self, low: f64, high: f64) -> Self {
        self.clip = Some((low, high));
        self
    }

    /// Judges only the rows for which `when` holds.
    #[must_use]
    pub fn when(mut self, when: Condition) -> Self {
        self.when = when;
        self
    }

    /// Judges from the step `from` on up to the step `until`, both included. Outside of training
    /// there is no step: rows are then judged as after the last one.
    #[must_use]
    pub fn steps(mut self, from: u64, until: u64) -> Self {
        (self.from_step, self.until_step) = (from, until);
        self
    }

    /// Whether the row of `input` is one that it judges, now or at another step.
    pub(super) fn covers(&self, input: &RewardInput<'_>) -> bool {
        self.when.holds(input)
    }

    /// Whether it judges the row of `input` at its step.
    pub(super) fn applies(&self, input: &RewardInput<'_>) -> bool {
        let step = input.step.unwrap_or(u64::MAX);
        (self.from_step..=self.until_step).contains(&step) && self.covers(input)
    }

    /// Its judgement of one response.
    pub(super) fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        match self.asks_about_each(input) {
            false => self.reward.score(input),
            true => best(each_answer(input).map(|input| self.reward.score(&input))),
        }
    }

    /// The same of many, as one batch.
    pub(super) fn score_batch(
        &self,
        inputs: &[RewardInput<'_>],
    ) -> Vec<Result<Reward, RewardError>> {
        if !inputs.iter().any(|input| self.asks_about_each(input)) {
            return self.reward.score_batch(inputs);
        }
        let each = |input| match self.asks_about_each(input) {
            false => vec![*input],
            true => each_answer(input).collect(),
        };
        let counts: Vec<usize> = inputs.iter().map(|input| each(input).len()).collect();
        let all: Vec<RewardInput<'_>> = inputs.iter().flat_map(each).collect();
        let mut scored = self.reward.score_batch(&all).into_iter();
        let counts = counts.into_iter();
        counts.map(|n| best(scored.by_ref().take(n))).collect()
    }

    /// Whether the gold answer of a row can be used; of several one is enough.
    pub(super) fn check_gold(&self, row: &RewardInput<'_>) -> Result<(), RewardError> {
        if !self.asks_about_each(row) {
            return self.reward.check_gold(row);
        }
        let checks = each_answer(row).map(|row| self.reward.check_gold(&row));
        best(checks.map(|check| check.map(|()| Reward::default()))).map(|_| ())
    }

    fn asks_about_each(&self, input: &RewardInput<'_>) -> bool {
        !input.answers.is_empty() && !self.reward.reads_all_answers()
    }

    /// Whether no response can be judged by both.
    fn excludes(&self, other: &Self) -> bool {
        let before = |a: &Self, b: &Self| a.until_step < b.from_step;
        before(self, other) || before(other, self) || self.when.excludes(&other.when)
    }

    /// Refuses two parts of one name that can judge the same response.
    pub(super) fn check_names(parts: &[Self]) -> Result<(), RewardError> {
        for (i, part) in parts.iter().enumerate() {
            for name in &part.names {
                let twice = part.names.iter().filter(|n| *n == name).count() > 1;
                let other = |p: &&Self| p.names.contains(name) && !p.excludes(part);
                let also = parts[..i].iter().find(other);
                if !twice && also.is_none() {
                    continue;
                }
                let both = match also {
                    Some(other) if !(part.when.is_empty() && other.when.is_empty()) => {
                        " and can judge the same response"
                    }
                    _ => "",
                };
                return Err(RewardError::config(
                    "reward",
                    format!(
                        "two parts are named `{name}`{both}, expected a `name` of its own for each"
                    ),
                ));
            }
        }
        Ok(())
    }

    pub(super) fn check(&self, known: &[&str]) -> Result<(), RewardError> {
        let refuse = |message: String| Err(RewardError::config(&self.rule, message));
        if !self.weight.is_finite() {
            return refuse(format!(
                "weight is {}, expected a finite number",
                self.weight
            ));
        }
        if let Some(message) = self.clip.and_then(wrong_clip).or_else(|| self.when.fault()) {
            return refuse(message);
        }
        if self.from_step > self.until_step {
            return refuse(format!(
                "from_step is {} and until_step {}, expected no later than it",
                self.from_step, self.until_step
            ));
        }
        match self.gate.as_deref() {
            Some(gate) if self.names.iter().any(|n| n == gate) => {
                refuse(format!("`{gate}` is its own gate"))
            }
            Some(gate) if !known.contains(&gate) => {
                let others = known
                    .iter()
                    .copied()
                    .filter(|n| !self.names.iter().any(|own| own == n));
                refuse(format!(
                    "gate `{gate}` is no part of this reward{}",
                    hint(gate, others)
                ))
            }
            _ => Ok(()),
        }
    }

    /// The response's reward with its own name for the value.
    pub(super) fn named(&self, mut scored: Reward) -> Result<Reward, RewardError> {
        match scored.parts.first_mut() {
            Some((name, _)) => name.clone_from(&self.names[0]),
            None => scored.parts.push((self.names[0].clone(), scored.value)),
        }
        let numbers = scored.parts.iter().map(|(_, v)| *v);
        match numbers.chain([scored.value]).find(|v| !v.is_finite()) {
            Some(value) => Err(RewardError::service(
                &self.rule,
                format!("the reward is {value}, expected a finite number"),
            )),
            None => Ok(scored),
        }
    }

    /// What stands in for a reward where the gold answer cannot be used.
    pub(super) fn zero(&self) -> Reward {
        Reward {
            value: 0.0,
            parts: self.names.iter().map(|n| (n.clone(), 0.0)).collect(),
            correct: Some(false),
        }
    }
}

/// The input once with each accepted answer.
fn each_answer<'a>(input: &RewardInput<'a>) -> impl Iterator<Item = RewardInput<'a>> {
    let input = *input;
    input.answers.iter().map(move |answer| RewardInput {
        answer,
        answers: &[],
        ..input
    })
}

/// The best judgement: right before wrong, then by its value, then the first. Answers that cannot
/// be used count only where none can.
fn best(all: impl Iterator<Item = Result<Reward, RewardError>>) -> Result<Reward, RewardError> {
    let mut best: Option<Reward> = None;
    let mut unusable = None;
    for scored in all {
        let scored = match scored {
            Ok(scored) => scored,
            Err(error @ RewardError::Gold { .. }) => {
                unusable.get_or_insert(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        let rank = |r: &Reward| (r.correct == Some(true), r.value);
        if best.as_ref().is_none_or(|best| rank(best) < rank(&scored)) {
            best = Some(scored);
        }
    }
    let missing = || RewardError::service("reward", "a response got no reward");
    best.ok_or_else(|| unusable.unwrap_or_else(missing))
}

pub(super) fn wrong_clip((low, high): (f64, f64)) -> Option<String> {
    let fits = low <= high;
    (!fits).then(|| format!("clip is [{low}, {high}], expected the smaller number first"))
}
