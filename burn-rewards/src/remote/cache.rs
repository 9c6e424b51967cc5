//! Replies on disk, found again by the content of their request.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fmt::Write,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

/// A directory of replies, one file each, that several processes may share: a file appears whole
/// or not at all, and one that is damaged is as one that is not there.
pub(crate) struct ReplyCache {
    dir: PathBuf,
}

impl ReplyCache {
    /// A cache in `dir`, which is made when the first reply is kept.
    pub fn new(dir: &str) -> Self {
        Self { dir: dir.into() }
    }

    /// The reply that was kept for this request.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn get(&self, request: &Value) -> Result<Option<String>, String> {
        let path = self.path(request);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(at(&path, &e)),
        };
        let Ok(kept) = serde_json::from_slice::<Value>(&bytes) else {
            return Ok(None);
        };
        let reply = kept.get("reply").and_then(Value::as_str);
        let same = kept.get("request") == Some(request);
        Ok(reply.filter(|_| same).map(str::to_owned))
    }

    /// Keeps the reply to a request.
    ///
    /// # Errors
    /// A directory that cannot be written to.
    pub fn put(&self, request: &Value, reply: &str) -> Result<(), String> {
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let path = self.path(request);
        let dir = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(dir).map_err(|e| at(dir, &e))?;
        let n = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_extension(format!("{}-{n}.tmp", process::id()));
        let text = json!({"request": request, "reply": reply}).to_string();
        let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, &path));
        written.map_err(|e| {
            let _ = fs::remove_file(&beside);
            at(&path, &e)
        })
    }

    fn path(&self, request: &Value) -> PathBuf {
        let hash = Sha256::digest(request.to_string().as_bytes());
        let mut name = String::new();
        for byte in hash {
            let _ = write!(name, "{byte:02x}");
        }
        self.dir
            .join(&name[..2])
            .join(format!("{}.json", &name[2..]))
    }
}

fn at(path: &Path, error: &std::io::Error) -> String {
    format!("option `cache_dir`: {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_as_none_and_another_request_is_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let cache = ReplyCache::new(&dir.path().display().to_string());
        let (one, two) = (json!({"a": 1}), json!({"a": 2}));
        assert_eq!(cache.get(&one), Ok(None));
        cache.put(&one, "7").unwrap();
        cache.put(&two, "8").unwrap();
        assert_eq!(cache.get(&one), Ok(Some("7".into())));
        assert_eq!(cache.get(&two), Ok(Some("8".into())));
        fs::write(cache.path(&one), "{\"request\":").unwrap();
        assert_eq!(cache.get(&one), Ok(None));
        fs::copy(cache.path(&two), cache.path(&one)).unwrap();
        assert_eq!(cache.get(&one), Ok(None), "kept for another request");
    }

    #[test]
    fn many_writers_leave_one_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        let cache = ReplyCache::new(&dir.path().display().to_string());
        let request = json!({"a": 1});
        let long = "x".repeat(100_000);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| cache.put(&request, &long).unwrap());
            }
        });
        assert_eq!(cache.get(&request), Ok(Some(long)));
        let inside = cache.path(&request);
        let files = fs::read_dir(inside.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "nothing is left beside it");
    }
}
