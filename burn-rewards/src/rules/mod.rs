//! One rule a file, and the table that lists them.

mod answer_exact;
mod answer_format;
mod box_iou;
mod command;
mod cosine_length;
mod cv_bench;
mod http;
mod length;
mod math;
mod mm_eureka;
mod ngram_repetition;
mod numeric;
mod r1v;
mod simple_rl_box;
mod simple_rl_zoo;
mod soft_overlong;
mod visual_thinker;

pub use answer_exact::AnswerExact;
pub use answer_format::AnswerFormat;
pub use box_iou::BoxIou;
pub use command::Command;
pub use cosine_length::CosineLength;
pub use cv_bench::CvBench;
pub use http::Http;
pub use length::{Length, LengthUnit};
pub use math::{AnswerIn, Math};
pub use mm_eureka::{
    MmEurekaInstructAccuracy, MmEurekaInstructFormat, MmEurekaQwenAccuracy, MmEurekaQwenFormat,
    MmEurekaZeroAccuracy, MmEurekaZeroFormat,
};
pub use ngram_repetition::NgramRepetition;
pub use numeric::Numeric;
pub use r1v::{R1vAccuracy, R1vFormat};
pub use simple_rl_box::SimpleRlBox;
pub use simple_rl_zoo::{SimpleRlZoo, ZooMode};
pub use soft_overlong::SoftOverlong;
pub use visual_thinker::{VisualThinkerAccuracy, VisualThinkerFormat};

use crate::{RewardError, RewardFn, names::hint};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// A rule as it is listed: what `trainer rewards` prints and the configuration looks up.
pub struct Rule {
    /// Name in the configuration.
    pub name: &'static str,
    /// The part it produces.
    pub part: &'static str,
    /// Smallest and largest value with the default options.
    pub range: (f64, f64),
    /// What it judges, in one sentence.
    pub about: &'static str,
    /// Where the rule is from.
    pub source: &'static str,
    /// Its options: name and meaning.
    pub options: &'static [(&'static str, &'static str)],
    /// Its options and their defaults.
    pub defaults: fn() -> Map<String, Value>,
    build: Build,
}

/// Builds a rule from its options, or says what is wrong with them.
type Build = fn(&Map<String, Value>) -> Result<Box<dyn RewardFn>, String>;

/// Every rule there is. A new rule is one file and one entry.
pub const RULES: &[Rule] = &[
    entry::<Math>(),
    entry::<AnswerExact>(),
    entry::<AnswerFormat>(),
    entry::<Numeric>(),
    entry::<BoxIou>(),
    entry::<CvBench>(),
    entry::<MmEurekaInstructAccuracy>(),
    entry::<MmEurekaInstructFormat>(),
    entry::<MmEurekaQwenAccuracy>(),
    entry::<MmEurekaQwenFormat>(),
    entry::<MmEurekaZeroAccuracy>(),
    entry::<MmEurekaZeroFormat>(),
    entry::<VisualThinkerAccuracy>(),
    entry::<VisualThinkerFormat>(),
    entry::<R1vAccuracy>(),
    entry::<R1vFormat>(),
    entry::<SimpleRlBox>(),
    entry::<SimpleRlZoo>(),
    entry::<Length>(),
    entry::<CosineLength>(),
    entry::<SoftOverlong>(),
    entry::<NgramRepetition>(),
    entry::<Command>(),
    entry::<Http>(),
];

/// The options of a rule, which know what they build.
pub(crate) trait Options: Serialize + DeserializeOwned + Default {
    const NAME: &'static str;
    const PART: &'static str;
    const RANGE: (f64, f64);
    const ABOUT: &'static str;
    const SOURCE: &'static str;
    /// Name and meaning of each field.
    const OPTIONS: &'static [(&'static str, &'static str)];

    /// The reward with these options, or what is wrong with them.
    fn build(self) -> Result<Box<dyn RewardFn>, String>;
}

const fn entry<O: Options>() -> Rule {
    Rule {
        name: O::NAME,
        part: O::PART,
        range: O::RANGE,
        about: O::ABOUT,
        source: O::SOURCE,
        options: O::OPTIONS,
        defaults: defaults::<O>,
        build: |given| {
            let known = O::OPTIONS.iter().map(|(name, _)| *name);
            if let Some(key) = given.keys().find(|k| !known.clone().any(|n| n == *k)) {
                return Err(format!("unknown option `{key}`{}", hint(key, known)));
            }
            // One after the other, so that the message names the option that does not fit.
            let mut all = defaults::<O>();
            for (key, value) in given {
                let alone = Map::from_iter([(key.clone(), value.clone())]);
                read::<O>(alone).map_err(|e| format!("option `{key}`: {e}"))?;
                all.insert(key.clone(), value.clone());
            }
            read::<O>(all).map_err(|e| e.to_string())?.build()
        },
    }
}

fn defaults<O: Options>() -> Map<String, Value> {
    match serde_json::to_value(O::default()) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn read<O: Options>(options: Map<String, Value>) -> Result<O, serde_json::Error> {
    serde_json::from_value(Value::Object(options))
}

impl Rule {
    /// The rule with these options; those that are not given have their defaults.
    ///
    /// # Errors
    /// An unknown or mistyped option, or values that make no sense.
    pub fn reward(&self, options: &Map<String, Value>) -> Result<Box<dyn RewardFn>, RewardError> {
        (self.build)(options).map_err(|message| RewardError::config(self.name, message))
    }
}

/// Looks a rule up.
///
/// # Errors
/// An unknown name; the message has the nearest one.
pub fn find(name: &str) -> Result<&'static Rule, RewardError> {
    let rule = RULES.iter().find(|rule| rule.name == name);
    rule.ok_or_else(|| RewardError::UnknownRule {
        name: name.into(),
        hint: hint(name, RULES.iter().map(|rule| rule.name)),
    })
}

/// Refuses a number that is not finite or below `low`.
fn at_least(name: &str, value: f64, low: f64) -> Result<(), String> {
    match value.is_finite() && value >= low {
        true => Ok(()),
        false => Err(format!(
            "option `{name}` is {value}, expected {low} or more"
        )),
    }
}
