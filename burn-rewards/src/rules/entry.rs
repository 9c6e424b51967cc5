//! Rules by name.

use super::RULES;
use crate::{RewardError, RewardFn, choices, names::hint};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::sync::{PoisonError, RwLock};

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
    /// The names that an option takes; none where it is no choice among names.
    pub choices: fn(&str) -> Vec<&'static str>,
    build: Build,
}

/// Builds a rule from its options, or says what is wrong with them.
type Build = fn(&Map<String, Value>) -> Result<Box<dyn RewardFn>, String>;

/// The options of a rule, which know what they build.
///
/// ```
/// use burn_rewards::{Reward, RewardConfig, RewardError, RewardFn, RewardInput, rules};
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
/// rules::register::<Polite>()?;
/// let reward = RewardConfig::named(&["math", "polite"]).build()?;
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

/// Rules from outside this crate.
static REGISTERED: RwLock<Vec<&'static Rule>> = RwLock::new(vec![]);

/// Makes a rule from outside known under its name: configurations, the command line and the lists
/// have it from then on.
///
/// # Errors
/// A name that is taken, or an option that is no field or a field that is no option.
pub fn register<O: Options + 'static>() -> Result<(), RewardError> {
    let refuse = |message: &str| Err(RewardError::config(O::NAME, message));
    let fields = defaults::<O>();
    let described = |field: &str| O::OPTIONS.iter().any(|(name, _)| *name == field);
    if let Some(field) = fields.keys().find(|field| !described(field)) {
        return refuse(&format!("field `{field}` is missing in `OPTIONS`"));
    }
    if let Some((name, _)) = O::OPTIONS.iter().find(|(n, _)| !fields.contains_key(*n)) {
        return refuse(&format!("option `{name}` is no field"));
    }
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    let mut known = RULES.iter().chain(registered.iter().copied());
    if known.any(|rule| rule.name == O::NAME) {
        return refuse("cannot be registered, another rule has that name");
    }
    registered.push(Box::leak(Box::new(entry::<O>())));
    Ok(())
}

/// Every rule: those of this crate, then those that were registered.
pub fn all() -> Vec<&'static Rule> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    RULES.iter().chain(registered.iter().copied()).collect()
}

/// Looks a rule up.
///
/// # Errors
/// An unknown name; the message has the nearest one.
pub fn find(name: &str) -> Result<&'static Rule, RewardError> {
    let rules = all();
    let rule = rules.iter().copied().find(|rule| rule.name == name);
    rule.ok_or_else(|| RewardError::UnknownRule {
        name: name.into(),
        hint: hint(name, rules.iter().map(|rule| rule.name)),
    })
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

fn build<O: Options>(given: &Map<String, Value>) -> Result<Box<dyn RewardFn>, String> {
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
    read::<O>(all).map_err(|e| e.to_string())?.build()
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
