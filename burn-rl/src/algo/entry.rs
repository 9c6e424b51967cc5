//! Algorithms by name.

use super::{ALGORITHMS, Algorithm, Composition};
use crate::{error::RlError, recipe::Recipe};
use std::sync::{PoisonError, RwLock};
use toml::{Table, Value};

/// An algorithm as it is listed.
#[derive(Clone, Copy)]
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
    /// Its options and axes and their defaults.
    pub defaults: fn() -> Table,
    /// The names that an option takes; none where it is no choice among names.
    pub choices: fn(&str) -> Vec<&'static str>,
    /// The recipe of the given options and axes; what is not given has its default.
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
        build: build::<A>,
    }
}

/// Algorithms from outside this crate.
static REGISTERED: RwLock<Vec<&'static Entry>> = RwLock::new(vec![]);

/// Makes an algorithm from outside known under its name: configurations, the command line and the
/// lists have it from then on.
///
/// # Errors
/// A name that is taken.
pub fn register<A: Algorithm + 'static>() -> Result<(), RlError> {
    if let Ok(other) = find(A::NAME) {
        return Err(RlError::Config(format!(
            "algorithm `{}` cannot be registered: `{}` has that name",
            A::NAME,
            other.name
        )));
    }
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    registered.push(Box::leak(Box::new(entry::<A>())));
    Ok(())
}

/// Every algorithm: those of this crate, then those that were registered.
pub fn all() -> Vec<&'static Entry> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    ALGORITHMS
        .iter()
        .chain(registered.iter().copied())
        .collect()
}

/// Looks an algorithm up, by its name or another spelling of it.
///
/// # Errors
/// An unknown name; the message lists those that exist.
pub fn find(name: &str) -> Result<&'static Entry, RlError> {
    let wanted = plain(name);
    let is = |entry: &&Entry| {
        plain(entry.name) == wanted || entry.aliases.iter().any(|a| plain(a) == wanted)
    };
    all().into_iter().find(is).ok_or_else(|| {
        let known: Vec<&str> = all().iter().map(|a| a.name).collect();
        let known = known.join(", ");
        RlError::Config(format!("algo.name is `{name}`, expected one of: {known}"))
    })
}

/// A name without what people spell differently: `Reinforce++` is `reinforcepp`.
fn plain(name: &str) -> String {
    let lower = name.to_lowercase().replace('+', "p");
    lower.chars().filter(|c| c.is_alphanumeric()).collect()
}

fn own<A: Algorithm>() -> Table {
    Table::try_from(A::default()).unwrap_or_default()
}

fn axes<A: Algorithm>() -> Table {
    let mut table = Table::try_from(A::composition()).unwrap_or_default();
    for name in A::WITHOUT {
        table.remove(*name);
    }
    table
}

fn defaults<A: Algorithm>() -> Table {
    let mut table = own::<A>();
    table.extend(axes::<A>());
    table
}

fn choices<A: Algorithm>(option: &str) -> Vec<&'static str> {
    let own = burn_rewards::choices::<A>(option);
    match own.is_empty() {
        true => burn_rewards::choices::<Composition>(option),
        false => own,
    }
}

fn build<A: Algorithm>(options: &Table) -> Result<Recipe, RlError> {
    let fail = |message: &str| RlError::Config(format!("algo (`{}`): {message}", A::NAME));
    let broken = |e: toml::de::Error| fail(e.message());
    let own_names = own::<A>();
    let axes_names = axes::<A>();
    let (mut own, mut axes) = (
        Table::new(),
        Table::try_from(A::composition()).unwrap_or_default(),
    );
    for (name, value) in options {
        if own_names.contains_key(name) {
            own.insert(name.clone(), value.clone());
        } else if axes_names.contains_key(name) {
            axes.insert(name.clone(), value.clone());
        } else if A::WITHOUT.contains(&name.as_str()) {
            let reason = format!("`{name}` does nothing in {}, expected it left out", A::NAME);
            return Err(RlError::Config(format!("algo.{reason}")));
        } else {
            let known = own_names.keys().chain(axes_names.keys());
            let known: Vec<String> = known.map(|k| format!("`{k}`")).collect();
            let known = known.join(", ");
            return Err(fail(&format!(
                "unknown field `{name}`, expected one of {known}"
            )));
        }
    }
    let algorithm: A = own.try_into().map_err(broken)?;
    let composition: Composition = Value::Table(axes).try_into().map_err(broken)?;
    algorithm.recipe(&composition)
}
