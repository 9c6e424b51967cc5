//! The JSON schema of a configuration file: derived from the types of its sections, and from the
//! lists of algorithms and of reward rules, whose names decide which options there are.

use super::{DemoConfig, explain::default_tree};
use crate::Extensions;
use burn_rewards::Rule;
use burn_rl::{
    algo::{Entry, Registry},
    config::RunConfig,
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The schema of a configuration file (JSON Schema, draft 2020-12).
pub fn schema(extensions: &Extensions) -> Value {
    let mut schema = of::<RunConfig>();
    schema["title"] = json!("Configuration of trainer");
    let properties = &mut schema["properties"];
    properties["extends"] = json!({
        "description": "Files that this one goes on top of, relative to it.",
        "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } },
        ],
    });
    properties["demo"] = of::<DemoConfig>();
    let parts = &mut properties["reward"]["properties"]["parts"];
    let one = parts["items"].take();
    let rules = extensions.rewards.rules().iter();
    let each = rules.map(|rule| part(&one, rule));
    parts["items"] = json!({ "oneOf": each.collect::<Vec<_>>() });
    properties["algo"] = algorithms(&extensions.algorithms);
    set_defaults(&mut schema, &default_tree());
    schema
}

/// The schema of a type, without references.
fn of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    tidy(&mut schema);
    schema
}

/// Brings a schema into the form in which people and editors read it best.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(object) => {
            object.values_mut().for_each(tidy);
            // Names of Rust's types, which no validator knows.
            if object.get("format").is_some_and(Value::is_string) {
                object.remove("format");
            }
            // TOML has no null: an option is left out.
            let is_null = |kind: &Value| kind == "null";
            if let Some(Value::Array(kinds)) = object.get_mut("type") {
                kinds.retain(|kind| !is_null(kind));
                if let [kind] = kinds.as_slice() {
                    let kind = kind.clone();
                    object.insert("type".into(), kind);
                }
            }
            list_names(object);
        }
        _ => {}
    }
}

/// Variants that are names alone become one list of names, described together.
fn list_names(object: &mut Map<String, Value>) {
    let Some(variants) = object.get("oneOf").and_then(Value::as_array) else {
        return;
    };
    let names: Option<Vec<Value>> = variants.iter().map(|v| v.get("const").cloned()).collect();
    let Some(names) = names else {
        return;
    };
    let about = |variant: &Value| {
        let name = variant["const"].as_str()?;
        Some(format!("`{name}`: {}", variant["description"].as_str()?))
    };
    let own = object.get("description").and_then(Value::as_str);
    let lines = own.map(str::to_owned).into_iter();
    let lines: Vec<String> = lines.chain(variants.iter().filter_map(about)).collect();
    object.remove("oneOf");
    object.insert("type".into(), json!("string"));
    object.insert("enum".into(), Value::Array(names));
    object.insert("description".into(), json!(lines.join("\n")));
}

/// Writes the defaults of a section's keys beside them.
fn set_defaults(schema: &mut Value, defaults: &Value) {
    for (name, default) in defaults.as_object().into_iter().flatten() {
        let Some(property) = schema["properties"].get_mut(name) else {
            continue;
        };
        if property.get("properties").is_some() {
            if let Some(section) = property.as_object_mut() {
                section.remove("default");
            }
            set_defaults(property, default);
        } else {
            property["default"] = default.clone();
        }
    }
}

/// An option that is known by its default and, if it is a name, by those it may be.
fn option(default: &Value, choices: &[&str], about: &str) -> Value {
    let kind = match default {
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        _ => "object",
    };
    let mut schema = json!({ "type": kind, "default": default });
    if !choices.is_empty() {
        schema["enum"] = json!(choices);
    }
    if !about.is_empty() {
        schema["description"] = json!(about);
    }
    schema
}

fn object(properties: Map<String, Value>, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

/// A part of the reward with that rule, of the schema of any part.
fn part(any: &Value, rule: &Rule) -> Value {
    let about = |name: &str| {
        let found = rule.options.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, about)| *about)
    };
    let options = (rule.defaults)()
        .into_iter()
        .map(|(name, default)| {
            let schema = option(&default, &(rule.choices)(&name), about(&name));
            (name, schema)
        })
        .collect();
    let mut schema = any.clone();
    let properties = &mut schema["properties"];
    properties["rule"] = json!({ "const": rule.name });
    properties["name"]["default"] = json!(rule.part);
    properties["options"] = object(options, &[]);
    schema["title"] = json!(rule.about);
    schema
}

/// The name decides which options there are.
fn algorithms(algorithms: &Registry) -> Value {
    let names: Vec<&str> = algorithms.iter().map(|a| a.name).collect();
    let default = RunConfig::default().algo.name;
    let one = |entry: &Entry| {
        let mut properties = Map::new();
        properties.insert("name".into(), json!({ "const": entry.name }));
        for (name, default) in (entry.defaults)() {
            let default = serde_json::to_value(default).unwrap_or_default();
            let schema = option(&default, &(entry.choices)(&name), "");
            properties.insert(name, schema);
        }
        // A section without a name has the default one: that branch does not require it.
        let required: &[&str] = match entry.name == default {
            true => &[],
            false => &["name"],
        };
        let mut schema = object(properties, required);
        schema["title"] = json!(entry.about);
        schema
    };
    let branches: Vec<Value> = algorithms.iter().map(one).collect();
    json!({
        "type": "object",
        "properties": { "name": { "enum": names, "default": default } },
        "oneOf": branches,
    })
}
