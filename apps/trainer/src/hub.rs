//! Models by their name on the Hugging Face hub. Nothing is ever downloaded.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

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

/// The directory of a model: the one of that path, or else the newest snapshot of that name in the
/// Hugging Face cache. The path as it was given where there is neither.
pub fn locate(model: &Path) -> PathBuf {
    if model.exists() {
        return model.into();
    }
    let cached = model.to_str().filter(|name| is_name(name));
    let found = cached.and_then(|name| cached_snapshot(&cache_dir()?, name));
    found.unwrap_or_else(|| model.into())
}

/// `org/name`
pub fn is_name(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    text.split('/').count() == 2 && text.split('/').all(plain)
}

/// Where `huggingface_hub` keeps what it downloads.
fn cache_dir() -> Option<PathBuf> {
    let path = |key: &str| {
        env::var_os(key)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    path("HF_HUB_CACHE")
        .or_else(|| Some(path("HF_HOME")?.join("hub")))
        .or_else(|| Some(path("XDG_CACHE_HOME")?.join("huggingface/hub")))
        .or_else(|| Some(path("HOME")?.join(".cache/huggingface/hub")))
}

fn cached_snapshot(cache: &Path, name: &str) -> Option<PathBuf> {
    let repository = cache.join(format!("models--{}", name.replace('/', "--")));
    let revision = fs::read_to_string(repository.join("refs/main")).ok()?;
    let snapshot = repository.join("snapshots").join(revision.trim());
    snapshot.join("config.json").is_file().then_some(snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cached_model_is_found_by_its_name() {
        let cache = tempfile::tempdir().unwrap();
        let repository = cache.path().join("models--Qwen--Tiny");
        let snapshot = repository.join("snapshots/abc");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(repository.join("refs")).unwrap();
        fs::write(repository.join("refs/main"), "abc").unwrap();
        assert_eq!(
            cached_snapshot(cache.path(), "Qwen/Tiny"),
            None,
            "nothing in it yet"
        );
        fs::write(snapshot.join("config.json"), "{}").unwrap();
        assert_eq!(cached_snapshot(cache.path(), "Qwen/Tiny"), Some(snapshot));
        assert_eq!(cached_snapshot(cache.path(), "Qwen/Other"), None);
    }

    #[test]
    fn names_are_two_plain_parts() {
        assert!(is_name("Qwen/Qwen2.5-VL-7B-Instruct"));
        for path in ["qwen", "/qwen/x", "a/b/c", "../x", "a/", "a b/c"] {
            assert!(!is_name(path), "{path}");
        }
    }

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
