//! Algorithms by name.

use super::{ALGORITHMS, Algorithm, Settings, idle::why_idle};
use crate::{
    error::RlError,
    recipe::{Recipe, RecipeBuilder},
};
use toml::{Table, Value};

/// An algorithm as it is listed.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Name in the configuration.
    pub name: &'static str,
    /// Other spellings of the name.
    pub aliases: &'static [&'static str],
    /// One sentence.
    pub about: &'static str,
    /// What is minimised.
    pub equation: &'static str,
    /// Where it is from.
    pub paper: &'static str,
    /// The defaults of its own options.
    pub own: fn() -> Table,
    /// Its options and settings and their defaults.
    pub defaults: fn() -> Table,
    /// The names that an option takes; none where it is no choice among names.
    pub choices: fn(&str) -> Vec<&'static str>,
    /// The parts of the given options and settings, not checked yet; what is not given has its
    /// default.
    pub builder: fn(&Table) -> Result<RecipeBuilder, RlError>,
    /// The recipe of them.
    pub build: fn(&Table) -> Result<Recipe, RlError>,
}

/// The entry of an algorithm.
pub const fn entry<A: Algorithm>() -> Entry {
    Entry {
        name: A::NAME,
        aliases: A::ALIASES,
        about: A::ABOUT,
        equation: A::EQUATION,
        paper: A::PAPER,
        own: own::<A>,
        defaults: defaults::<A>,
        choices: choices::<A>,
        builder: builder::<A>,
        build: build::<A>,
    }
}

/// The algorithms that a configuration may name. A program with algorithms of its own makes a
/// registry with them and passes it on.
///
/// ```
/// use burn_rl::{RlError, algo::{Algorithm, Registry, Settings}, loss::LossInput, recipe::RecipeBuilder};
///
/// /// The policy gradient by the sign of the advantage.
/// #[derive(Default, serde::Serialize, serde::Deserialize)]
/// struct Sign {}
/// impl Algorithm for Sign {
///     const NAME: &'static str = "sign";
///     fn recipe(&self, settings: &Settings) -> Result<RecipeBuilder, RlError> {
///         settings.recipe(|x: &LossInput| -(x.advantages().sign() * x.logp()))
///     }
/// }
///
/// let registry = Registry::builtin().with::<Sign>()?;
/// let options = toml::Table::from_iter([("reduction".into(), "token_mean".into())]);
/// let recipe = (registry.find("Sign")?.build)(&options)?;
/// assert!(recipe.needs().groups);
/// assert!(registry.with::<Sign>().is_err(), "a name is taken once");
/// # Ok::<(), RlError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Registry {
    entries: Vec<Entry>,
}

impl Default for Registry {
    fn default() -> Self {
        Self::builtin()
    }
}

impl Registry {
    /// The algorithms of this crate.
    pub fn builtin() -> Self {
        Self {
            entries: ALGORITHMS.to_vec(),
        }
    }

    /// The same and one more.
    ///
    /// # Errors
    /// A name that is taken.
    pub fn with<A: Algorithm>(mut self) -> Result<Self, RlError> {
        let entry = entry::<A>();
        for name in entry.aliases.iter().chain([&entry.name]) {
            if let Ok(other) = self.find(name) {
                return Err(RlError::Config(format!(
                    "algorithm `{name}` cannot be registered: `{}` has that name",
                    other.name
                )));
            }
        }
        self.entries.push(entry);
        Ok(self)
    }

    /// All of them, those of this crate first.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Looks an algorithm up, by its name or another spelling of it.
    ///
    /// # Errors
    /// An unknown name; the message lists those that exist.
    pub fn find(&self, name: &str) -> Result<&Entry, RlError> {
        find_in(&self.entries, name)
    }
}

/// Looks an algorithm of this crate up, by its name or another spelling of it.
///
/// # Errors
/// An unknown name; the message lists those that exist.
pub fn find(name: &str) -> Result<&'static Entry, RlError> {
    find_in(ALGORITHMS, name)
}

fn find_in<'a>(entries: &'a [Entry], name: &str) -> Result<&'a Entry, RlError> {
    let wanted = plain(name);
    let is = |entry: &&Entry| {
        plain(entry.name) == wanted || entry.aliases.iter().any(|a| plain(a) == wanted)
    };
    entries.iter().find(is).ok_or_else(|| {
        let known: Vec<&str> = entries.iter().map(|a| a.name).collect();
        let known = known.join(", ");
        RlError::Config(format!("algo.name is `{name}`, expected one of: {known}"))
    })
}

/// A name without what people spell differently: `Reinforce++` is `reinforcepp`.
fn plain(name: &str) -> String {
    let lower = name.to_lowercase().replace('+', "p");
    lower.chars().filter(|c| c.is_alphanumeric()).collect()
}

impl Recipe {
    /// The parts of an algorithm of this crate, with the paper's options and settings: a start that
    /// any part may be changed of.
    ///
    /// ```
    /// use burn_rl::{RlError, recipe::Recipe, regularize::EntropyBonus};
    ///
    /// let recipe = Recipe::named("dapo")?.regularize(EntropyBonus(0.001)).build()?;
    /// assert!(recipe.refill().is_some());
    /// # Ok::<(), RlError>(())
    /// ```
    ///
    /// # Errors
    /// An unknown name; the message lists those that exist.
    pub fn named(name: &str) -> Result<RecipeBuilder, RlError> {
        (find(name)?.builder)(&Table::new())
    }
}

fn own<A: Algorithm>() -> Table {
    Table::try_from(A::default()).unwrap_or_default()
}

fn settings<A: Algorithm>() -> Settings {
    let mut settings = Settings::default();
    A::settings(&mut settings);
    settings
}

fn defaults<A: Algorithm>() -> Table {
    let mut table = own::<A>();
    table.extend(settings::<A>().table(A::USES));
    table
}

fn choices<A: Algorithm>(option: &str) -> Vec<&'static str> {
    let own = burn_rewards::choices::<A>(option);
    match own.is_empty() {
        true => Settings::choices(option),
        false => own,
    }
}

fn builder<A: Algorithm>(options: &Table) -> Result<RecipeBuilder, RlError> {
    let fail = |message: &str| RlError::Config(format!("algo (`{}`): {message}", A::NAME));
    let broken = |e: toml::de::Error| fail(e.message());
    // Both start from the defaults of the algorithm, so that every field is there when they are read.
    let (mut own, shared) = (own::<A>(), settings::<A>());
    let (mut used, mut all) = (
        shared.table(A::USES),
        shared.table(super::SettingsGroup::ALL),
    );
    let defaults = used.clone();
    for (name, value) in options {
        if let Some(own) = own.get_mut(name) {
            *own = value.clone();
        } else if let Some(used) = used.get_mut(name) {
            *used = value.clone();
        } else if all.contains_key(name) {
            let reason = format!("`{name}` does nothing in {}, expected it left out", A::NAME);
            return Err(RlError::Config(format!("algo.{reason}")));
        } else {
            let known = own.keys().chain(used.keys());
            let known: Vec<String> = known.map(|k| format!("`{k}`")).collect();
            let known = known.join(", ");
            return Err(fail(&format!(
                "unknown field `{name}`, expected one of {known}"
            )));
        }
    }
    all.extend(used);
    let algorithm: A = own.try_into().map_err(broken)?;
    let settings: Settings = Value::Table(all).try_into().map_err(broken)?;
    for (name, value) in options {
        if let Some(default) = defaults.get(name).filter(|default| !alike(default, value))
            && let Some(because) = why_idle(name, &settings)
        {
            return Err(RlError::Config(format!(
                "algo.{name} is {value}, but {because}: it would do nothing, expected {default}, or \
                 no such key"
            )));
        }
    }
    algorithm.recipe(&settings)
}

/// Whether two values are the same setting: 1 is 1.0.
fn alike(a: &Value, b: &Value) -> bool {
    let number = |value: &Value| {
        let whole = value.as_integer().map(|n| n as f64);
        whole.or_else(|| value.as_float())
    };
    a == b || number(a).is_some_and(|a| number(b) == Some(a))
}

fn build<A: Algorithm>(options: &Table) -> Result<Recipe, RlError> {
    builder::<A>(options)?.build()
}
