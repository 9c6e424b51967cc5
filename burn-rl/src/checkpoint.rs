//! Checkpoints: written beside, synced, renamed; whole or not at all.
//!
//! A checkpoint is a Hugging Face model directory with two files more: the optimiser's moments and
//! `trainer_state.json`. Any tool that loads such directories loads it.

use crate::{error::RlError, learner::Learner, run_dir::RunDir};
use burn_vlm::{models::qwen2_5_vl::Processor, weights::ExportDtype};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

const STATE: &str = "trainer_state.json";

/// Where a run stands, beside weights and moments. There is no random state: every draw is a
/// function of seed, step, prompt and draw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerState {
    /// Version of this format.
    pub format: u32,
    /// Steps done.
    pub step: u64,
    /// Seed of the run.
    pub seed: u64,
}

impl TrainerState {
    /// The state after `step` steps.
    pub fn new(step: u64, seed: u64) -> Self {
        Self { format: 1, step, seed }
    }

    /// Reads the state of a checkpoint.
    ///
    /// # Errors
    /// A file that is missing, malformed or of another version.
    pub fn read(dir: &Path) -> Result<Self, RlError> {
        let path = dir.join(STATE);
        let bytes = fs::read(&path).map_err(|e| RlError::io(&path, e))?;
        let broken = |message: String| RlError::Checkpoint { path: path.clone(), message };
        let state: Self = serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
        match state.format {
            1 => Ok(state),
            other => Err(broken(format!("format is {other}, expected 1"))),
        }
    }
}

/// Writes a checkpoint, points `latest` at it and removes those older than the newest `keep`.
///
/// # Errors
/// Anything the file system refuses, a full disk included; what was written is then removed and
/// the last checkpoint stays as it was.
pub fn save(
    run: &RunDir,
    learner: &dyn Learner,
    processor: &Processor,
    state: &TrainerState,
    keep: usize,
) -> Result<PathBuf, RlError> {
    let dir = run.checkpoint(state.step);
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
    prune(run, keep)?;
    Ok(dir)
}

fn write(
    dir: &Path,
    learner: &dyn Learner,
    processor: &Processor,
    state: &TrainerState,
) -> Result<(), RlError> {
    fs::create_dir_all(dir).map_err(|e| RlError::io(dir, e))?;
    learner.model().save(dir, ExportDtype::F32)?;
    processor.save_to_dir(dir)?;
    learner.save(dir)?;
    let path = dir.join(STATE);
    let json = serde_json::to_string_pretty(state).map_err(std::io::Error::other);
    json.and_then(|json| fs::write(&path, json)).map_err(|e| RlError::io(&path, e))
}

/// Syncs every file, then renames the directory.
fn publish(beside: &Path, dir: &Path) -> Result<(), RlError> {
    for entry in fs::read_dir(beside).map_err(|e| RlError::io(beside, e))? {
        let path = entry.map_err(|e| RlError::io(beside, e))?.path();
        sync(&path)?;
    }
    sync(beside)?;
    if dir.exists() {
        // A checkpoint of this very step, from before a resume: the same bits.
        fs::remove_dir_all(dir).map_err(|e| RlError::io(dir, e))?;
    }
    fs::rename(beside, dir).map_err(|e| RlError::io(dir, e))?;
    dir.parent().map_or(Ok(()), sync)
}

fn sync(path: &Path) -> Result<(), RlError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|e| RlError::io(path, e))
}

/// `latest` is a symbolic link, replaced in one rename.
fn point_latest(run: &RunDir, dir: &Path) -> Result<(), RlError> {
    let latest = run.latest_checkpoint();
    let beside = latest.with_extension("tmp");
    // Left over from a run that was killed here; a link that is not there is no failure.
    let _ = fs::remove_file(&beside);
    let name = dir.file_name().map(PathBuf::from).unwrap_or_default();
    std::os::unix::fs::symlink(name, &beside).map_err(|e| RlError::io(&beside, e))?;
    fs::rename(&beside, &latest).map_err(|e| RlError::io(&latest, e))
}

fn prune(run: &RunDir, keep: usize) -> Result<(), RlError> {
    let parent = run.checkpoints_dir();
    let mut steps: Vec<(u64, PathBuf)> = fs::read_dir(&parent)
        .map_err(|e| RlError::io(&parent, e))?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter_map(|path| Some((crate::run_dir::step_of(&path)?, path)))
        .collect();
    steps.sort_unstable();
    steps.truncate(steps.len().saturating_sub(keep));
    for (_, path) in steps {
        fs::remove_dir_all(&path).map_err(|e| RlError::io(&path, e))?;
    }
    Ok(())
}
