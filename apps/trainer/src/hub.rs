//! Models by their name on the Hugging Face hub. Nothing is ever downloaded.

use serde_json::{Map, Value};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

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
        let all: Map<String, Value> = serde_json::from_str(ARCHITECTURES).unwrap();
        assert!(all.len() > 8);
        for name in all.keys() {
            let raw = known_architecture(name).unwrap();
            let config = burn_vlm::ModelConfig::from_json(&raw);
            assert!(config.is_ok(), "{name}: {:?}", config.err());
        }
        assert_eq!(known_architecture("Qwen/Nothing"), None);
    }
}
