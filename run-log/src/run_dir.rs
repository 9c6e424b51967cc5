//! The run directory: where every file of a run lives, and who may write there.
//!
//! ```text
//! runs/<name>/
//!   config.toml  metrics.jsonl  log.txt  report.html  summary.json
//!   events.out.tfevents.*
//!   rollouts/step_000001.jsonl
//!   eval/<set>/step_000000.jsonl
//!   checkpoints/step_000050/  checkpoints/latest
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::LogError;
use crate::files::{list, read_text, write_atomic};

/// Name of the lock file: hidden, and ignored when a directory is checked for being empty.
const LOCK_FILE: &str = ".lock";

/// Holds the step of the last checkpoint that was saved.
const SAVED_FILE: &str = ".saved";

/// A run's directory.
///
/// One made by [`RunDir::create`], [`RunDir::fresh`] or [`RunDir::open`] holds the run's lock for
/// as long as it lives. The lock belongs to the open file, so the operating system lets go of it
/// however the process ends and a killed run never has to be unlocked by hand.
#[derive(Debug)]
pub struct RunDir {
    root: PathBuf,
    /// Held for its lock; `None` for a directory that is only read.
    _lock: Option<File>,
}

impl RunDir {
    /// Starts a run in `path`, which must not exist yet or be empty.
    ///
    /// # Errors
    /// [`LogError::Directory`] if something is there already (a run is never overwritten) or another
    /// process is writing there; [`LogError::Io`] if the directory cannot be made.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, LogError> {
        let root = path.into();
        if root.exists() && !root.is_dir() {
            let message = "found a file, expected a directory or nothing";
            return Err(refused(&root, message));
        }
        fs::create_dir_all(&root).map_err(|e| LogError::io(&root, e))?;
        refuse_if_used(&root)?;
        let lock = lock(&root)?;
        // Again under the lock: another process may have come and gone in between.
        refuse_if_used(&root)?;
        Ok(Self {
            root,
            _lock: Some(lock),
        })
    }

    /// Continues the run in `path`.
    ///
    /// # Errors
    /// [`LogError::Directory`] if there is no such directory or another process is writing there.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, LogError> {
        let run = Self::read(path)?;
        let lock = lock(&run.root)?;
        Ok(Self {
            root: run.root,
            _lock: Some(lock),
        })
    }

    /// Looks at the run in `path` without taking its lock: for reports of runs, live or done.
    ///
    /// # Errors
    /// [`LogError::Directory`] if there is no such directory.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, LogError> {
        let root = path.into();
        if !root.is_dir() {
            let message = "not found, expected the directory of an earlier run";
            return Err(refused(&root, message));
        }
        Ok(Self { root, _lock: None })
    }

    /// Starts a run in the first free one of `parent/name`, `parent/name-2`, `parent/name-3`, …
    ///
    /// # Errors
    /// [`LogError::Io`] if no directory can be made in `parent`.
    pub fn fresh(parent: impl AsRef<Path>, name: &str) -> Result<Self, LogError> {
        let parent = parent.as_ref();
        fs::create_dir_all(parent).map_err(|e| LogError::io(parent, e))?;
        let mut number = 1_u64;
        loop {
            let root = match number {
                1 => parent.join(name),
                n => parent.join(format!("{name}-{n}")),
            };
            // Making the directory is what claims the name: two processes cannot both succeed.
            match fs::create_dir(&root) {
                Ok(()) => return Self::create(root),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(LogError::io(&root, e)),
            }
        }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The run's name: the last part of its path.
    pub fn name(&self) -> String {
        let named = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
        named(&self.root)
            .or_else(|| fs::canonicalize(&self.root).ok().as_deref().and_then(named))
            .unwrap_or_else(|| "run".to_owned())
    }

    /// `config.toml`: the resolved configuration, with versions.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// `metrics.jsonl`: one object a step.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// `log.txt`: what the run said.
    pub fn log(&self) -> PathBuf {
        self.root.join("log.txt")
    }

    /// `report.html`.
    pub fn report(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// `summary.json`: closing figures of the run; optional.
    pub fn summary(&self) -> PathBuf {
        self.root.join("summary.json")
    }

    /// `rollouts/`.
    pub fn rollouts_dir(&self) -> PathBuf {
        self.root.join("rollouts")
    }

    /// `rollouts/step_000001.jsonl`: the completions of a step.
    pub fn rollouts(&self, step: u64) -> PathBuf {
        self.rollouts_dir()
            .join(format!("{}.jsonl", step_name(step)))
    }

    /// `eval/`.
    pub fn eval_dir(&self) -> PathBuf {
        self.root.join("eval")
    }

    /// `eval/<set>/step_000000.jsonl`: the completions of an evaluation after `step` updates.
    pub fn eval(&self, set: &str, step: u64) -> PathBuf {
        self.eval_dir()
            .join(path_safe(set))
            .join(format!("{}.jsonl", step_name(step)))
    }

    /// `checkpoints/`.
    pub fn checkpoints_dir(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// `checkpoints/step_000050`.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints_dir().join(step_name(step))
    }

    /// `checkpoints/latest`: names the newest whole checkpoint.
    pub fn latest_checkpoint(&self) -> PathBuf {
        self.checkpoints_dir().join("latest")
    }

    /// Notes that a checkpoint of `step` was saved, outside of `checkpoints/`, which may be a link to
    /// a disk that is not always there.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn note_saved(&self, step: u64) -> Result<(), LogError> {
        write_atomic(&self.root.join(SAVED_FILE), format!("{step}\n").as_bytes())
    }

    /// The step of the last checkpoint that was saved here, whether it is still there or not.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn saved_step(&self) -> Result<Option<u64>, LogError> {
        let text = read_text(&self.root.join(SAVED_FILE))?;
        Ok(text.and_then(|text| text.trim().parse().ok()))
    }

    /// Drops the rollout and evaluation files of steps after `step`, and what an interrupted
    /// [`write_atomic`] left beside them: a resumed run writes those steps again.
    ///
    /// # Errors
    /// [`LogError::Io`] if a directory cannot be listed or a file not removed.
    pub fn truncate_after(&self, step: u64) -> Result<(), LogError> {
        let mut dirs = vec![self.rollouts_dir()];
        dirs.extend(list(&self.eval_dir())?.into_iter().filter(|p| p.is_dir()));
        for dir in dirs {
            for file in list(&dir)? {
                let name = file
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let torn = name.starts_with('.') && name.ends_with(".tmp");
                if torn || step_of(&file).is_some_and(|s| s > step) {
                    fs::remove_file(&file).map_err(|e| LogError::io(&file, e))?;
                }
            }
        }
        Ok(())
    }
}

/// `step_000001`: at least six digits, so that names sort as their steps do.
pub fn step_name(step: u64) -> String {
    format!("step_{step:06}")
}

/// The step that a file or directory named by [`step_name`] belongs to, whatever its extension.
pub fn step_of(path: &Path) -> Option<u64> {
    path.file_stem()?
        .to_str()?
        .strip_prefix("step_")?
        .parse()
        .ok()
}

/// What a directory holds that is named by [`step_name`], in the order of the steps: files with this
/// extension, or with an empty one what has none.
///
/// # Errors
/// [`LogError::Io`].
pub fn by_step(dir: &Path, extension: &str) -> Result<Vec<(u64, PathBuf)>, LogError> {
    let named = |path: &PathBuf| path.extension().unwrap_or_default() == extension;
    let mut found: Vec<(u64, PathBuf)> = list(dir)?
        .into_iter()
        .filter(named)
        .filter_map(|path| Some((step_of(&path)?, path)))
        .collect();
    found.sort();
    Ok(found)
}

fn refused(root: &Path, message: impl Into<String>) -> LogError {
    LogError::Directory {
        path: root.into(),
        message: message.into(),
    }
}

fn refuse_if_used(root: &Path) -> Result<(), LogError> {
    if list(root)?
        .iter()
        .any(|p| p.file_name().is_some_and(|n| n != LOCK_FILE))
    {
        let message = "found files in it, expected it empty or absent; a run is never overwritten: \
                       continue it with --resume, or choose another --run-dir";
        return Err(refused(root, message));
    }
    Ok(())
}

fn lock(root: &Path) -> Result<File, LogError> {
    let path = root.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| LogError::io(&path, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let message = format!(
                "another process is writing this run (pid {}); wait for it or choose another \
                 --run-dir",
                holder.trim()
            );
            return Err(refused(root, message));
        }
        Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {
            tracing::warn!(path = %path.display(), "this file system has no locks");
        }
        Err(TryLockError::Error(e)) => return Err(LogError::io(&path, e)),
    }
    // The number is for people; the lock is what counts.
    file.set_len(0)
        .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()))
        .map_err(|e| LogError::io(&path, e))?;
    Ok(file)
}

/// One component of a path, whatever an evaluation set is called.
fn path_safe(name: &str) -> String {
    let plain = |(i, c): (usize, char)| {
        let keep = c.is_alphanumeric() || c == '-' || c == '_' || (c == '.' && i > 0);
        if keep { c } else { '_' }
    };
    name.chars().enumerate().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_directory_is_refused_with_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.toml"), "x").unwrap();
        let message = RunDir::create(dir.path()).unwrap_err().to_string();
        assert!(
            message.contains("--resume") && message.contains("--run-dir"),
            "{message}"
        );
        assert_eq!(
            fs::read_to_string(dir.path().join("config.toml")).unwrap(),
            "x"
        );
        assert!(!dir.path().join(LOCK_FILE).exists());
    }

    #[test]
    fn fresh_counts_up() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..3)
            .map(|_| RunDir::fresh(dir.path(), "demo").unwrap().name())
            .collect();
        assert_eq!(names, ["demo", "demo-2", "demo-3"]);
    }

    #[test]
    fn one_writer_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let run = RunDir::create(&path).unwrap();
        let message = RunDir::open(&path).unwrap_err().to_string();
        assert!(
            message.contains(&std::process::id().to_string()),
            "{message}"
        );
        RunDir::read(&path).unwrap();
        drop(run);
        RunDir::open(&path).unwrap();
    }

    #[test]
    fn truncate_keeps_what_a_checkpoint_has_seen() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run")).unwrap();
        for step in [9, 10, 11] {
            write_atomic(&run.rollouts(step), b"r").unwrap();
            write_atomic(&run.eval("held out", step), b"e").unwrap();
        }
        fs::write(run.rollouts_dir().join(".step_000010.jsonl.tmp"), "torn").unwrap();
        run.truncate_after(10).unwrap();
        let left = |dir: PathBuf| {
            list(&dir)
                .unwrap()
                .iter()
                .map(|p| step_of(p))
                .collect::<Vec<_>>()
        };
        assert_eq!(left(run.rollouts_dir()), [Some(9), Some(10)]);
        assert_eq!(left(run.eval_dir().join("held_out")), [Some(9), Some(10)]);
    }

    #[test]
    fn set_names_stay_inside_the_run() {
        assert_eq!(path_safe("../a b/c.d"), "_._a_b_c.d");
        assert_eq!(path_safe("held_out-1"), "held_out-1");
    }
}
