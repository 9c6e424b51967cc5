//! Files that are written whole or not at all, and listings of directories.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::LogError;

/// Writes a file whole or not at all: beside it first, synced, then renamed over it. The parent
/// directories are made where they are missing.
///
/// # Errors
/// [`LogError::Io`]; what stood at `path` before is then untouched.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    let dir = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(|e| LogError::io(dir, e))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temp = dir.join(format!(".{name}.tmp"));
    let written = File::create(&temp)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temp, path));
    if let Err(error) = written {
        // The write already failed and says why; a leftover file changes nothing about that.
        let _ = fs::remove_file(&temp);
        return Err(LogError::io(path, error));
    }
    // Makes the rename itself durable. Not every system lets a directory be opened and synced.
    if let Ok(handle) = File::open(dir) {
        let _ = handle.sync_all();
    }
    Ok(())
}

/// The entries of a directory, sorted; none if it does not exist.
///
/// # Errors
/// [`LogError::Io`].
pub fn list(dir: &Path) -> Result<Vec<PathBuf>, LogError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(LogError::io(dir, e)),
    };
    let mut paths = entries
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| LogError::io(dir, e))?;
    paths.sort();
    Ok(paths)
}

/// A file's text; `None` if it is not there.
///
/// # Errors
/// [`LogError::Io`].
pub fn read_text(path: &Path) -> Result<Option<String>, LogError> {
    match fs::read(path) {
        // Bytes that are not UTF-8 can only come from damage or from a line that is still being
        // written; the rest of the file is still worth showing.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(LogError::io(path, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_atomic(&path, b"old").unwrap();
        // A directory where the temporary file would go makes the write fail for any user.
        fs::create_dir(dir.path().join(".file.tmp")).unwrap();
        assert!(matches!(
            write_atomic(&path, b"new"),
            Err(LogError::Io { .. })
        ));
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
