//! A JSON schema of the configuration, from the defaults and from what reading refuses.

use super::explain::{default_tree, names_in};
use crate::extensions;
use burn_rewards::Rule;
use burn_rl::{algo::all, config::RunConfig};
use serde_json::{Map, Value, json};

/// The schema of a configuration file (JSON Schema, draft 2020-12).
pub fn schema() -> Value {
    let mut schema = of(&default_tree(), &mut vec![]);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Configuration of trainer");
    let properties = &mut schema["properties"];
    properties["extends"] = json!({
        "description": "files that this one goes on top of, relative to it",
        "anyOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } },
        ],
    });
    properties["algo"] = algo();
    let data = &properties["data"]["properties"];
    let (columns, template) = (data["columns"].clone(), data["template"].clone());
    properties["data"]["properties"]["blend"]["items"] = object(
        json!({
            "name": { "type": "string", "default": "" },
            "path": { "type": "string" },
            "weight": { "type": "number", "exclusiveMinimum": 0, "default": 1.0 },
            "columns": columns,
            "template": template,
        }),
        &["path"],
    );
    let reward = &mut properties["reward"]["properties"];
    reward["clip"] = bounds();
    reward["parts"]["items"] =
        json!({ "oneOf": extensions::rewards().rules().iter().map(part).collect::<Vec<_>>() });
    properties["model"]["properties"]["allow_tensors"]["items"] = json!({ "type": "string" });
    properties["demo"]["properties"]["sft"]["items"] = object(
        json!({
            "rows": { "type": "integer", "minimum": 0 },
            "looking_share": { "type": "number", "minimum": 0, "maximum": 1 },
            "repeat": { "type": "integer", "minimum": 0, "default": 1 },
        }),
        &["rows", "looking_share"],
    );
    schema
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

fn bounds() -> Value {
    let number = json!({ "type": "number" });
    json!({ "type": "array", "items": number, "minItems": 2, "maxItems": 2 })
}

/// A part of the reward with that rule.
fn part(rule: &Rule) -> Value {
    let mut options = Map::new();
    for (name, default) in (rule.defaults)() {
        let mut option = leaf(&default);
        let bogus = Map::from_iter([(name.clone(), json!("?"))]);
        if let (true, Err(error)) = (default.is_string(), rule.reward(&bogus)) {
            add_variants(&mut option, &error.to_string());
        }
        options.insert(name, option);
    }
    let mut schema = object(
        json!({
            "rule": { "const": rule.name },
            "name": { "type": "string", "default": rule.part },
            "weight": { "type": "number", "default": 1.0 },
            "gate": { "type": "string", "default": "" },
            "clip": bounds(),
            "when": when(),
            "from_step": { "type": "integer", "minimum": 0 },
            "until_step": { "type": "integer", "minimum": 0 },
            "options": object(Value::Object(options), &[]),
        }),
        &["rule"],
    );
    schema["title"] = json!(rule.about);
    schema
}

/// The rows that a part of the reward judges.
fn when() -> Value {
    let one_of = |types: &[&str]| {
        let one = json!({ "type": types });
        let list = json!({ "type": "array", "items": one, "minItems": 1 });
        json!({ "anyOf": [one, list] })
    };
    let fields = one_of(&["string", "number", "boolean"]);
    object(
        json!({
            "set": one_of(&["string"]),
            "field": { "type": "object", "additionalProperties": fields },
        }),
        &[],
    )
}

/// The name decides which options there are.
fn algo() -> Value {
    let names: Vec<&str> = all().into_iter().map(|a| a.name).collect();
    let one = |entry: &burn_rl::algo::Entry| {
        let mut properties = Map::new();
        properties.insert("name".into(), json!({ "const": entry.name }));
        for (name, default) in (entry.defaults)() {
            let default = serde_json::to_value(default).unwrap_or_default();
            let mut option = leaf(&default);
            let bogus = toml::Table::from_iter([(name.clone(), toml::Value::String("?".into()))]);
            if let (true, Err(error)) = (default.is_string(), (entry.build)(&bogus)) {
                add_variants(&mut option, &error.to_string());
            }
            properties.insert(name, option);
        }
        let mut schema = object(Value::Object(properties), &["name"]);
        schema["title"] = json!(entry.about);
        schema
    };
    let default = RunConfig::default().algo.name;
    let entries: Vec<Value> = all().into_iter().map(one).collect();
    // A section without a name has the default one: that branch does not require it.
    let relaxed = entries.into_iter().map(|mut entry| {
        if entry["properties"]["name"]["const"] == json!(default) {
            entry["required"] = json!([]);
        }
        entry
    });
    json!({
        "type": "object",
        "properties": { "name": { "enum": names, "default": default } },
        "oneOf": relaxed.collect::<Vec<_>>(),
    })
}

fn of(value: &Value, path: &mut Vec<String>) -> Value {
    let Some(fields) = value.as_object() else {
        return probed(value, path);
    };
    let mut properties = Map::new();
    for (name, value) in fields {
        path.push(name.clone());
        properties.insert(name.clone(), of(value, path));
        path.pop();
    }
    object(Value::Object(properties), &[])
}

fn leaf(default: &Value) -> Value {
    let kind = match default {
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        _ => "object",
    };
    json!({ "type": kind, "default": default })
}

/// A leaf, narrowed by what the reader says to values that may be wrong.
fn probed(default: &Value, path: &[String]) -> Value {
    let mut schema = leaf(default);
    let refusal = |probe: Value| {
        let wrap =
            |inner: Value, key: &String| Value::Object(Map::from_iter([(key.clone(), inner)]));
        let document = path.iter().rev().fold(probe, wrap);
        serde_json::from_value::<RunConfig>(document)
            .err()
            .map(|e| e.to_string())
    };
    if default.is_string() {
        add_variants(&mut schema, &refusal(json!("?")).unwrap_or_default());
    }
    if default.is_u64() && refusal(json!(-1)).is_some() {
        schema["minimum"] = json!(0);
    }
    schema
}

fn add_variants(schema: &mut Value, refusal: &str) {
    if let Some((_, variants)) = refusal.split_once("unknown variant `?`, expected ") {
        schema["enum"] = json!(names_in(variants));
    }
}
