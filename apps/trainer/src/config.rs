//! Configuration files: layers that merge, checked key by key, and what they resolve to.

mod algo;
mod explain;
mod layer;
mod refusal;
mod schema;

pub use layer::set_option;
pub use schema::schema;

use crate::{Extensions, input_error::InputError, paths};
use anyhow::Result;
use burn_rl::config::RunConfig;
use explain::explain;
use layer::Layer;
use refusal::Given;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};
use toml::{Table, Value};

/// The demo: what runs when no configuration is given.
pub const DEMO: &str = include_str!("../../../configs/demo.toml");

/// What the demo's own data are: the `[demo]` section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DemoConfig {
    /// Questions to learn from by reinforcement; 0 for none.
    pub train: usize,
    /// Held-out questions; 0 for none.
    pub eval: usize,
    /// Rows with completions, phase after phase; empty for reinforcement learning.
    pub sft: Vec<SftPhase>,
}

impl DemoConfig {
    /// The first `n` rows of each kind and phase, for what needs only a look.
    pub fn first(&self, n: usize) -> Self {
        let phase = |phase: &SftPhase| SftPhase {
            rows: phase.rows.min(n),
            ..phase.clone()
        };
        Self {
            train: self.train.min(n),
            eval: self.eval.min(n),
            sft: self.sft.iter().map(phase).collect(),
        }
    }
}

/// A run of rows with completions to imitate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SftPhase {
    /// Rows of this phase.
    pub rows: usize,
    /// Share of completions that look before they answer, from 0 to 1.
    #[schemars(extend("minimum" = 0, "maximum" = 1))]
    pub looking_share: f64,
    /// How often the phase goes through its rows.
    #[serde(default = "once")]
    pub repeat: usize,
}

fn once() -> usize {
    1
}

/// A configuration with every default filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The run; the options of its algorithm are complete.
    pub run: RunConfig,
    /// The demo's data, if some layer has a `[demo]` section.
    pub demo: Option<DemoConfig>,
    /// The layers merged, without defaults.
    pub table: Table,
    /// What some layer sets and the run does not have, a line each, for whoever reads it.
    pub notes: Vec<String>,
    /// Where each value stands, by its dotted key.
    pub places: BTreeMap<String, String>,
}

impl Resolved {
    /// Says the notes to people.
    pub fn tell(&self) {
        for note in &self.notes {
            say!("{note}");
        }
    }
}

/// Merges layers, the later over the earlier: `base`, the files in order, each over those that its
/// `extends` names, then every `key.path=value` of `sets`. Tables merge, arrays and scalars
/// replace, and a layer that names another algorithm starts `[algo]` anew: the options of one
/// algorithm are not those of another, and what is lost by it stands in `notes`.
///
/// # Errors
/// A file that is not TOML, an unknown key, a wrong type, an unknown algorithm or reward rule: one
/// message with the file and line (or `--set`), the dotted key, what was found and what is valid.
pub fn resolve(
    base: Option<&str>,
    files: &[PathBuf],
    sets: &[String],
    extensions: &Extensions,
) -> Result<Resolved, InputError> {
    let algorithms = &extensions.algorithms;
    let mut layers = vec![];
    if let Some(text) = base {
        layers.push(Layer::builtin(text)?);
    }
    for path in files {
        layers.extend(Layer::file(path)?);
    }
    for set in sets {
        layers.push(Layer::set(set)?);
    }
    let (table, notes) = algo::merge_layers(&layers, algorithms);
    let (mut run, demo) = read(&table).map_err(|p| InputError::new(p.message))?;
    paths::expand(&mut run);
    run.algo = algo::complete(&run.algo, &layers, algorithms)?;
    let rewards = &extensions.rewards;
    let in_order = |[low, high]: &[f64; 2]| low <= high;
    if let Some([low, high]) = run.reward.clip.filter(|clip| !in_order(clip)) {
        let message =
            format!("`reward.clip` is [{low}, {high}], expected the smaller number first");
        return Err(at(&layers, &["reward", "clip"], message));
    }
    let reward = run.reward.build_with(rewards);
    let reward = reward.and_then(|_| run.reward.resolved(rewards));
    run.reward = reward.map_err(|e| at(&layers, &["reward", "parts"], e.to_string()))?;
    if let Some(share) = demo
        .iter()
        .flat_map(|d| &d.sft)
        .map(|p| p.looking_share)
        .find(not_share)
    {
        let message = format!("`demo.sft` has looking_share {share}, expected 0 to 1");
        return Err(at(&layers, &["demo", "sft"], message));
    }
    Ok(Resolved {
        run,
        demo,
        table,
        notes,
        places: places(&layers),
    })
}

/// Where the last layer that sets a value does so, by the value's dotted key.
fn places(layers: &[Layer]) -> BTreeMap<String, String> {
    fn keys(table: &Table, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        for (key, value) in table {
            path.push(key.clone());
            match value {
                Value::Table(inner) => keys(inner, path, found),
                _ => found.push(path.clone()),
            }
            path.pop();
        }
    }
    let mut places = BTreeMap::new();
    for layer in layers {
        let mut found = vec![];
        keys(&layer.table, &mut vec![], &mut found);
        for path in found {
            let parts: Vec<&str> = path.iter().map(String::as_str).collect();
            if let Some(place) = layer.location(&parts) {
                places.insert(path.join("."), place);
            }
        }
    }
    places
}

/// The configuration of a run: the files over each other, or the built-in demo without any. A run
/// that they do not name is called like the last file.
///
/// # Errors
/// As [`resolve`].
pub fn for_run(
    files: &[PathBuf],
    sets: &[String],
    extensions: &Extensions,
) -> Result<Resolved, InputError> {
    let base = files.is_empty().then_some(DEMO);
    let mut resolved = resolve(base, files, sets, extensions)?;
    if resolved.run.name.is_empty() {
        let stem = files.last().and_then(|f| f.file_stem());
        resolved.run.name = stem.map_or("run".into(), |s| s.to_string_lossy().into_owned());
    }
    Ok(resolved)
}

/// Refuses what makes no sense, before anything is written.
///
/// # Errors
/// As [`RunConfig::check`].
pub fn check(resolved: &Resolved, extensions: &Extensions) -> Result<()> {
    let mut run = resolved.run.clone();
    if resolved
        .demo
        .as_ref()
        .is_some_and(|demo| demo.train > 0 || !demo.sft.is_empty())
    {
        // Written when the run starts.
        run.data.train = "the demo's".into();
    }
    let checked = run.check(&extensions.algorithms, &extensions.rewards);
    checked.map_err(|error| placed(error.into(), &resolved.places))
}

/// The same error, after the place where the setting that it names is set.
pub fn placed(error: anyhow::Error, places: &BTreeMap<String, String>) -> anyhow::Error {
    let message = error.to_string();
    match place_of(&message, places) {
        Some(place) if !message.starts_with(place) => error.context(format!("{place}: {message}")),
        _ => error,
    }
}

/// Where the first setting that a message names is set, if some layer sets it: a dotted key, or how
/// pictures are cut, whose settings the processor knows by their last part.
fn place_of<'a>(message: &str, places: &'a BTreeMap<String, String>) -> Option<&'a str> {
    let is_key = |c: char| c.is_ascii_alphanumeric() || "._".contains(c);
    let mut words = message.split(|c| !is_key(c)).map(|w| w.trim_matches('.'));
    let place = words.find_map(|word| match word.contains('.') {
        true => places.get(word),
        false => places.get(&format!("model.images.{word}")),
    });
    place.map(String::as_str)
}

fn not_share(share: &f64) -> bool {
    !(0.0..=1.0).contains(share)
}

/// The resolved configuration, every default spelled out. As a configuration file it resolves to
/// the same.
pub fn to_toml(resolved: &Resolved) -> String {
    #[derive(Serialize)]
    struct Demo<'a> {
        demo: &'a DemoConfig,
    }
    // Only a map whose keys are not strings or a number beyond i64 could fail, and every value
    // here was read from TOML.
    let mut text = toml::to_string(&resolved.run).expect("a configuration is a TOML table");
    if let Some(demo) = &resolved.demo {
        text.push('\n');
        text.push_str(&toml::to_string(&Demo { demo }).expect("a section is a TOML table"));
    }
    text
}

/// What is wrong with a table, and where.
struct Problem {
    path: serde_path_to_error::Path,
    message: String,
}

/// Reads the sections of a table; those that are missing have their defaults.
fn read(table: &Table) -> Result<(RunConfig, Option<DemoConfig>), Problem> {
    let mut table = table.clone();
    let demo = table.remove("demo").map(|value| {
        let section = Table::from_iter([("demo".to_owned(), value)]);
        section_of::<DemoSection>(section).map(|s| s.demo)
    });
    Ok((section_of(table)?, demo.transpose()?))
}

#[derive(Deserialize)]
struct DemoSection {
    demo: DemoConfig,
}

fn section_of<T: serde::de::DeserializeOwned>(table: Table) -> Result<T, Problem> {
    serde_path_to_error::deserialize(Given(&Value::Table(table))).map_err(|error| Problem {
        message: explain(&error.path().to_string(), error.inner()),
        path: error.path().clone(),
    })
}

/// An error at the last layer that sets the key.
fn at(layers: &[Layer], key: &[&str], message: String) -> InputError {
    match layers.iter().rev().find_map(|layer| layer.location(key)) {
        Some(location) => InputError::new(format!("{location}: {message}")),
        None => InputError::new(message),
    }
}

#[cfg(test)]
mod tests;
