//! The section `[algo]`, whose options depend on its name.

use super::{
    at,
    explain::{explain, nearest, unknown_key},
    layer::{Layer, merge},
    refusal::Refusal,
};
use crate::input_error::InputError;
use burn_rl::{
    algo::{Entry, Registry, Settings},
    config::AlgoConfig,
};
use toml::{Table, Value};

/// Merges the layers in order. One that names another algorithm than those before it starts `[algo]`
/// anew; the options that are not carried are told in a line. Every `--set` is of one layer in this:
/// which stands first does not matter.
pub fn merge_layers(layers: &[Layer], algorithms: &Registry) -> (Table, Vec<String>) {
    let (mut table, mut notes) = (Table::new(), vec![]);
    let sets = layers.iter().position(Layer::is_set);
    let (files, sets) = layers.split_at(sets.unwrap_or(layers.len()));
    for layer in files {
        notes.extend(start_anew(&mut table, layer, algorithms));
        merge(&mut table, &layer.table);
    }
    if let Some(layer) = sets
        .iter()
        .rev()
        .find(|layer| name_in(&layer.table).is_some())
    {
        notes.extend(start_anew(&mut table, layer, algorithms));
    }
    for layer in sets {
        merge(&mut table, &layer.table);
    }
    (table, notes)
}

/// Empties `[algo]` if the layer names another algorithm, and tells what was in it.
fn start_anew(table: &mut Table, layer: &Layer, algorithms: &Registry) -> Option<String> {
    let name = name_in(&layer.table)?;
    let default = AlgoConfig::default().name;
    let before = name_in(table).unwrap_or(&default).to_owned();
    let known = |name: &str| {
        let found = algorithms.find(name);
        found.map_or(name.to_owned(), |entry| entry.name.into())
    };
    if known(name) == known(&before) {
        return None;
    }
    let mut options = table.remove("algo")?.try_into::<Table>().ok()?;
    // What the layer sets itself would have been replaced in any case.
    let own = layer.table.get("algo").and_then(Value::as_table);
    options.retain(|key, _| own.is_none_or(|own| !own.contains_key(key)));
    if options.is_empty() {
        return None;
    }
    let options: Vec<String> = options.iter().map(|(k, v)| format!("{k} = {v}")).collect();
    let location = layer.location(&["algo", "name"]).unwrap_or_default();
    Some(format!(
        "{location}: the algorithm is `{name}` instead of `{before}`, whose options are not carried: {}",
        options.join(", ")
    ))
}

/// `algo.name`, if the table has it.
fn name_in(table: &Table) -> Option<&str> {
    table.get("algo")?.get("name")?.as_str()
}

/// The algorithm with all its options.
///
/// # Errors
/// An unknown name, an unknown option, or a value that cannot be used.
pub fn complete(
    given: &AlgoConfig,
    layers: &[Layer],
    algorithms: &Registry,
) -> Result<AlgoConfig, InputError> {
    let Ok(entry) = algorithms.find(&given.name) else {
        let names = algorithms.iter().map(|a| a.name);
        let hint = nearest(&given.name, names);
        let message = format!("`algo.name` is `{}`, which is unknown{hint}", given.name);
        return Err(at(layers, &["algo", "name"], message));
    };
    if let Err(error) = (entry.build)(&given.options) {
        // Which option is it? One that is refused even alone, if there is one.
        for (key, value) in &given.options {
            let alone = Table::from_iter([(key.clone(), value.clone())]);
            if let Err(error) = (entry.build)(&alone) {
                let path = format!("algo.{key}");
                let message = match refused(entry, key, value) {
                    Some(refusal) => explain(&path, &refusal),
                    None if known(entry, key) => error.to_string(),
                    None => {
                        let names = (entry.defaults)();
                        let names: Vec<&str> = names.keys().map(String::as_str).collect();
                        unknown_key(&path, &names)
                    }
                };
                return Err(at(layers, &["algo", key], message));
            }
        }
        return Err(at(layers, &["algo"], error.to_string()));
    }
    let mut options = (entry.defaults)();
    for (key, value) in &given.options {
        let whole = value
            .as_integer()
            .filter(|_| options.get(key).is_some_and(Value::is_float));
        let value = whole.map_or_else(|| value.clone(), |n| Value::Float(n as f64));
        options.insert(key.clone(), value);
    }
    Ok(AlgoConfig {
        name: entry.name.into(),
        options,
    })
}

/// Whether an option is one of the algorithm's, or one of those that all share and that has no
/// meaning in it.
fn known(entry: &Entry, key: &str) -> bool {
    (entry.defaults)().contains_key(key) || Settings::has(key)
}

/// Why the algorithm does not take the value of one of its options, as far as the option's type
/// says it.
fn refused(entry: &Entry, key: &str, value: &Value) -> Option<Refusal> {
    let default = (entry.defaults)().remove(key)?;
    let choices = (entry.choices)(key);
    let expected = match (&default, value) {
        (Value::Float(_), Value::Float(_) | Value::Integer(_)) => return None,
        (Value::Integer(_), Value::Integer(n)) if *n >= 0 => return None,
        (Value::String(_), Value::String(name)) => {
            let is_unknown = !choices.is_empty() && !choices.contains(&name.as_str());
            return is_unknown.then(|| Refusal::UnknownName(name.clone(), choices));
        }
        (Value::Float(_), _) => "a number",
        (Value::Integer(_), _) => "a whole number, 0 or more",
        (Value::Boolean(_), Value::String(_) | Value::Float(_) | Value::Integer(_)) => {
            "true or false"
        }
        (Value::String(_), _) => "text",
        _ => return None,
    };
    Some(Refusal::wrong(value, expected))
}
