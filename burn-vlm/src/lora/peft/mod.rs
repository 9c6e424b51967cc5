//! Adapters as [PEFT](https://github.com/huggingface/peft) writes and reads them.
//!
//! `adapter_config.json` says what they are, `adapter_model.safetensors` holds A and B of each layer
//! under `base_model.model.<layer>.lora_A.weight` and `.lora_B.weight`, where `<layer>` is the
//! layer's name in transformers. A third file, which PEFT does not look at, says which weights the
//! adapters are beside.

mod config;
mod load;
mod save;

pub use config::base_dir;

use crate::weights::{KeyMap, WeightFiles};
use std::path::Path;

/// What the adapters are.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";

/// A and B of every layer.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// Which weights they are beside.
pub(crate) const BASE: &str = "base_model.json";

/// What PEFT puts before the name of every layer.
const PREFIX: &str = "base_model.model.";

/// Whether `dir` holds an adapter rather than a model.
pub fn is_adapter(dir: &Path) -> bool {
    dir.join(ADAPTER_CONFIG).is_file() && !WeightFiles::are_in(dir)
}

/// The names of a layer's parts in transformers: one, unless it is cut there.
fn parts(module_keys: &KeyMap, path: &str) -> Vec<String> {
    layers(module_keys.newest(&format!("{path}.weight")))
}

/// Names of weights as names of their layers.
fn layers(weights: Vec<String>) -> Vec<String> {
    let layer = |name: String| name.trim_end_matches(".weight").to_owned();
    weights.into_iter().map(layer).collect()
}
