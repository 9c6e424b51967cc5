//! Models by their name on the Hugging Face hub. Nothing is ever downloaded.

pub use burn_vlm::hub::{is_name, locate};
use serde_json::{Map, Value};

/// Configurations of the models that the recipes name, so that a run of them can be planned before
/// anything is there: by name, or the name of another model of the same architecture.
const ARCHITECTURES: &str = include_str!("../assets/architectures.json");

/// The `config.json` of a model that is known by name.
pub fn known_architecture(name: &str) -> Option<Value> {
    let mut known: Map<String, Value> = serde_json::from_str(ARCHITECTURES).ok()?;
    match known.remove(name)? {
        Value::String(same) => known.remove(&same),
        config => Some(config),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_architecture_is_one_the_models_accept() {
        let all: Map<String, Value> = serde_json::from_str(ARCHITECTURES).unwrap();
        assert!(all.len() > 8);
        for name in all.keys() {
            let raw = known_architecture(name).unwrap();
            let config = burn_vlm::ModelConfig::from_json(&raw);
            assert!(config.is_ok(), "{name}: {:?}", config.as_ref().err());
            // Every key of the published files is in a list.
            assert_eq!(config.unwrap().unlisted_keys, [""; 0], "{name}");
        }
        assert_eq!(known_architecture("Qwen/Nothing"), None);
    }
}
