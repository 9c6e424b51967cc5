//! The box reward of SimpleRL-Reason.

use super::{Options, math::usable};
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    extract::last_box,
    math::{Profile, Verifier},
};
use serde::{Deserialize, Serialize};

/// 1 for a right answer in a box, −0.5 for a wrong one, −1 for a response without a box, even if
/// it is right.
///
/// `preprocess_box_response_for_qwen_prompt` of hkust-nlp/simpleRL-reason v0. A box is a whole
/// `\boxed{…}` or `\fbox{…}`; with `compat` it is the word `boxed`, wherever it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimpleRlBox {
    /// The grader.
    pub profile: Profile,
    /// Reproduces the original with its quirks.
    pub compat: bool,
}

impl Default for SimpleRlBox {
    fn default() -> Self {
        Self {
            profile: Profile::QwenSimplerl,
            compat: false,
        }
    }
}

impl Options for SimpleRlBox {
    const NAME: &'static str = "simple_rl_box";
    const PART: &'static str = "box";
    const RANGE: (f64, f64) = (-1.0, 1.0);
    const ABOUT: &'static str = "1 right and boxed, −0.5 wrong and boxed, −1 without a box";
    const SOURCE: &'static str =
        "SimpleRL-Reason v0, experience_maker.py preprocess_box_response_for_qwen_prompt";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("profile", "the grader, as for `math`"),
        ("compat", "reproduces the original with its quirks"),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        let verifier = Verifier::new(self.profile);
        Ok(Box::new(SimpleRl {
            verifier,
            compat: self.compat,
        }))
    }
}

struct SimpleRl {
    verifier: Verifier,
    compat: bool,
}

/// Whether the response has a box.
pub(super) fn is_boxed(response: &str, compat: bool) -> bool {
    match compat {
        true => response.contains("boxed"),
        false => {
            // A frame is a box.
            let response = response.replace("\\fbox{", "\\boxed{");
            last_box(&response).is_some_and(|(_, content)| !content.trim().is_empty())
        }
    }
}

impl RewardFn for SimpleRl {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let gold = usable(SimpleRlBox::NAME, &self.verifier, input.answer)?;
        let right = self.verifier.verify_gold(&gold, input.response).is_equal();
        let boxed = is_boxed(input.response, self.compat);
        let value = match (boxed, right) {
            (true, true) => 1.0,
            (true, false) => -0.5,
            (false, _) => -1.0,
        };
        Ok(Reward::single(
            SimpleRlBox::PART,
            value,
            Some(right && boxed),
        ))
    }

    fn needs_answer(&self, _row: &RewardInput<'_>) -> bool {
        true
    }

    fn part_names(&self) -> Vec<String> {
        vec![SimpleRlBox::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_boxed_wrong_boxed_not_boxed() {
        let value = |compat: bool, response: &str| {
            let options = SimpleRlBox {
                compat,
                ..SimpleRlBox::default()
            };
            let rule = options.build().unwrap();
            rule.score(&RewardInput::new(response, "2")).unwrap().value
        };
        assert_eq!(value(false, r"so \boxed{2}"), 1.0);
        assert_eq!(value(false, r"so \boxed{3}"), -0.5);
        assert_eq!(value(false, "the answer is 2"), -1.0);
        assert_eq!(value(false, "2 is not boxed"), -1.0);
        assert_eq!(value(true, "boxed, that is no 3"), -0.5);
        assert_eq!(value(false, r"\boxed{}"), -1.0);
    }
}
