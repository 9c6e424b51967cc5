//! The rules that a configuration may name.

use super::{Options, RULES, Rule, entry::entry};
use crate::{RewardError, RewardFn, names::hint};
use serde_json::{Map, Value};

/// The rules of this crate and any of one's own, as a value: two programs' worth of rules can live
/// in one process.
///
/// See [`Options`] for an example.
#[derive(Debug, Clone)]
pub struct Registry {
    rules: Vec<Rule>,
}

impl Default for Registry {
    fn default() -> Self {
        Self::builtin()
    }
}

impl Registry {
    /// The rules of this crate.
    pub fn builtin() -> Self {
        Self {
            rules: RULES.to_vec(),
        }
    }

    /// These rules and one more.
    ///
    /// # Errors
    /// A name that is taken, or an option that is no field or a field that is no option.
    pub fn with<O: Options + 'static>(mut self) -> Result<Self, RewardError> {
        let refuse = |message: &str| Err(RewardError::config(O::NAME, message));
        let rule = entry::<O>();
        let fields = (rule.defaults)();
        let described = |field: &str| O::OPTIONS.iter().any(|(name, _)| *name == field);
        if let Some(field) = fields.keys().find(|field| !described(field)) {
            return refuse(&format!("field `{field}` is missing in `OPTIONS`"));
        }
        if let Some((name, _)) = O::OPTIONS.iter().find(|(n, _)| !fields.contains_key(*n)) {
            return refuse(&format!("option `{name}` is no field"));
        }
        if self.rules.iter().any(|rule| rule.name == O::NAME) {
            return refuse("cannot be registered, another rule has that name");
        }
        self.rules.push(rule);
        Ok(self)
    }

    /// Every rule: those of this crate, then the others in the order they came.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Looks a rule up.
    ///
    /// # Errors
    /// An unknown name; the message has the nearest one.
    pub fn find(&self, name: &str) -> Result<&Rule, RewardError> {
        lookup(&self.rules, name)
    }

    /// The rule called `name` with these options; those that are not given have their defaults.
    ///
    /// # Errors
    /// An unknown name, an unknown or mistyped option, or values that make no sense.
    pub fn reward(
        &self,
        name: &str,
        options: &Map<String, Value>,
    ) -> Result<Box<dyn RewardFn>, RewardError> {
        self.find(name)?.reward_with(options, self)
    }
}

pub(super) fn lookup<'a>(rules: &'a [Rule], name: &str) -> Result<&'a Rule, RewardError> {
    let found = rules.iter().find(|rule| rule.name == name);
    found.ok_or_else(|| RewardError::UnknownRule {
        name: name.into(),
        hint: hint(name, rules.iter().map(|rule| rule.name)),
    })
}
