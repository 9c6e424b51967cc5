//! Where results go: standard output, or a file that is there whole or not at all.

use crate::input_error::InputError;
use anyhow::{Context, Result};
use serde::Serialize;
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// Refuses to put results in place of the file that they are made from.
///
/// # Errors
/// `out` is `data`.
pub fn check_apart(out: Option<&Path>, data: &Path) -> Result<(), InputError> {
    let Some(out) = out else {
        return Ok(());
    };
    let real = |path: &Path| fs::canonicalize(path).ok().filter(|path| path.is_file());
    match real(out).is_some_and(|out| Some(out) == real(data)) {
        false => Ok(()),
        true => Err(InputError::new(format!(
            "--out {}: is the file of --data, expected another",
            out.display()
        ))),
    }
}

/// A stream of lines.
pub struct Output {
    writer: Box<dyn Write>,
    /// What is written, and what it is renamed to when it is whole.
    pending: Option<(PathBuf, PathBuf)>,
}

impl Output {
    /// Standard output. Lines appear as they are written.
    pub fn stdout() -> Self {
        Self {
            writer: Box::new(io::stdout()),
            pending: None,
        }
    }

    /// The file `path`, or standard output without one. The file appears with
    /// [`finish`](Self::finish); a device or a pipe is written to directly.
    ///
    /// # Errors
    /// A place that cannot be written to.
    pub fn create(path: Option<&Path>) -> Result<Self, InputError> {
        let Some(path) = path else {
            return Ok(Self::stdout());
        };
        let special = fs::metadata(path).is_ok_and(|found| !found.is_file());
        let beside = match special {
            true => path.to_path_buf(),
            false => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                path.with_file_name(format!(".{name}.tmp"))
            }
        };
        let file = File::create(&beside)
            .map_err(|e| InputError::new(format!("--out {}: {e}", path.display())))?;
        let pending = (!special).then(|| (beside, path.to_path_buf()));
        Ok(Self {
            writer: Box::new(BufWriter::new(file)),
            pending,
        })
    }

    /// Writes a line of text.
    ///
    /// # Errors
    /// Anything the stream refuses.
    pub fn line(&mut self, text: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.writer, "{text}")
    }

    /// Writes a JSON object on a line of its own.
    ///
    /// # Errors
    /// Anything the stream refuses.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        self.line(text)
    }

    /// Makes sure that everything is written, and puts a file in its place.
    ///
    /// # Errors
    /// Anything the file system refuses.
    pub fn finish(mut self) -> Result<()> {
        self.writer.flush()?;
        if let Some((beside, path)) = self.pending.take() {
            fs::rename(&beside, &path).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some((beside, _)) = &self.pending {
            // What is not whole is not kept; there is nobody left to report a failure to.
            let _ = fs::remove_file(beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        let mut given_up = Output::create(Some(&path)).unwrap();
        given_up.line("half").unwrap();
        drop(given_up);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

        let mut out = Output::create(Some(&path)).unwrap();
        out.json(&[1, 2]).unwrap();
        assert!(!path.exists());
        out.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "[1,2]\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn results_do_not_replace_what_they_are_made_from() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data.jsonl");
        let other = dir.path().join("out.jsonl");
        fs::write(&data, "rows").unwrap();
        let roundabout = dir.path().join(".").join("data.jsonl");
        for (out, apart) in [
            (None, true),
            (Some(&other), true),
            (Some(&data), false),
            (Some(&roundabout), false),
        ] {
            let found = check_apart(out.map(PathBuf::as_path), &data);
            assert_eq!(found.is_ok(), apart, "{out:?}");
        }
        let device = Path::new("/dev/null");
        assert!(check_apart(Some(device), device).is_ok());
    }

    #[test]
    fn a_place_that_is_not_there_is_named() {
        let error = Output::create(Some(Path::new("/no/such/dir/x")))
            .err()
            .unwrap()
            .to_string();
        assert!(error.starts_with("--out /no/such/dir/x: "), "{error}");
    }
}
