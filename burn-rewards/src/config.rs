//! The reward of a run as it is configured.

use crate::{Composite, Condition, OnUnparsableGold, Part, Registry, RewardError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The reward of a run: a weighted sum of rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RewardConfig {
    /// What a gold answer that a rule cannot use does.
    pub on_unparsable_gold: OnUnparsableGold,
    /// Smallest and largest value of the sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<[f64; 2]>,
    /// The rules and their weights.
    pub parts: Vec<PartConfig>,
}

/// One rule of a [`RewardConfig`].
///
/// Its value goes through the clip, then times the weight, then through the gate into the sum.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PartConfig {
    /// Name of the rule, as in [`crate::RULES`].
    pub rule: String,
    /// Name of its value in metrics, `reward/<name>`; the rule's own if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Factor of its value in the sum.
    #[serde(default = "one")]
    pub weight: f64,
    /// A part that must be above 0 for this one to count; none if empty. Where that part does not
    /// apply, this one counts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gate: String,
    /// Smallest and largest value before the weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<[f64; 2]>,
    /// The rows that it judges; all of them if empty. It is no part of the reward of others: not
    /// 0, and not in the means of metrics.
    #[serde(default, skip_serializing_if = "Condition::is_empty")]
    pub when: Condition,
    /// The first step at which it is part of the reward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_step: Option<u64>,
    /// The last step at which it is part of the reward. Outside of training, where there is no
    /// step, responses are judged as after the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_step: Option<u64>,
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
            ..PartConfig::default()
        };
        Self {
            on_unparsable_gold: OnUnparsableGold::Error,
            clip: None,
            parts: names.iter().map(part).collect(),
        }
    }

    /// Builds the rules of this crate. Nothing is started or asked yet.
    ///
    /// # Errors
    /// As [`build_with`](Self::build_with).
    pub fn build(&self) -> Result<Composite, RewardError> {
        self.build_with(&Registry::builtin())
    }

    /// Builds the rules, looked up in `registry`.
    ///
    /// # Errors
    /// An unknown rule, an unknown or mistyped option, a weight that is not finite, a gate that
    /// no rule opens, two parts of one name that can judge the same response, steps in the wrong
    /// order, or no rule at all.
    pub fn build_with(&self, registry: &Registry) -> Result<Composite, RewardError> {
        let parts = self.parts.iter().map(|part| part.build(registry));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        Composite::new(parts, self.clip, self.on_unparsable_gold)
    }

    /// Refuses a `when.set` that is none of the run's data sets.
    ///
    /// # Errors
    /// The part, the name and the nearest there is.
    pub fn check_sets(&self, sets: &[&str]) -> Result<(), RewardError> {
        self.check_when(|when| when.unknown_set(sets))
    }

    /// Refuses a `when.field` that none of the rows has; `fields` are the names that some row has.
    ///
    /// # Errors
    /// The part, the name and the nearest there is.
    pub fn check_fields(&self, fields: &[&str]) -> Result<(), RewardError> {
        self.check_when(|when| when.unknown_field(fields))
    }

    fn check_when(&self, fault: impl Fn(&Condition) -> Option<String>) -> Result<(), RewardError> {
        let mut faults = self.parts.iter().filter_map(|p| Some((p, fault(&p.when)?)));
        match faults.next() {
            Some((part, message)) => Err(RewardError::config(&part.rule, message)),
            None => Ok(()),
        }
    }

    /// The same with every option of every rule spelled out.
    ///
    /// # Errors
    /// An unknown rule.
    pub fn resolved(&self, registry: &Registry) -> Result<Self, RewardError> {
        let mut resolved = self.clone();
        for part in &mut resolved.parts {
            let mut options = (registry.find(&part.rule)?.defaults)();
            options.extend(std::mem::take(&mut part.options));
            part.options = options;
        }
        Ok(resolved)
    }
}

impl PartConfig {
    /// Its keys and what they mean.
    pub const KEYS: &'static [(&'static str, &'static str)] = &[
        ("rule", "name of the rule"),
        (
            "name",
            "name of its value in metrics, `reward/<name>`; the rule's own if it is left out",
        ),
        (
            "weight",
            "factor of its value in the sum; 1 if it is left out",
        ),
        (
            "gate",
            "a part that must be above 0 for this one to count; where that does not apply, this \
             one counts",
        ),
        ("clip", "smallest and largest value before the weight"),
        (
            "when",
            "the rows that it judges: `set`, a data set or a list of them, and `field`, a table of \
             fields of the row and the value, or list of values, that each must have",
        ),
        (
            "from_step",
            "the first training step at which it is part of the reward",
        ),
        (
            "until_step",
            "the last training step at which it is part of the reward",
        ),
        ("options", "options of the rule"),
    ];

    fn build(&self, registry: &Registry) -> Result<Part, RewardError> {
        let reward = registry.reward(&self.rule, &self.options)?;
        let mut part = Part::new(&self.rule, reward)
            .weight(self.weight)
            .when(self.when.clone())
            .steps(
                self.from_step.unwrap_or(0),
                self.until_step.unwrap_or(u64::MAX),
            );
        if !self.name.is_empty() {
            part = part.name(&self.name);
        }
        if !self.gate.is_empty() {
            part = part.gate(&self.gate);
        }
        if let Some([low, high]) = self.clip {
            part = part.clip(low, high);
        }
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(config: Value) -> String {
        serde_json::from_value::<RewardConfig>(config)
            .unwrap()
            .build()
            .err()
            .unwrap()
            .to_string()
    }

    #[test]
    fn a_wrong_name_or_option_is_refused_by_name() {
        let message = refusal(json!({"parts": [{"rule": "answer_exat"}]}));
        assert!(
            message.contains("`answer_exat`, did you mean `answer_exact`?"),
            "{message}"
        );
        let options = json!({"case_sensitve": true});
        let message = refusal(json!({"parts": [{"rule": "answer_exact", "options": options}]}));
        assert!(
            message.contains("`case_sensitve`, did you mean `case_sensitive`?"),
            "{message}"
        );
        assert!(refusal(json!({"parts": []})).contains("at least one rule"));
    }

    #[test]
    fn gates_names_and_clips_are_checked() {
        let gated = |gate| json!({"parts": [{"rule": "answer_exact", "gate": gate}, {"rule": "answer_format"}]});
        assert!(refusal(gated("formt")).contains("did you mean `format`?"));
        assert!(refusal(gated("accuracy")).contains("its own gate"));
        let twice = json!({"parts": [{"rule": "answer_exact"}, {"rule": "answer_exact"}]});
        assert!(refusal(twice).contains("two parts are named `accuracy`"));
        let clip = json!({"parts": [{"rule": "answer_exact", "clip": [1, 0]}]});
        assert!(refusal(clip).contains("clip"));
        let clip = json!({"clip": [1, 0], "parts": [{"rule": "answer_exact"}]});
        assert!(refusal(clip).contains("clip"));
    }

    #[test]
    fn resolving_spells_out_every_option_and_changes_nothing() {
        let resolved = RewardConfig::default()
            .resolved(&Registry::builtin())
            .unwrap();
        assert_eq!(resolved.parts[0].options["case_sensitive"], json!(false));
        assert_eq!(resolved.resolved(&Registry::builtin()).unwrap(), resolved);
        assert!(resolved.build().is_ok());
    }
}
