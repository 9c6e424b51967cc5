//! The files of an adapter as [PEFT](https://github.com/huggingface/peft) writes them.
//!
//! `adapter_config.json` says what the adapters are, `adapter_model.safetensors` holds A and B of
//! each layer under `base_model.model.<layer>.lora_A.weight` and `.lora_B.weight`, where `<layer>`
//! is the layer's name in transformers. A third file, which PEFT does not look at, says which
//! weights the adapters are beside.

use super::config::ends_in;
use crate::{error::VlmError, weights::WeightFiles};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What the adapters are.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";

/// A and B of every layer.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// Which weights they are beside.
pub(crate) const BASE: &str = "base_model.json";

/// What PEFT puts before the name of every layer.
pub(crate) const PREFIX: &str = "base_model.model.";

/// Whether `dir` holds an adapter rather than a model.
pub fn is_adapter(dir: &Path) -> bool {
    dir.join(ADAPTER_CONFIG).is_file() && !WeightFiles::are_in(dir)
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
pub(crate) struct PeftConfig {
    peft_type: String,
    pub(crate) r: usize,
    pub(crate) lora_alpha: f64,
    #[serde(default)]
    pub(crate) lora_dropout: f64,
    #[serde(default)]
    pub(crate) use_rslora: bool,
    #[serde(default)]
    base_model_name_or_path: Option<String>,
    #[serde(default)]
    pub(crate) alpha_pattern: BTreeMap<String, f64>,
}

/// The model directory that the adapters of `dir` are beside.
///
/// # Errors
/// A configuration that is missing or malformed, or names no directory.
pub fn base_dir(dir: &Path) -> Result<PathBuf, VlmError> {
    let path = dir.join(ADAPTER_CONFIG);
    let config = read_config(&path)?;
    let name = config.base_model_name_or_path.unwrap_or_default();
    // As PEFT takes it, and relative to the adapter, so that both can be moved together.
    for base in [PathBuf::from(&name), dir.join(&name)] {
        if !name.is_empty() && base.join("config.json").is_file() {
            return Ok(base);
        }
    }
    Err(VlmError::config(
        path,
        format!(
            "base_model_name_or_path is `{name}`, expected the directory of the model that the \
             adapter was trained beside"
        ),
    ))
}

pub(crate) fn read_config(path: &Path) -> Result<PeftConfig, VlmError> {
    let fail = |message: String| VlmError::config(path, message);
    let bytes = fs::read(path).map_err(|e| VlmError::io(path, e))?;
    let raw: Value = serde_json::from_slice(&bytes).map_err(|e| fail(e.to_string()))?;
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
    if let Some(init) = raw["init_lora_weights"].as_str()
        && !KNOWN_INITS.contains(&init.to_lowercase().as_str())
    {
        return Err(fail(format!(
            "init_lora_weights is `{init}`, which is not supported as it may change the weights \
             that the adapter is beside, expected true, false or one of: {}",
            KNOWN_INITS.join(", ")
        )));
    }
    let config: PeftConfig = serde_json::from_value(raw).map_err(|e| fail(e.to_string()))?;
    match config.peft_type.as_str() {
        "LORA" => Ok(config),
        other => Err(fail(format!("peft_type is `{other}`, expected `LORA`"))),
    }
}

/// What PEFT finds for a layer in one of its patterns: by the layer's name or the end of it.
pub(crate) fn pattern(patterns: &BTreeMap<String, f64>, layer: &str) -> Option<f64> {
    let found = patterns.iter().find(|(end, _)| ends_in(layer, end));
    found.map(|(_, value)| *value)
}
