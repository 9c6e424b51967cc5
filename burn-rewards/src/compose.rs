//! Rewards out of rules: a weighted sum, read from the configuration.

use crate::{RULES, Reward, RewardError, RewardFn, RewardInput};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The reward of a run: a weighted sum of rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RewardConfig {
    /// The rules and their weights.
    pub parts: Vec<PartConfig>,
}

/// One rule of a [`RewardConfig`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartConfig {
    /// Name of the rule, as in [`RULES`].
    pub rule: String,
    /// Factor of its value in the sum.
    #[serde(default = "one")]
    pub weight: f64,
    /// Options of the rule itself.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
}

fn one() -> f64 {
    1.0
}

impl Default for RewardConfig {
    fn default() -> Self {
        Self::named(&["answer_exact", "answer_format"])
    }
}

impl RewardConfig {
    /// The plain sum of the rules called `names`.
    pub fn named(names: &[&str]) -> Self {
        let part = |name: &&str| PartConfig {
            rule: (*name).into(),
            weight: 1.0,
            options: Map::new(),
        };
        Self {
            parts: names.iter().map(part).collect(),
        }
    }

    /// Builds the rules.
    ///
    /// # Errors
    /// An unknown rule, an unknown or mistyped option, a weight that is not finite, or no rule at all.
    pub fn build(&self) -> Result<WeightedSum, RewardError> {
        if self.parts.is_empty() {
            return Err(RewardError::Config {
                rule: "reward.parts".into(),
                message: "expected at least one rule".into(),
            });
        }
        let parts = self
            .parts
            .iter()
            .map(PartConfig::build)
            .collect::<Result<_, _>>()?;
        Ok(WeightedSum { parts })
    }
}

impl PartConfig {
    fn build(&self) -> Result<(Box<dyn RewardFn>, f64), RewardError> {
        let rule = RULES.iter().find(|r| r.name == self.rule).ok_or_else(|| {
            let known: Vec<_> = RULES.iter().map(|r| r.name).collect();
            RewardError::UnknownRule {
                name: self.rule.clone(),
                hint: format!(", expected one of: {}", known.join(", ")),
            }
        })?;
        if !self.weight.is_finite() {
            return Err(RewardError::Config {
                rule: self.rule.clone(),
                message: format!("weight is {}, expected a finite number", self.weight),
            });
        }
        Ok(((rule.build)(&self.options)?, self.weight))
    }
}

/// Sum of rules times their weights. Parts are logged unweighted.
pub struct WeightedSum {
    parts: Vec<(Box<dyn RewardFn>, f64)>,
}

impl RewardFn for WeightedSum {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let mut total = Reward::default();
        for (rule, weight) in &self.parts {
            let scored = rule.score(input)?;
            total.value += weight * scored.value;
            total.correct = total.correct.or(scored.correct);
            total.parts.extend(scored.parts);
        }
        Ok(total)
    }

    fn part_names(&self) -> Vec<String> {
        self.parts
            .iter()
            .flat_map(|(rule, _)| rule.part_names())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_apply_to_the_value_and_not_to_the_parts() {
        let mut config = RewardConfig::default();
        config.parts[1].weight = 0.5;
        let scored = config
            .build()
            .unwrap()
            .score(&RewardInput::new("<answer>2</answer>", "3"))
            .unwrap();
        assert_eq!(scored.value, 0.5);
        assert_eq!(
            scored.parts,
            [("accuracy".into(), 0.0), ("format".into(), 1.0)]
        );
        assert_eq!(scored.correct, Some(false));
    }

    #[test]
    fn a_wrong_name_or_option_is_refused_by_name() {
        let message = |c: RewardConfig| c.build().err().unwrap().to_string();
        assert!(message(RewardConfig::named(&["acuracy"])).contains("`acuracy`"));
        let mut config = RewardConfig::default();
        config.parts[0]
            .options
            .insert("colour".into(), Value::Bool(true));
        assert!(message(config).contains("colour"));
    }
}
