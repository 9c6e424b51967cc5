//! The reward of SimpleRL-Zoo.

use super::{Options, math::usable, simple_rl_box::is_boxed};
use crate::{
    Reward, RewardError, RewardFn, RewardInput,
    math::{Profile, Verifier},
};
use serde::{Deserialize, Serialize};

/// With `mix`, 1 for a right answer and 0 for a wrong one, boxed or not: rigid formats hurt weak
/// base models. With `independent`, 1 right and boxed, 0.5 right, −0.5 wrong but boxed, and
/// `format_penalty` otherwise.
///
/// `hf_math_verify.py` of hkust-nlp/simpleRL-reason v1 (arXiv:2503.18892).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimpleRlZoo {
    /// How answer and box count.
    pub mode: ZooMode,
    /// Value of a wrong answer without a box, where they count independently.
    pub format_penalty: f64,
    /// The grader.
    pub profile: Profile,
}

/// How answer and box count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZooMode {
    /// Only the answer.
    #[default]
    Mix,
    /// Each on its own.
    Independent,
}

impl Default for SimpleRlZoo {
    fn default() -> Self {
        Self {
            mode: ZooMode::Mix,
            format_penalty: -1.0,
            profile: Profile::QwenSimplerl,
        }
    }
}

impl Options for SimpleRlZoo {
    const NAME: &'static str = "simple_rl_zoo";
    const PART: &'static str = "accuracy";
    const RANGE: (f64, f64) = (0.0, 1.0);
    const ABOUT: &'static str = "the answer alone, or answer and box independently (−1 to 1)";
    const SOURCE: &'static str = "SimpleRL-Zoo, arXiv:2503.18892; reward_score/hf_math_verify.py";
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        (
            "mode",
            "`mix`: right or wrong; `independent`: 1, 0.5, −0.5 or `format_penalty`",
        ),
        ("format_penalty", "value of a wrong answer without a box"),
        ("profile", "the grader, as for `math`"),
    ];

    fn build(self) -> Result<Box<dyn RewardFn>, String> {
        if !self.format_penalty.is_finite() {
            return Err("option `format_penalty`: expected a finite number".into());
        }
        let verifier = Verifier::new(self.profile);
        Ok(Box::new(Zoo {
            options: self,
            verifier,
        }))
    }
}

struct Zoo {
    options: SimpleRlZoo,
    verifier: Verifier,
}

impl RewardFn for Zoo {
    fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
        let gold = usable(SimpleRlZoo::NAME, &self.verifier, input.answer)?;
        let right = self.verifier.verify_gold(&gold, input.response).is_equal();
        let value = match (self.options.mode, right, is_boxed(input.response, false)) {
            (ZooMode::Mix, right, _) => f64::from(u8::from(right)),
            (ZooMode::Independent, true, true) => 1.0,
            (ZooMode::Independent, true, false) => 0.5,
            (ZooMode::Independent, false, true) => -0.5,
            (ZooMode::Independent, false, false) => self.options.format_penalty,
        };
        Ok(Reward::single(SimpleRlZoo::PART, value, Some(right)))
    }

    fn part_names(&self) -> Vec<String> {
        vec![SimpleRlZoo::PART.into()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_modes() {
        let value = |mode, response: &str| {
            let options = SimpleRlZoo {
                mode,
                ..SimpleRlZoo::default()
            };
            let rule = options.build().unwrap();
            rule.score(&RewardInput::new(response, "2")).unwrap().value
        };
        let texts = [
            r"\boxed{2}",
            "the answer is 2",
            r"\boxed{3}",
            "the answer is 3",
        ];
        assert_eq!(texts.map(|t| value(ZooMode::Mix, t)), [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(
            texts.map(|t| value(ZooMode::Independent, t)),
            [1.0, 0.5, -0.5, -1.0]
        );
    }
}
