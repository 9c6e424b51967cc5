//! Models by their name on the Hugging Face hub. Nothing is ever downloaded.

pub use burn_vlm::hub::{is_name, locate};

/// Configurations of the models that the recipes name, so that a run of them can be planned before
/// anything is there.
const ARCHITECTURES: &[(&str, &str)] = &[
    (
        "OpenGVLab/InternVL2_5-8B",
        include_str!("../assets/architectures/OpenGVLab--InternVL2_5-8B.json"),
    ),
    (
        "OpenGVLab/InternVL2_5-38B",
        include_str!("../assets/architectures/OpenGVLab--InternVL2_5-38B.json"),
    ),
    (
        "Qwen/Qwen2-VL-2B",
        include_str!("../assets/architectures/Qwen--Qwen2-VL-2B.json"),
    ),
    (
        "Qwen/Qwen2.5-7B",
        include_str!("../assets/architectures/Qwen--Qwen2.5-7B.json"),
    ),
    (
        "Qwen/Qwen2.5-Math-7B",
        include_str!("../assets/architectures/Qwen--Qwen2.5-Math-7B.json"),
    ),
    (
        "Qwen/Qwen2.5-VL-3B-Instruct",
        include_str!("../assets/architectures/Qwen--Qwen2.5-VL-3B-Instruct.json"),
    ),
    (
        "Qwen/Qwen2.5-VL-7B-Instruct",
        include_str!("../assets/architectures/Qwen--Qwen2.5-VL-7B-Instruct.json"),
    ),
    (
        "Qwen/Qwen2.5-VL-32B-Instruct",
        include_str!("../assets/architectures/Qwen--Qwen2.5-VL-32B-Instruct.json"),
    ),
];

/// Names whose architecture is that of another.
const SAME: &[(&str, &str)] = &[
    (
        "OpenGVLab/InternVL2_5-38B-Pretrain",
        "OpenGVLab/InternVL2_5-38B",
    ),
    ("Qwen/Qwen2-VL-2B-Instruct", "Qwen/Qwen2-VL-2B"),
];

/// The `config.json` of a model that is known by name.
pub fn known_architecture(name: &str) -> Option<&'static str> {
    let same = SAME.iter().find(|(alias, _)| *alias == name);
    let name = same.map_or(name, |(_, original)| original);
    let found = ARCHITECTURES.iter().find(|(known, _)| *known == name);
    found.map(|(_, config)| *config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_architecture_is_one_the_models_accept() {
        for (name, config) in ARCHITECTURES {
            let raw = serde_json::from_str(config).unwrap();
            let config = burn_vlm::ModelConfig::from_json(&raw);
            assert!(config.is_ok(), "{name}: {:?}", config.err());
        }
        assert!(
            SAME.iter()
                .all(|(_, name)| known_architecture(name).is_some())
        );
        assert_eq!(known_architecture("Qwen/Nothing"), None);
    }
}
