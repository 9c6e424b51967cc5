//! The keys of a family's `config.json`: which are read, which change nothing, which are refused, and
//! what the family's configuration class assumes for one that is left out.
//!
//! Each family has them in `keys.json`, which `tests/golden/gen/make_config_keys.py` writes.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::LazyLock};

/// The tables of a family, by name.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct KeyTables(BTreeMap<String, KeyTable>);

/// The keys of one section.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct KeyTable(BTreeMap<String, Row>);

#[derive(Debug, Deserialize)]
struct Row {
    mark: Mark,
    /// The values that change nothing, of a key that is refused.
    #[serde(default)]
    only: Vec<Value>,
    /// What the class assumes; none where it does not know the key.
    #[serde(default, deserialize_with = "present")]
    default: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mark {
    /// It is read, and refused where it asks for what is not supported.
    Used,
    /// It changes no number that is computed here.
    None,
    /// It would change numbers.
    Refused,
}

/// A null that is written is a value.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// The keys that every configuration may have.
static GENERAL: LazyLock<KeyTables> =
    LazyLock::new(|| KeyTables::generated(include_str!("keys.json")));

impl KeyTables {
    /// The tables of a `keys.json`.
    ///
    /// # Errors
    /// It is malformed.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("a table of keys: {error}"))
    }

    /// The tables of a family of this crate.
    pub(crate) fn generated(text: &str) -> Self {
        Self::parse(text).expect("a table of keys that was generated")
    }

    /// The table of a section.
    pub fn table(&self, name: &str) -> &KeyTable {
        static EMPTY: KeyTable = KeyTable(BTreeMap::new());
        self.0.get(name).unwrap_or(&EMPTY)
    }
}

impl KeyTable {
    /// A section with what the class assumes for each key that it leaves out.
    pub fn filled(&self, section: &Value) -> Value {
        let mut filled: Map<String, Value> = section.as_object().cloned().unwrap_or_default();
        for (key, row) in &self.0 {
            if let Some(default) = &row.default
                && !filled.contains_key(key)
            {
                filled.insert(key.clone(), default.clone());
            }
        }
        filled.into()
    }
}

/// The section of a `config.json` at a JSON pointer, and the table of its keys.
pub type Section = (&'static str, &'static KeyTable);

/// The keys of a parsed `config.json` that no table lists, which are taken to change nothing.
///
/// # Errors
/// A key that would change numbers.
pub(super) fn unlisted(raw: &Value, sections: &[Section]) -> Result<Vec<String>, String> {
    let mut unlisted = vec![];
    let mut pointers: Vec<&str> = sections.iter().map(|(pointer, _)| *pointer).collect();
    pointers.sort_unstable();
    pointers.dedup();
    for pointer in pointers {
        let object = raw.pointer(pointer).and_then(Value::as_object);
        let here = sections.iter().filter(|(found, _)| *found == pointer);
        let tables: Vec<&KeyTable> = here.map(|(_, table)| *table).collect();
        for (key, value) in object.into_iter().flatten() {
            let name = match pointer {
                "" => key.clone(),
                _ => format!("{}.{key}", pointer[1..].replace('/', ".")),
            };
            let own = tables.iter().find_map(|table| table.0.get(key));
            match own.or_else(|| GENERAL.table("any").0.get(key)) {
                None => unlisted.push(name),
                Some(row) if row.mark == Mark::Refused && !row.only.contains(value) => {
                    return Err(refusal(&name, value, &row.only));
                }
                Some(_) => {}
            }
        }
    }
    Ok(unlisted)
}

fn refusal(name: &str, value: &Value, only: &[Value]) -> String {
    if name.ends_with("quantization_config") || name.ends_with("compression_config") {
        let method = value["quant_method"]
            .as_str()
            .unwrap_or("a method without a name");
        return format!(
            "{name} says that the weights are quantised ({method}), expected the model before it \
             was: bf16, f16 or f32"
        );
    }
    let only: Vec<String> = only.iter().map(Value::to_string).collect();
    let only = only.join(" or ");
    format!("{name} is {value}, which is not supported, expected {only}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Families, ModelConfig};
    use serde_json::json;

    fn golden(name: &str) -> Value {
        read(name, "config.json")
    }

    fn read(name: &str, file: &str) -> Value {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");
        let path = std::path::Path::new(dir).join(name).join(file);
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// Every key of the configurations that transformers and the hub's models write is in a table.
    #[test]
    fn the_golden_configurations_have_no_unlisted_key() {
        for name in [
            "internlm2",
            "internvl_internlm2",
            "internvl_qwen2_rms",
            "internvl3",
            "internvl3/original",
            "internvl3_5",
            "internvl3_5/original",
            "qwen2_5_vl",
            "qwen2_5_vl_tied",
            "qwen2_sharded",
            "qwen2_tied",
            "qwen2_vl",
            "qwen3",
            "qwen3_tied",
            "qwen3_vl",
            "qwen3_vl_tied",
            "smolvlm2",
            "smolvlm_idefics3",
        ] {
            let config = ModelConfig::from_json(&golden(name)).unwrap();
            assert_eq!(config.unlisted_keys, [""; 0], "{name}");
        }
        for family in Families::default().iter() {
            for (name, text) in family.samples() {
                let raw: Value = serde_json::from_str(text).unwrap();
                let config = ModelConfig::from_json(&raw).unwrap();
                assert_eq!(config.unlisted_keys, [""; 0], "{name}");
                // It is this family, and this decoder, that is tried.
                let kind = raw["model_type"].as_str().unwrap();
                assert!(family.model_types().contains(&kind), "{name}: {kind}");
                if let Some((_, decoder)) = name.split_once(", ") {
                    let inner = raw.get("llm_config").or(raw.get("text_config"));
                    assert_eq!(inner.unwrap()["model_type"], decoder, "{name}");
                }
                assert!(config.vision.is_none() || config.image_token_id.is_some());
            }
        }
    }

    #[test]
    fn tables_of_another_crate_may_be_malformed() {
        let table = r#"{"top": {"depth": {"mark": "used", "default": 3}}}"#;
        let tables = KeyTables::parse(table).unwrap();
        assert_eq!(tables.table("top").filled(&json!({}))["depth"], 3);
        let message = KeyTables::parse(&table.replace("used", "read")).unwrap_err();
        assert!(message.contains("unknown variant `read`"), "{message}");
    }

    #[test]
    fn a_key_that_nobody_knows_is_noted_where_it_stands() {
        let mut raw = golden("qwen2_5_vl");
        raw["new"] = json!(1);
        raw["vision_config"]["newer"] = json!(null);
        let config = ModelConfig::from_json(&raw).unwrap();
        assert_eq!(config.unlisted_keys, ["new", "vision_config.newer"]);
    }

    #[test]
    fn a_key_that_changes_numbers_is_refused_by_name() {
        let message = |edit: fn(&mut Value)| {
            let mut raw = golden("qwen2_tied");
            edit(&mut raw);
            ModelConfig::from_json(&raw).unwrap_err()
        };
        let quantised = message(|raw| {
            raw["quantization_config"] = json!({"quant_method": "awq", "bits": 4});
        });
        let expected = "quantization_config says that the weights are quantised (awq)";
        assert!(quantised.starts_with(expected), "{quantised}");
        let renamed = message(|raw| raw["transformers_weights"] = json!("x.safetensors"));
        let expected = "transformers_weights is \"x.safetensors\", which is not supported";
        assert!(renamed.starts_with(expected), "{renamed}");
        let mut raw = golden("qwen2_tied");
        raw["quantization_config"] = json!(null);
        assert!(ModelConfig::from_json(&raw).is_ok());
    }

    /// Whatever a file's layout, these keys are refused at its top and in its sections.
    #[test]
    fn quantised_weights_are_refused_in_every_layout() {
        let layouts = [
            read("qwen2_5_vl", "config.hub.json"),
            read("qwen3_vl", "config.hub.json"),
            golden("qwen2_5_vl"),
            golden("qwen2_vl"),
            golden("internvl_internlm2"),
            read("internvl_internlm2/original", "config.json"),
            read("internvl_qwen2_rms/original", "config.json"),
            read("internvl3_5/original", "config.json"),
            golden("smolvlm2"),
        ];
        for raw in layouts {
            assert!(ModelConfig::from_json(&raw).is_ok());
            let sections = ["", "/text_config", "/llm_config", "/vision_config"];
            for at in sections.iter().filter(|at| raw.pointer(at).is_some()) {
                for (key, value) in [
                    ("quantization_config", json!({"quant_method": "awq"})),
                    ("compression_config", json!({})),
                    ("transformers_weights", json!("x.safetensors")),
                ] {
                    let mut raw = raw.clone();
                    raw.pointer_mut(at).unwrap()[key] = value;
                    let message = ModelConfig::from_json(&raw).unwrap_err();
                    let at = at.replace('/', "") + if at.is_empty() { "" } else { "." };
                    assert!(message.starts_with(&format!("{at}{key} ")), "{message}");
                }
            }
        }
    }

    /// A value or an object that is left out is what the class of transformers assumes
    /// (`keys.json`), which is not the same for all families.
    #[test]
    fn defaults_are_those_of_the_family() {
        let without = |name: &str, keys: &[&str]| {
            let mut raw = read(name, "config.hub.json");
            let object = raw.as_object_mut().unwrap();
            keys.iter().for_each(|key| {
                object.remove(*key);
            });
            ModelConfig::from_json(&raw).unwrap().text
        };
        let keys = ["rope_theta", "rms_norm_eps"];
        for (name, theta, eps) in [
            ("qwen2_5_vl", 1e6, 1e-5),
            ("qwen2_vl", 1e6, 1e-5),
            ("qwen2_tied", 1e4, 1e-6),
            ("qwen3_tied", 1e4, 1e-6),
        ] {
            let text = without(name, &keys);
            assert_eq!((text.rope_theta, text.rms_norm_eps), (theta, eps), "{name}");
        }
    }
}
