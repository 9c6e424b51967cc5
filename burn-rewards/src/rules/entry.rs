//! A rule: its name, what it says of itself, and how it is built from options.

use super::Registry;
use crate::{RewardError, RewardFn, choices, names::hint};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::fmt;

/// A rule as it is listed: what `trainer rewards` prints and the configuration looks up.
#[derive(Clone, Copy)]
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
    /// The names that an option takes; none where it is no choice among names.
    pub choices: fn(&str) -> Vec<&'static str>,
    build: Build,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rule").field(&self.name).finish()
    }
}

/// Builds a rule from its options, or says what is wrong with them.
type Build = fn(&Map<String, Value>, &Registry) -> Result<Box<dyn RewardFn>, String>;

/// The options of a rule, which know what they build.
///
/// ```
/// use burn_rewards::{Registry, Reward, RewardConfig, RewardError, RewardFn, RewardInput, rules};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Polite {
///     word: String,
/// }
///
/// impl Default for Polite {
///     fn default() -> Self {
///         Self { word: "please".into() }
///     }
/// }
///
/// impl rules::Options for Polite {
///     const NAME: &'static str = "polite";
///     const PART: &'static str = "politeness";
///     const RANGE: (f64, f64) = (0.0, 1.0);
///     const ABOUT: &'static str = "1 where the response has the word";
///     const OPTIONS: &'static [(&'static str, &'static str)] = &[("word", "the word")];
///
///     fn build(self) -> Result<Box<dyn RewardFn>, String> {
///         Ok(Box::new(self))
///     }
/// }
///
/// impl RewardFn for Polite {
///     fn score(&self, input: &RewardInput<'_>) -> Result<Reward, RewardError> {
///         let value = f64::from(u8::from(input.response.contains(&self.word)));
///         Ok(Reward::single("politeness", value, None))
///     }
///
///     fn part_names(&self) -> Vec<String> {
///         vec!["politeness".into()]
///     }
/// }
///
/// let registry = Registry::builtin().with::<Polite>()?;
/// let reward = RewardConfig::named(&["math", "polite"]).build_with(&registry)?;
/// let scored = reward.score(&RewardInput::new("5, if you please", "5"))?;
/// assert_eq!(scored.part("politeness"), Some(1.0));
/// # Ok::<(), RewardError>(())
/// ```
pub trait Options: Serialize + DeserializeOwned + Default {
    /// Name in the configuration.
    const NAME: &'static str;
    /// The part it produces, as logged under `reward/<part>`.
    const PART: &'static str = Self::NAME;
    /// Smallest and largest value with the default options.
    const RANGE: (f64, f64) = (0.0, 1.0);
    /// What it judges, in one sentence.
    const ABOUT: &'static str = "";
    /// Where the rule is from.
    const SOURCE: &'static str = "";
    /// Name and meaning of each field.
    const OPTIONS: &'static [(&'static str, &'static str)];

    /// The reward with these options.
    ///
    /// # Errors
    /// What is wrong with the options, in words; the message of [`Rule::reward`] puts the rule's
    /// name before it.
    fn build(self) -> Result<Box<dyn RewardFn>, String>;

    /// [`build`](Self::build) for a rule that has another rule as an option: it is looked up in
    /// `registry`.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    fn build_with(self, _registry: &Registry) -> Result<Box<dyn RewardFn>, String> {
        self.build()
    }
}

pub(super) const fn entry<O: Options>() -> Rule {
    Rule {
        name: O::NAME,
        part: O::PART,
        range: O::RANGE,
        about: O::ABOUT,
        source: O::SOURCE,
        options: O::OPTIONS,
        defaults: defaults::<O>,
        choices: choices::<O>,
        build: build::<O>,
    }
}

impl Rule {
    /// The same rule under another name, from another source.
    pub(super) const fn named(mut self, name: &'static str, source: &'static str) -> Self {
        self.name = name;
        self.source = source;
        self
    }

    /// The rule with these options; those that are not given have their defaults.
    ///
    /// # Errors
    /// An unknown or mistyped option, or values that make no sense.
    pub fn reward(&self, options: &Map<String, Value>) -> Result<Box<dyn RewardFn>, RewardError> {
        self.reward_with(options, &Registry::builtin())
    }

    /// [`reward`](Self::reward), with the rules that an option may name from `registry`.
    ///
    /// # Errors
    /// As [`reward`](Self::reward).
    pub fn reward_with(
        &self,
        options: &Map<String, Value>,
        registry: &Registry,
    ) -> Result<Box<dyn RewardFn>, RewardError> {
        (self.build)(options, registry).map_err(|message| RewardError::config(self.name, message))
    }
}

fn build<O: Options>(
    given: &Map<String, Value>,
    registry: &Registry,
) -> Result<Box<dyn RewardFn>, String> {
    let known = O::OPTIONS.iter().map(|(name, _)| *name);
    if let Some(key) = given.keys().find(|k| !known.clone().any(|n| n == *k)) {
        return Err(format!("unknown option `{key}`{}", hint(key, known)));
    }
    // One after the other, so that the message names the option that does not fit.
    let mut all = defaults::<O>();
    for (key, value) in given {
        let mut alone = defaults::<O>();
        alone.insert(key.clone(), value.clone());
        read::<O>(alone).map_err(|e| format!("option `{key}`: {e}"))?;
        all.insert(key.clone(), value.clone());
    }
    let options = read::<O>(all).map_err(|e| e.to_string())?;
    options.build_with(registry)
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
