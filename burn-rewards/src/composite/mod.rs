//! Rewards out of rewards: a weighted sum with gates and clips.

mod part;

pub use part::Part;

use crate::{Notice, OnUnparsableGold, Reward, RewardError, RewardFn, RewardInput};
use part::wrong_clip;

/// The sum of rewards times their weights. Parts are logged as they were judged, before weight,
/// gate and clip; of several verdicts the first part's is taken. Where several gold answers are
/// accepted, each part judges by the one that is best for the response.
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
        Part::check_names(&parts)?;
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

    /// One part's result as it enters the sum; none where it does not apply.
    fn take(
        &self,
        part: &Part,
        result: Result<Reward, RewardError>,
    ) -> Result<Option<Reward>, RewardError> {
        if self.is_zeroed(&result) {
            return Ok(Some(part.zero()));
        }
        match result {
            Err(RewardError::NotApplicable { .. }) => Ok(None),
            result => result.and_then(|scored| part.named(scored)).map(Some),
        }
    }

    /// The sum over the parts that apply, one entry a part.
    fn sum(
        &self,
        input: &RewardInput<'_>,
        scored: Vec<Option<Reward>>,
    ) -> Result<Reward, RewardError> {
        let mut total = Reward::default();
        let mut values = vec![];
        for (part, scored) in self.parts.iter().zip(scored) {
            let Some(scored) = scored else { continue };
            for (name, value) in scored.parts {
                if total.part(&name).is_some() {
                    let message = format!("`{name}` is already a part of this reward");
                    return Err(RewardError::service(&part.rule, message));
                }
                total.parts.push((name, value));
            }
            total.correct = total.correct.or(scored.correct);
            values.push((part, scored.value));
        }
        if values.is_empty() {
            return Err(no_part(input));
        }
        for (part, value) in values {
            // A gate that does not apply is open.
            let open = |gate: &String| total.part(gate).is_none_or(|v| v > 0.0);
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

/// No part applies: a row is never paid 0 for that.
fn no_part(input: &RewardInput<'_>) -> RewardError {
    let set = match input.set {
        "" => "without a data set".to_owned(),
        set => format!("of the data set `{set}`"),
    };
    let step = input
        .step
        .map_or(String::new(), |s| format!(" at step {s}"));
    RewardError::NotApplicable {
        message: format!("no part of the reward applies to a row {set}{step} with its fields"),
    }
}

impl RewardFn for Composite {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let one = |part: &Part| match part.applies(input) {
            true => self.take(part, part.score(input)),
            false => Ok(None),
        };
        let scored = self.parts.iter().map(one).collect::<Result<_, _>>()?;
        self.sum(input, scored)
    }

    fn part_names(&self) -> Vec<String> {
        let mut names: Vec<String> = vec![];
        for name in self.parts.iter().flat_map(|p| &p.names) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    fn score_batch(&self, inputs: &[RewardInput<'_>]) -> Vec<Result<Reward, RewardError>> {
        let mut rows: Vec<Result<Vec<Option<Reward>>, RewardError>> =
            inputs.iter().map(|_| Ok(vec![])).collect();
        for part in &self.parts {
            let own: Vec<RewardInput<'_>> =
                inputs.iter().copied().filter(|i| part.applies(i)).collect();
            let mut results = part.score_batch(&own).into_iter();
            for (row, input) in rows.iter_mut().zip(inputs) {
                let missing = || Err(RewardError::service(&part.rule, "a response got no reward"));
                let taken = match part.applies(input) {
                    true => self.take(part, results.next().unwrap_or_else(missing)),
                    false => Ok(None),
                };
                match (row.as_mut(), taken) {
                    (Ok(scored), Ok(reward)) => scored.push(reward),
                    (Ok(_), Err(error)) => *row = Err(error),
                    (Err(_), _) => {}
                }
            }
        }
        rows.into_iter()
            .zip(inputs)
            .map(|(row, input)| row.and_then(|scored| self.sum(input, scored)))
            .collect()
    }

    fn check_gold(&self, row: &RewardInput<'_>) -> Result<(), RewardError> {
        let mut own = self.parts.iter().filter(|part| part.covers(row)).peekable();
        if own.peek().is_none() {
            return Err(no_part(row));
        }
        if self.on_unparsable_gold == OnUnparsableGold::Zero {
            return Ok(());
        }
        own.try_for_each(|part| match part.check_gold(row) {
            Err(RewardError::NotApplicable { .. }) => Ok(()),
            result => result,
        })
    }

    fn needs_answer(&self, row: &RewardInput<'_>) -> bool {
        let mut own = self.parts.iter().filter(|part| part.covers(row));
        own.any(|part| part.reward.needs_answer(row))
    }

    fn check_length(&self, max_new_tokens: usize) -> Result<(), RewardError> {
        let mut parts = self.parts.iter();
        parts.try_for_each(|part| part.reward.check_length(max_new_tokens))
    }

    fn take_notices(&self) -> Vec<Notice> {
        let parts = self.parts.iter();
        parts.flat_map(|part| part.reward.take_notices()).collect()
    }

    fn explain(&self, input: &RewardInput<'_>) -> Vec<String> {
        let mut lines = vec![];
        for part in &self.parts {
            let name = &part.names[0];
            if !part.applies(input) {
                lines.push(format!("{name}: does not apply to this row"));
                continue;
            }
            let told = part.reward.explain(input);
            lines.extend(told.into_iter().map(|line| format!("{name}: {line}")));
        }
        lines
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
            assert!(
                with(policy)
                    .check_gold(&RewardInput::new("", "  "))
                    .is_err()
            );
        }
        let scored = with("zero").score(&input).unwrap();
        assert_eq!((scored.value, scored.correct), (1.0, Some(false)));
        assert_eq!(
            scored.parts,
            [("accuracy".into(), 0.0), ("format".into(), 1.0)]
        );
        assert!(with("zero").check_gold(&RewardInput::new("", "  ")).is_ok());
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

    #[test]
    fn of_several_accepted_answers_the_best_counts() {
        let reward =
            reward(json!({"parts": [{"rule": "answer_exact"}, {"rule": "answer_format"}]}));
        let answers = ["2", "two", ""].map(str::to_owned);
        let input = |text| RewardInput::new(text, "2").with_answers(&answers);
        let texts = [
            "<answer>two</answer>",
            "<answer>2</answer>",
            "<answer>3</answer>",
        ];
        let inputs = texts.map(input);
        let batch = reward.score_batch(&inputs);
        for (input, scored) in inputs.iter().zip(&batch) {
            assert_eq!(*scored, reward.score(input));
        }
        let right: Vec<_> = batch.iter().map(|s| s.as_ref().unwrap().correct).collect();
        assert_eq!(right, [Some(true), Some(true), Some(false)]);
        // One that can be used is enough.
        assert!(reward.check_gold(&input("")).is_ok());
        let none = ["".to_owned(), " ".to_owned()];
        let unusable = RewardInput::new("", "").with_answers(&none);
        assert!(matches!(
            reward.check_gold(&unusable),
            Err(RewardError::Gold { .. })
        ));
    }

    #[test]
    fn a_gold_answer_is_needed_where_a_part_that_judges_the_row_compares_with_it() {
        let reward = reward(json!({"parts": [
            {"rule": "answer_format"},
            {"rule": "answer_exact", "when": {"set": "geo"}}]}));
        let row = RewardInput::new("", "");
        assert!(!reward.needs_answer(&row));
        assert!(reward.needs_answer(&row.with_set("geo")));
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
