//! Models by their name on the Hugging Face hub, where they are in its cache. Nothing is ever
//! downloaded.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// What a model and an adapter are described in.
const DESCRIPTIONS: [&str; 2] = ["config.json", "adapter_config.json"];

/// The directory of a model or of an adapter: the one of that path, or else, in the Hugging Face
/// cache, the snapshot that is the repository's `main`. The path as it was given where there is
/// neither.
pub fn locate(model: &Path) -> PathBuf {
    locate_revision(model, None)
}

/// The same for a branch, tag or commit of the hub's repository.
pub fn locate_revision(model: &Path, revision: Option<&str>) -> PathBuf {
    if model.exists() {
        return model.into();
    }
    let cached = model.to_str().filter(|name| is_name(name));
    let found = cached.and_then(|name| cached_snapshot(&cache_dir()?, name, revision));
    found.unwrap_or_else(|| model.into())
}

/// `org/name`
pub fn is_name(text: &str) -> bool {
    text.split('/').count() == 2 && text.split('/').all(is_plain)
}

fn is_plain(part: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !part.is_empty() && !part.starts_with('.') && part.chars().all(known)
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

fn cached_snapshot(cache: &Path, name: &str, revision: Option<&str>) -> Option<PathBuf> {
    const DEFAULT: &str = "main";
    let repository = cache.join(format!("models--{}", name.replace('/', "--")));
    let revision = revision.unwrap_or(DEFAULT);
    if !revision.split('/').all(is_plain) {
        return None;
    }
    // A branch or a tag is a file that holds its commit; a commit is itself.
    let commit = fs::read_to_string(repository.join("refs").join(revision));
    let commit = commit.unwrap_or_else(|_| revision.to_owned());
    let snapshot = repository.join("snapshots").join(commit.trim());
    let described = DESCRIPTIONS.map(|name| snapshot.join(name).is_file());
    described.contains(&true).then_some(snapshot)
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
        let find = |name: &str, revision| cached_snapshot(cache.path(), name, revision);
        assert_eq!(find("Qwen/Tiny", None), None, "nothing in it yet");
        fs::write(snapshot.join("adapter_config.json"), "{}").unwrap();
        assert_eq!(find("Qwen/Tiny", None).as_ref(), Some(&snapshot));
        fs::remove_file(snapshot.join("adapter_config.json")).unwrap();
        fs::write(snapshot.join("config.json"), "{}").unwrap();
        assert_eq!(find("Qwen/Tiny", None).as_ref(), Some(&snapshot));
        assert_eq!(find("Qwen/Tiny", Some("abc")), Some(snapshot));
        assert_eq!(find("Qwen/Tiny", Some("../../x")), None);
        assert_eq!(find("Qwen/Tiny", Some("v2")), None);
        assert_eq!(find("Qwen/Other", None), None);
    }

    #[test]
    fn names_are_two_plain_parts() {
        assert!(is_name("Qwen/Qwen2.5-VL-7B-Instruct"));
        for path in ["qwen", "/qwen/x", "a/b/c", "../x", "a/", "a b/c"] {
            assert!(!is_name(path), "{path}");
        }
    }
}
