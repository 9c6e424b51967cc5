//! Reading the small files of a model directory, which may be a stranger's: only what is a file, no
//! larger than any of them is, and from no place that the directory has no business with.

use crate::error::VlmError;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Largest file that is read whole, in bytes; the largest tokenizers take a tenth of it.
const MAX_BYTES: u64 = 512 << 20;

/// How Git LFS begins what it puts in the place of a file.
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";

/// The bytes of a file.
///
/// # Errors
/// It cannot be read; it is a pipe or a device, too large, a Git LFS pointer, or a link to where
/// [`check_link`] refuses one.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, VlmError> {
    check_is_file(path)?;
    check_link(path)?;
    read_any(path)
}

/// The same for a file that the user named, whatever it links to.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_any(path: &Path) -> Result<Vec<u8>, VlmError> {
    let io = |error| VlmError::io(path, error);
    check_is_file(path)?;
    let mut bytes = vec![];
    let file = File::open(path).map_err(io)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!("is larger than {MAX_BYTES} bytes, which no such file is");
        return Err(VlmError::config(path, message));
    }
    match is_lfs_pointer(&bytes) {
        true => Err(VlmError::config(path, LFS_MESSAGE)),
        false => Ok(bytes),
    }
}

/// Refuses what blocks or never ends when it is read. A directory gives the system's own error.
fn check_is_file(path: &Path) -> Result<(), VlmError> {
    let found = fs::metadata(path).map_err(|error| VlmError::io(path, error))?;
    match found.is_file() || found.is_dir() {
        true => Ok(()),
        false => Err(VlmError::config(
            path,
            "is a pipe, a socket or a device, expected a file",
        )),
    }
}

/// The bytes of a file that need not be there.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, VlmError> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(VlmError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file as JSON.
///
/// # Errors
/// As [`read`], and a file that is no JSON.
pub(crate) fn json(path: &Path) -> Result<Value, VlmError> {
    parse(&read(path)?, path)
}

/// The JSON that the bytes of a file are.
///
/// # Errors
/// They are none.
pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Value, VlmError> {
    serde_json::from_slice(bytes).map_err(|e| VlmError::config(path, format!("not JSON: {e}")))
}

/// What kind of value this is, in words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The fields of a JSON object.
///
/// # Errors
/// A key that is missing or of a wrong type, by its path in the object.
pub(crate) fn fields<T: DeserializeOwned>(json: &Value) -> Result<T, String> {
    // A list would be taken for the fields in their order.
    if !json.is_object() {
        return Err(format!("found {}, expected an object", kind(json)));
    }
    serde_path_to_error::deserialize(json).map_err(|error| {
        let path = error.path().to_string();
        let message = plainly(error.into_inner().to_string());
        match path.as_str() {
            "." => message,
            _ => format!("{path}: {message}"),
        }
    })
}

/// The value of a key that is true or false; none where it is missing or null.
///
/// # Errors
/// Another value.
pub(crate) fn flag(json: &Value, key: &str) -> Result<Option<bool>, String> {
    match &json[key] {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        other => Err(format!("{key} is {other}, expected true or false")),
    }
}

/// A message of serde without the names of Rust's types.
fn plainly(message: String) -> String {
    const NAMES: [(&str, &str); 6] = [
        ("usize", "a whole number"),
        ("u32", "a whole number"),
        ("u64", "a whole number"),
        ("f64", "a number"),
        ("struct", "an object"),
        ("any value", "a value"),
    ];
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        return message;
    };
    let name = NAMES.iter().find(|(name, _)| expected.starts_with(name));
    match name {
        Some((_, plain)) => format!("{found}, expected {plain}"),
        None => message,
    }
}

/// What is said of a Git LFS pointer.
pub(crate) const LFS_MESSAGE: &str =
    "is a Git LFS pointer, not the file itself: fetch it with `git lfs pull` in the directory";

/// Whether these are the bytes that Git LFS leaves in the place of a file.
pub(crate) fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(LFS)
}

/// Refuses a symbolic link out of the directory, but for one to a file of the same name, as people
/// put directories together, and one into the blobs of the hub's cache that the directory is in:
/// what is read here is carried into checkpoints and exports. A link to a link of the same name is
/// what that one is.
///
/// # Errors
/// Such a link, with what it leads to.
pub(crate) fn check_link(path: &Path) -> Result<(), VlmError> {
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    if !is_link {
        return Ok(());
    }
    let io = |error| VlmError::io(path, error);
    let target = fs::canonicalize(path).map_err(io)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let dir = fs::canonicalize(parent).map_err(io)?;
    let blobs: Option<PathBuf> = dir
        .ancestors()
        .find(|at| at.file_name().is_some_and(|name| name == "snapshots"))
        .and_then(|snapshots| Some(snapshots.parent()?.join("blobs")));
    let next = dir.join(fs::read_link(path).map_err(io)?);
    let of_same_name = next.file_name() == path.file_name();
    let allowed = target.starts_with(&dir)
        || target.file_name() == path.file_name()
        || (of_same_name && check_link(&next).is_ok())
        || blobs.is_some_and(|blobs| target.starts_with(blobs));
    match allowed {
        true => Ok(()),
        false => Err(VlmError::config(
            path,
            format!(
                "links to {}, expected a file of the directory itself, or of the same name",
                target.display()
            ),
        )),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn message(path: &Path) -> String {
        read(path).unwrap_err().to_string()
    }

    #[test]
    fn only_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        symlink("/dev/zero", &path).unwrap();
        assert!(
            message(&path)
                .ends_with("config.json: is a pipe, a socket or a device, expected a file")
        );
        assert!(read_optional(&dir.path().join("none")).unwrap().is_none());
        assert!(read(dir.path()).is_err());
    }

    #[test]
    fn a_pointer_of_git_lfs_is_called_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        fs::write(
            &path,
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n",
        )
        .unwrap();
        assert!(message(&path).contains("is a Git LFS pointer"));
    }

    #[test]
    fn links_lead_to_files_of_a_model() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = other.path().join("id_rsa");
        fs::write(&secret, "secret").unwrap();
        let path = dir.path().join("chat_template.jinja");
        symlink(&secret, &path).unwrap();
        assert!(message(&path).contains("id_rsa, expected a file of the directory itself"));
        fs::write(other.path().join("tokenizer.json"), "{}").unwrap();
        let same = dir.path().join("tokenizer.json");
        symlink(other.path().join("tokenizer.json"), &same).unwrap();
        assert_eq!(read(&same).unwrap(), b"{}");

        let cache = dir.path().join("models--Org--Name");
        let snapshot = cache.join("snapshots/abc");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(cache.join("blobs")).unwrap();
        fs::write(cache.join("blobs/0123"), "[]").unwrap();
        symlink("../../blobs/0123", snapshot.join("config.json")).unwrap();
        let linked = dir.path().join("config.json");
        symlink(snapshot.join("config.json"), &linked).unwrap();
        for path in [snapshot.join("config.json"), linked] {
            assert_eq!(json(&path).unwrap(), Value::Array(vec![]));
        }
        // A link of the right name leads nowhere else.
        fs::create_dir(dir.path().join("inner")).unwrap();
        symlink(&secret, dir.path().join("inner/merges.txt")).unwrap();
        let path = dir.path().join("merges.txt");
        symlink("inner/merges.txt", &path).unwrap();
        assert!(message(&path).contains("id_rsa, expected a file of the directory itself"));
    }

    #[test]
    fn a_wrong_type_is_named_by_its_key() {
        #[derive(Debug, serde::Deserialize)]
        #[allow(dead_code)]
        struct Fields {
            hidden_size: usize,
        }
        let read = |text: &str| fields::<Fields>(&serde_json::from_str(text).unwrap()).unwrap_err();
        assert_eq!(
            read(r#"{"hidden_size": 64.5}"#),
            "hidden_size: invalid type: floating point `64.5`, expected a whole number"
        );
        for other in ["7", "[64]"] {
            assert!(read(other).ends_with("expected an object"));
        }
        assert_eq!(read("{}"), "missing field `hidden_size`");
    }
}
