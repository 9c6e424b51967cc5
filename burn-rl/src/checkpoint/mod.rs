//! Checkpoints: written beside, synced, renamed; whole or not at all.
//!
//! A checkpoint is a Hugging Face model directory with a few files more: the optimiser's moments,
//! `learner_state.json`, `trainer_state.json` and `checksums.json`. Any tool that loads such
//! directories loads it. A moving average of the weights, a critic and a renewed reference are model
//! directories in it.

mod checksums;
mod find;
mod state;

pub use find::{Found, at, last};
pub use state::{MadeOf, TrainerState};

use crate::{
    error::RlError,
    learner::{AVERAGE_DIR, Learner, Policy},
    run_dir::{RunDir, step_of},
};
use burn_vlm::Processor;
use find::is_latest;
use state::STATE;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// Writes a checkpoint, points `latest` at it and removes those older than the newest `keep`.
///
/// # Errors
/// Anything the file system refuses, a full disk included; what was written is then removed and
/// the last checkpoint stays as it was.
pub fn save<P: Policy>(
    run: &RunDir,
    learner: &dyn Learner<Policy = P>,
    processor: Option<&Processor>,
    state: &TrainerState,
    keep: usize,
) -> Result<PathBuf, RlError> {
    let dir = run.checkpoint(state.step);
    if is_latest(run, &dir) {
        // Nothing was learned since it was written or loaded. To replace it would open a moment
        // in which there is no whole checkpoint.
        return Ok(dir);
    }
    let beside = dir.with_extension("tmp");
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(|e| RlError::io(&beside, e))?;
    }
    let written = write(&beside, learner, processor, state).and_then(|()| publish(&beside, &dir));
    if let Err(error) = written {
        // The first error is the one to report, whether or not the remains can be removed.
        let _ = fs::remove_dir_all(&beside);
        return Err(error);
    }
    point_latest(run, &dir)?;
    run.note_saved(state.step)?;
    prune(run, state.step, keep)?;
    Ok(dir)
}

/// Makes a run ready to go on from a checkpoint: finishes the removals in which it was killed, and
/// points `latest` at the checkpoint where it named a damaged one. What is saved next is then newer
/// than what `latest` names, and takes the damaged one's place.
///
/// # Errors
/// Anything the file system refuses.
pub fn go_on_from(run: &RunDir, found: &Found, keep: usize) -> Result<(), RlError> {
    if !found.damaged.is_empty() {
        point_latest(run, &found.dir)?;
    }
    prune(run, found.state.step, keep)
}

fn write<P: Policy>(
    dir: &Path,
    learner: &dyn Learner<Policy = P>,
    processor: Option<&Processor>,
    state: &TrainerState,
) -> Result<(), RlError> {
    fs::create_dir_all(dir).map_err(|e| RlError::io(dir, e))?;
    learner.model().save(dir)?;
    learner.save(dir)?;
    if let Some(processor) = processor {
        processor.save_to_dir(dir)?;
        if learner.average().is_some() {
            // A model directory that can be sampled from and exported like any other.
            processor.save_to_dir(&dir.join(AVERAGE_DIR))?;
        }
    }
    let path = dir.join(STATE);
    let json = serde_json::to_string_pretty(state).map_err(std::io::Error::other);
    json.and_then(|json| fs::write(&path, json))
        .map_err(|e| RlError::io(&path, e))?;
    checksums::write(dir)
}

/// Syncs every file, then renames the directory.
fn publish(beside: &Path, dir: &Path) -> Result<(), RlError> {
    sync_all(beside)?;
    if dir.exists() {
        // From a run that was killed before `latest` named it, or that went another way.
        fs::remove_dir_all(dir).map_err(|e| RlError::io(dir, e))?;
    }
    fs::rename(beside, dir).map_err(|e| RlError::io(dir, e))?;
    dir.parent().map_or(Ok(()), sync)
}

/// Syncs a directory and everything in it.
fn sync_all(dir: &Path) -> Result<(), RlError> {
    for entry in fs::read_dir(dir).map_err(|e| RlError::io(dir, e))? {
        let path = entry.map_err(|e| RlError::io(dir, e))?.path();
        match path.is_dir() {
            true => sync_all(&path)?,
            false => sync(&path)?,
        }
    }
    sync(dir)
}

fn sync(path: &Path) -> Result<(), RlError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|e| RlError::io(path, e))
}

/// `latest` is a symbolic link, or where the system has none a file that holds the name; either is
/// replaced in one rename.
fn point_latest(run: &RunDir, dir: &Path) -> Result<(), RlError> {
    let latest = run.latest_checkpoint();
    let beside = latest.with_extension("tmp");
    // Left over from a run that was killed here; a link that is not there is no failure.
    let _ = fs::remove_file(&beside);
    let name = dir.file_name().map(PathBuf::from).unwrap_or_default();
    link(&name, &beside).map_err(|e| RlError::io(&beside, e))?;
    fs::rename(&beside, &latest).map_err(|e| RlError::io(&latest, e))?;
    // Before older checkpoints are removed.
    sync(&run.checkpoints_dir())
}

#[cfg(unix)]
fn link(name: &Path, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(name, at)
}

#[cfg(not(unix))]
fn link(name: &Path, at: &Path) -> std::io::Result<()> {
    fs::write(at, name.to_string_lossy().as_bytes())
}

/// Keeps the newest `keep` checkpoints up to `step`, and removes what killed runs left half
/// written. Checkpoints of later steps stay: somebody may have gone back on purpose.
fn prune(run: &RunDir, step: u64, keep: usize) -> Result<(), RlError> {
    let parent = run.checkpoints_dir();
    let mut whole = vec![];
    for entry in fs::read_dir(&parent).map_err(|e| RlError::io(&parent, e))? {
        let path = entry.map_err(|e| RlError::io(&parent, e))?.path();
        match (step_of(&path), path.extension()) {
            (Some(found), None) if found <= step => whole.push((found, path)),
            (Some(_), Some(extension)) if extension == "tmp" => remove(&path)?,
            _ => {}
        }
    }
    whole.sort_unstable();
    whole.truncate(whole.len().saturating_sub(keep));
    whole.iter().try_for_each(|(_, path)| {
        // Under a name by which nobody takes it for a whole one when half of it is gone.
        let leaving = path.with_extension("tmp");
        fs::rename(path, &leaving).map_err(|e| RlError::io(path, e))?;
        remove(&leaving)
    })
}

fn remove(dir: &Path) -> Result<(), RlError> {
    fs::remove_dir_all(dir).map_err(|e| RlError::io(dir, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run with checkpoint directories of these names, the newest of which is `latest`.
    pub(super) fn run(names: &[&str], latest: &str) -> (tempfile::TempDir, RunDir) {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run")).unwrap();
        for name in names {
            fs::create_dir_all(run.checkpoints_dir().join(name)).unwrap();
        }
        point_latest(&run, &run.checkpoints_dir().join(latest)).unwrap();
        (dir, run)
    }

    fn names(run: &RunDir) -> Vec<String> {
        let entries = fs::read_dir(run.checkpoints_dir()).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_newest_stay() {
        let names_before = ["step_000002", "step_000004", "step_000006", "step_1000000"];
        let (_dir, run) = run(&names_before, "step_1000000");
        prune(&run, 1_000_000, 2).unwrap();
        assert_eq!(names(&run), ["latest", "step_000006", "step_1000000"]);
    }

    #[test]
    fn remains_of_killed_runs_do_not_crowd_out_the_latest() {
        // Killed while step 20 was written, and before that between its renames; then continued
        // from step 10 and stopped at step 15.
        let before = [
            "step_000010",
            "step_000015",
            "step_000020",
            "step_000020.tmp",
        ];
        let (_dir, run) = run(&before, "step_000015");
        prune(&run, 15, 1).unwrap();
        assert_eq!(names(&run), ["latest", "step_000015", "step_000020"]);
    }
}
