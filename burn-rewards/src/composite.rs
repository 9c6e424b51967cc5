//! Rewards out of rewards: a weighted sum with gates and clips.

use crate::{OnUnparsableGold, Reward, RewardError, RewardFn, RewardInput, names::hint};

/// A reward and its place in a [`Composite`].
pub struct Part {
    reward: Box<dyn RewardFn>,
    /// What error messages call it.
    rule: String,
    /// Names of what it is sure to produce; the first is its own value.
    names: Vec<String>,
    weight: f64,
    gate: Option<String>,
    clip: Option<(f64, f64)>,
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

    /// Counts only where the part called `gate` is above 0.
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

    fn check(&self, known: &[&str]) -> Result<(), RewardError> {
        let refuse = |message: String| Err(RewardError::config(&self.rule, message));
        if !self.weight.is_finite() {
            return refuse(format!(
                "weight is {}, expected a finite number",
                self.weight
            ));
        }
        if let Some(message) = self.clip.and_then(wrong_clip) {
            return refuse(message);
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
    fn named(&self, mut scored: Reward) -> Result<Reward, RewardError> {
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
    fn zero(&self) -> Reward {
        Reward {
            value: 0.0,
            parts: self.names.iter().map(|n| (n.clone(), 0.0)).collect(),
            correct: Some(false),
        }
    }
}

fn wrong_clip((low, high): (f64, f64)) -> Option<String> {
    let fits = low <= high;
    (!fits).then(|| format!("clip is [{low}, {high}], expected the smaller number first"))
}

/// The sum of rewards times their weights. Parts are logged as they were judged, before weight,
/// gate and clip; of several verdicts the first part's is taken.
pub struct Composite {
    parts: Vec<Part>,
    clip: Option<(f64, f64)>,
    on_unparsable_gold: OnUnparsableGold,
}

impl Composite {
    /// A sum of `parts`, clipped.
    ///
    /// # Errors
    /// No part, two parts of one name, a weight that is not finite, bounds in the wrong order, or
    /// a gate that is no other part.
    pub fn new(
        parts: Vec<Part>,
        clip: Option<[f64; 2]>,
        on_unparsable_gold: OnUnparsableGold,
    ) -> Result<Self, RewardError> {
        let refuse = |message: String| Err(RewardError::config("reward", message));
        if parts.is_empty() {
            return refuse("expected at least one rule in `parts`".into());
        }
        let clip = clip.map(|[low, high]| (low, high));
        if let Some(message) = clip.and_then(wrong_clip) {
            return refuse(message);
        }
        let known: Vec<&str> = parts
            .iter()
            .flat_map(|p| &p.names)
            .map(String::as_str)
            .collect();
        for (i, name) in known.iter().enumerate() {
            if known[..i].contains(name) {
                return refuse(format!(
                    "two parts are named `{name}`, expected a `name` of its own for each"
                ));
            }
        }
        for part in &parts {
            part.check(&known)?;
        }
        Ok(Self {
            parts,
            clip,
            on_unparsable_gold,
        })
    }

    fn is_zeroed(&self, result: &Result<Reward, RewardError>) -> bool {
        self.on_unparsable_gold == OnUnparsableGold::Zero
            && matches!(result, Err(RewardError::Gold { .. }))
    }

    /// One part's result as it enters the sum.
    fn take(
        &self,
        part: &Part,
        result: Result<Reward, RewardError>,
    ) -> Result<Reward, RewardError> {
        if self.is_zeroed(&result) {
            return Ok(part.zero());
        }
        result.and_then(|scored| part.named(scored))
    }

    fn sum(&self, scored: Vec<Reward>) -> Result<Reward, RewardError> {
        let mut total = Reward::default();
        let mut values = vec![];
        for (part, scored) in self.parts.iter().zip(scored) {
            for (name, value) in scored.parts {
                if total.part(&name).is_some() {
                    let message = format!("`{name}` is already a part of this reward");
                    return Err(RewardError::service(&part.rule, message));
                }
                total.parts.push((name, value));
            }
            total.correct = total.correct.or(scored.correct);
            values.push(scored.value);
        }
        for (part, value) in self.parts.iter().zip(values) {
            let open = |gate: &String| total.part(gate).is_some_and(|v| v > 0.0);
            if part.gate.as_ref().is_none_or(open) {
                let (low, high) = part.clip.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
                total.value += part.weight * value.clamp(low, high);
            }
        }
        if let Some((low, high)) = self.clip {
            total.value = total.value.clamp(low, high);
        }
        Ok(total)
    }
}

impl RewardFn for Composite {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let one = |part: &Part| self.take(part, part.reward.score(input));
        self.sum(self.parts.iter().map(one).collect::<Result<_, _>>()?)
    }

    fn part_names(&self) -> Vec<String> {
        self.parts.iter().flat_map(|p| p.names.clone()).collect()
    }

    fn score_batch(&self, inputs: &[RewardInput<'_>]) -> Vec<Result<Reward, RewardError>> {
        let mut rows: Vec<Result<Vec<Reward>, RewardError>> =
            inputs.iter().map(|_| Ok(vec![])).collect();
        for part in &self.parts {
            for (row, result) in rows.iter_mut().zip(part.reward.score_batch(inputs)) {
                if let Ok(scored) = row {
                    match self.take(part, result) {
                        Ok(reward) => scored.push(reward),
                        Err(error) => *row = Err(error),
                    }
                }
            }
        }
        rows.into_iter()
            .map(|row| row.and_then(|scored| self.sum(scored)))
            .collect()
    }

    fn check_gold(&self, prompt: &str, answer: &str) -> Result<(), RewardError> {
        if self.on_unparsable_gold == OnUnparsableGold::Zero {
            return Ok(());
        }
        self.parts
            .iter()
            .try_for_each(|part| part.reward.check_gold(prompt, answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RewardConfig;
    use serde_json::json;

    fn reward(config: serde_json::Value) -> Composite {
        serde_json::from_value::<RewardConfig>(config)
            .unwrap()
            .build()
            .unwrap()
    }

    fn value(reward: &Composite, response: &str) -> f64 {
        reward
            .score(&RewardInput::new(response, "2"))
            .unwrap()
            .value
    }

    #[test]
    fn weights_and_clips_apply_to_the_value_and_not_to_the_parts() {
        let reward = reward(json!({"clip": [0, 2], "parts": [
            {"rule": "answer_exact", "weight": 4, "clip": [0.0, 0.25], "name": "exact"},
            {"rule": "answer_format", "weight": -3}]}));
        let scored = reward
            .score(&RewardInput::new("so <answer>2</answer>", "2"))
            .unwrap();
        assert_eq!(scored.value, 1.0);
        assert_eq!(
            scored.parts,
            [("exact".into(), 1.0), ("format".into(), 0.0)]
        );
        assert_eq!(scored.correct, Some(true));
        // 1 − 3, raised to the lower bound of the sum.
        assert_eq!(value(&reward, "<answer>2</answer>"), 0.0);
        assert_eq!(reward.part_names(), ["exact", "format"]);
    }

    #[test]
    fn a_gate_lets_accuracy_count_only_where_the_format_holds() {
        // The gate stands after the part that it gates: order does not matter.
        let reward = reward(json!({"parts": [
            {"rule": "answer_exact", "gate": "format"},
            {"rule": "answer_format", "weight": 0.5}]}));
        assert_eq!(value(&reward, "<answer>2</answer>"), 1.5);
        assert_eq!(value(&reward, "<answer>3</answer>"), 0.5);
        assert_eq!(value(&reward, "so <answer>2</answer>"), 0.0);
        let scored = reward
            .score(&RewardInput::new("so <answer>2</answer>", "2"))
            .unwrap();
        assert_eq!(
            (scored.part("accuracy"), scored.correct),
            (Some(1.0), Some(true))
        );
    }

    #[test]
    fn an_unusable_gold_follows_the_policy() {
        let with = |policy: &str| {
            reward(json!({"on_unparsable_gold": policy, "parts": [
                {"rule": "answer_exact"}, {"rule": "answer_format"}]}))
        };
        let input = RewardInput::new("<answer>2</answer>", "  ");
        for policy in ["error", "skip"] {
            assert!(matches!(
                with(policy).score(&input),
                Err(RewardError::Gold { .. })
            ));
            assert!(with(policy).check_gold("", "  ").is_err());
        }
        let scored = with("zero").score(&input).unwrap();
        assert_eq!((scored.value, scored.correct), (1.0, Some(false)));
        assert_eq!(
            scored.parts,
            [("accuracy".into(), 0.0), ("format".into(), 1.0)]
        );
        assert!(with("zero").check_gold("", "  ").is_ok());
    }

    #[test]
    fn a_batch_is_the_single_responses_in_their_order() {
        let reward =
            reward(json!({"parts": [{"rule": "answer_exact"}, {"rule": "answer_format"}]}));
        let texts: Vec<String> = (0..500)
            .map(|i| format!("<answer>{}</answer>", i % 3))
            .collect();
        let inputs: Vec<_> = texts
            .iter()
            .enumerate()
            .map(|(i, t)| RewardInput::new(t, if i % 7 == 0 { "" } else { "2" }))
            .collect();
        let batch = reward.score_batch(&inputs);
        assert_eq!(batch.len(), inputs.len());
        for (input, scored) in inputs.iter().zip(&batch) {
            assert_eq!(*scored, reward.score(input));
        }
    }

    struct Odd;

    impl RewardFn for Odd {
        fn score(&self, _: &RewardInput<'_>) -> Result<Reward, RewardError> {
            Ok(Reward::single("odd", f64::NAN, None))
        }

        fn part_names(&self) -> Vec<String> {
            vec!["odd".into()]
        }
    }

    #[test]
    fn a_reward_of_ones_own_takes_part_and_is_held_to_numbers() {
        let parts = vec![Part::new("mine", Box::new(Odd)).weight(0.0)];
        let reward = Composite::new(parts, None, OnUnparsableGold::Error).unwrap();
        let message = reward
            .score(&RewardInput::new("", ""))
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "reward `mine`: the reward is NaN, expected a finite number"
        );
    }
}
