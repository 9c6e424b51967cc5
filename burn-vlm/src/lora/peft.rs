//! The files of an adapter as [PEFT](https://github.com/huggingface/peft) writes them.
//!
//! `adapter_config.json` says what the adapters are, `adapter_model.safetensors` holds A and B of
//! each layer under `base_model.model.<layer>.lora_A.weight` and `.lora_B.weight`, where `<layer>`
//! is the layer's name in transformers. A third file, which PEFT does not look at, says which
//! weights the adapters are beside.

use crate::{dir, error::VlmError, hub, weights::WeightFiles};
use fancy_regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// What the adapters are.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";

/// A and B of every layer.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// Which weights they are beside.
pub(crate) const BASE: &str = "base_model.json";

/// What PEFT puts before the name of every layer.
pub(crate) const PREFIX: &str = "base_model.model.";

/// Whether `dir` holds an adapter, be it beside the weights of its model or alone.
pub fn is_adapter(dir: &Path) -> bool {
    dir.join(ADAPTER_CONFIG).exists()
}

/// Options of PEFT's adapters that change what they compute, with the value that changes nothing.
/// What is null, false or empty changes nothing either.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("use_dora", "false"),
    ("use_qalora", "false"),
    ("use_bdlora", "null"),
    ("fan_in_fan_out", "false"),
    ("lora_bias", "false"),
    ("bias", "none"),
    ("modules_to_save", "null"),
    ("layer_replication", "null"),
    ("trainable_token_indices", "null"),
    ("target_parameters", "null"),
    ("alora_invocation_tokens", "null"),
    ("arrow_config", "null"),
    ("kasa_config", "null"),
    ("monteclora_config", "null"),
    ("velora_config", "null"),
];

/// Beginnings by name that leave the weights as they are. Others, as `pissa` or `olora`, take the
/// adapter's first value out of them, so that it is beside weights that no file holds.
const KNOWN_INITS: &[&str] = &["gaussian", "orthogonal", "eva", "mica"];

#[derive(Deserialize)]
struct Fields {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    #[serde(default)]
    use_rslora: bool,
    base_model_name_or_path: Option<String>,
    revision: Option<String>,
    // In the order of the file, which decides where several match.
    alpha_pattern: Option<Map<String, Value>>,
    rank_pattern: Option<Map<String, Value>>,
}

/// What `adapter_config.json` says.
pub(crate) struct PeftConfig {
    pub(crate) r: usize,
    pub(crate) lora_alpha: f64,
    pub(crate) lora_dropout: f64,
    pub(crate) use_rslora: bool,
    base: Option<String>,
    revision: Option<String>,
    alphas: Vec<(Regex, f64)>,
    ranks: Vec<(Regex, f64)>,
}

impl PeftConfig {
    /// α of the layer that PEFT calls `layer`.
    pub(crate) fn alpha_of(&self, layer: &str) -> f64 {
        first_match(&self.alphas, layer).unwrap_or(self.lora_alpha)
    }

    /// Rank of the layer that PEFT calls `layer`.
    pub(crate) fn rank_of(&self, layer: &str) -> usize {
        first_match(&self.ranks, layer).map_or(self.r, |rank| rank as usize)
    }
}

/// The value of the first pattern that matches a layer's name.
fn first_match(patterns: &[(Regex, f64)], layer: &str) -> Option<f64> {
    // A pattern that gives up on a name, having tried too long, does not match it.
    let matches = |pattern: &Regex| pattern.is_match(layer).unwrap_or(false);
    let found = patterns.iter().find(|(pattern, _)| matches(pattern));
    found.map(|(_, value)| *value)
}

/// Patterns as PEFT reads them: regular expressions of a whole name, or of all of it behind a dot.
fn patterns(key: &str, map: Option<Map<String, Value>>) -> Result<Vec<(Regex, f64)>, String> {
    let read = |(name, value): (String, Value)| {
        let number = value
            .as_f64()
            .filter(|number| number.is_finite() && *number > 0.0);
        let number = number.ok_or_else(|| {
            format!("{key} gives {name:?} the value {value}, expected a number greater than 0")
        })?;
        let regex = Regex::new(&format!(r"^(?:.*\.)?(?:{name})$"));
        let regex = regex
            .map_err(|e| format!("{key} has {name:?}, which is no regular expression: {e}"))?;
        Ok((regex, number))
    };
    map.unwrap_or_default().into_iter().map(read).collect()
}

/// The model directory that the adapters of `dir` are beside: `dir` itself where it has weights, as
/// transformers loads a model with an adapter in it; else the one that the adapter names, by its
/// path or by its name in the Hugging Face cache.
///
/// # Errors
/// A configuration that is missing or malformed, or names no directory.
pub fn base_dir(dir: &Path) -> Result<PathBuf, VlmError> {
    if WeightFiles::are_in(dir) {
        return Ok(dir.into());
    }
    let path = dir.join(ADAPTER_CONFIG);
    let config = read_config(&path)?;
    let name = config.base.unwrap_or_default();
    // As PEFT takes it, and relative to the adapter, so that both can be moved together.
    let cached = hub::locate_revision(Path::new(&name), config.revision.as_deref());
    for base in [cached, dir.join(&name)] {
        if !name.is_empty() && base.join("config.json").is_file() {
            return Ok(base);
        }
    }
    if let Some(moved) = moved_base(dir) {
        return Ok(moved);
    }
    let mut message = format!(
        "base_model_name_or_path is `{name}`, expected the directory of the model that the adapter \
         was trained beside"
    );
    if hub::is_name(&name) {
        message.push_str(&format!(
            ", or its name in the Hugging Face cache (to get it: hf download {name})"
        ));
    }
    Err(VlmError::config(path, message))
}

/// The base of an adapter that was moved together with it, as a run's directory is: a directory
/// beside the adapter, or beside one of those it is in, of the name that the base had and with its
/// weights.
fn moved_base(dir: &Path) -> Option<PathBuf> {
    let base = dir::json(&dir.join(BASE)).ok()?;
    let fingerprint = base["fingerprint"].as_str()?;
    let name = Path::new(base["path"].as_str()?).file_name()?;
    let dir = std::fs::canonicalize(dir).ok()?;
    let beside = dir.ancestors().skip(1).map(|parent| parent.join(name));
    beside
        .filter(|found| found.join("config.json").is_file())
        .find(|found| {
            WeightFiles::open(found).is_ok_and(|files| files.fingerprint() == fingerprint)
        })
}

pub(crate) fn read_config(path: &Path) -> Result<PeftConfig, VlmError> {
    let fail = |message: String| VlmError::config(path, message);
    let raw = dir::json(path)?;
    for (key, expected) in UNSUPPORTED {
        let value = &raw[*key];
        let nothing = match value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text == expected,
            Value::Array(items) => items.is_empty(),
            Value::Object(items) => items.is_empty(),
            _ => false,
        };
        if !nothing {
            return Err(fail(format!(
                "{key} is {value}, which is not supported, expected {expected}"
            )));
        }
    }
    let init = &raw["init_lora_weights"];
    let harmless = match init {
        Value::Null | Value::Bool(_) => true,
        Value::String(name) => KNOWN_INITS.contains(&name.to_lowercase().as_str()),
        _ => false,
    };
    if !harmless {
        return Err(fail(format!(
            "init_lora_weights is {init}, which is not supported as it may change the weights \
             that the adapter is beside, expected true, false or one of: {}",
            KNOWN_INITS.join(", ")
        )));
    }
    let fields: Fields = dir::fields(&raw).map_err(fail)?;
    if fields.peft_type != "LORA" {
        let found = fields.peft_type;
        return Err(fail(format!("peft_type is `{found}`, expected `LORA`")));
    }
    if fields.r == 0 {
        return Err(fail("r is 0, expected at least 1".into()));
    }
    Ok(PeftConfig {
        r: fields.r,
        lora_alpha: fields.lora_alpha,
        lora_dropout: fields.lora_dropout,
        use_rslora: fields.use_rslora,
        base: fields.base_model_name_or_path,
        revision: fields.revision,
        alphas: patterns("alpha_pattern", fields.alpha_pattern).map_err(fail)?,
        ranks: patterns("rank_pattern", fields.rank_pattern).map_err(fail)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(extra: Value) -> Result<PeftConfig, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(ADAPTER_CONFIG);
        let mut json = json!({"peft_type": "LORA", "r": 4, "lora_alpha": 8});
        let extra = extra.as_object().unwrap().clone();
        json.as_object_mut().unwrap().extend(extra);
        std::fs::write(&path, json.to_string()).unwrap();
        read_config(&path).map_err(|e| e.to_string())
    }

    /// What `peft.utils.other.get_pattern_key` of peft 0.21.2 finds for these.
    #[test]
    fn patterns_are_regular_expressions_of_names() {
        const Q0: &str = "model.layers.0.self_attn.q_proj";
        const D1: &str = "model.layers.1.mlp.down_proj";
        for (pattern, q0, d1) in [
            ("q_proj", true, false),
            ("roj", false, false),
            ("(q|v)_proj", true, false),
            (r"layers\.0\..*q_proj", true, false),
            (".*self_attn.*", true, false),
            ("layers.[0-9]+.mlp.down_proj", false, true),
            ("^model.layers.0.self_attn.q_proj", true, false),
            ("^layers.0.self_attn.q_proj", false, false),
            ("q_proj$", true, false),
            (r"(?!.*mlp).*proj", true, true),
            ("q_proj|down_proj", true, true),
        ] {
            let config = config(json!({"alpha_pattern": {pattern: 64}})).unwrap();
            let found = [Q0, D1].map(|name| config.alpha_of(name) == 64.0);
            assert_eq!(found, [q0, d1], "{pattern}");
        }
    }

    #[test]
    fn the_first_of_the_file_that_matches_counts() {
        let read = config(json!({
            "rank_pattern": {"v_proj": 2, ".*_proj": 3}, "alpha_pattern": {".*": 5, "q_proj": 6}
        }));
        let read = read.unwrap();
        assert_eq!(
            (
                read.rank_of("a.v_proj"),
                read.rank_of("a.q_proj"),
                read.rank_of("a.up")
            ),
            (2, 3, 4)
        );
        assert_eq!(read.alpha_of("a.q_proj"), 5.0);
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        for (extra, expected) in [
            (
                json!({"alpha_pattern": {"(": 1}}),
                "alpha_pattern has \"(\", which is no regular",
            ),
            (
                json!({"alpha_pattern": {"q": 0}}),
                "alpha_pattern gives \"q\" the value 0",
            ),
            (
                json!({"rank_pattern": {"q": "x"}}),
                "rank_pattern gives \"q\" the value \"x\"",
            ),
            (json!({"r": 1.5}), "r: invalid type"),
            (json!({"r": 0}), "r is 0"),
            (
                json!({"init_lora_weights": "pissa"}),
                "init_lora_weights is \"pissa\"",
            ),
            (
                json!({"init_lora_weights": [true]}),
                "init_lora_weights is [true]",
            ),
        ] {
            let message = config(extra).err().unwrap();
            assert!(message.contains(expected), "{message}");
        }
    }
}
