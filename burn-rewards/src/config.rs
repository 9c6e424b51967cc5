//! The reward of a run as it is configured.

use crate::{Composite, Part, RewardError, RewardFn, rules};
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

/// What becomes of a response whose gold answer a rule cannot use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnUnparsableGold {
    /// It is an error that names file and line.
    #[default]
    Error,
    /// The data row is left out and counted.
    Skip,
    /// The rule's value is 0 and the answer counts as wrong.
    Zero,
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
    /// A part that must be above 0 for this one to count; none if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gate: String,
    /// Smallest and largest value before the weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<[f64; 2]>,
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

    /// Builds the rules. Nothing is started or asked yet.
    ///
    /// # Errors
    /// An unknown rule, an unknown or mistyped option, a weight that is not finite, a gate that
    /// no rule opens, two parts of one name, or no rule at all.
    pub fn build(&self) -> Result<Composite, RewardError> {
        let parts = self.parts.iter().map(PartConfig::build);
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        Composite::new(parts, self.clip, self.on_unparsable_gold)
    }

    /// The same with every option of every rule spelled out.
    ///
    /// # Errors
    /// An unknown rule.
    pub fn resolved(&self) -> Result<Self, RewardError> {
        let mut resolved = self.clone();
        for part in &mut resolved.parts {
            let mut options = (rules::find(&part.rule)?.defaults)();
            options.extend(std::mem::take(&mut part.options));
            part.options = options;
        }
        Ok(resolved)
    }
}

impl PartConfig {
    fn build(&self) -> Result<Part, RewardError> {
        let reward: Box<dyn RewardFn> = rules::find(&self.rule)?.reward(&self.options)?;
        let mut part = Part::new(&self.rule, reward).weight(self.weight);
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
        let resolved = RewardConfig::default().resolved().unwrap();
        assert_eq!(resolved.parts[0].options["case_sensitive"], json!(false));
        assert_eq!(resolved.resolved().unwrap(), resolved);
        assert!(resolved.build().is_ok());
    }
}
