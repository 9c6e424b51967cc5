//! Checkpoints: written beside, synced, renamed; whole or not at all.
//!
//! A checkpoint is a Hugging Face model directory with a few files more: the optimiser's moments,
//! `learner_state.json` and `trainer_state.json`. Any tool that loads such directories loads it.
//! A moving average of the weights, a critic and a renewed reference are model directories in it.

use crate::{
    error::RlError,
    learner::{AVERAGE_DIR, Learner, Policy},
    rollout::SamplingState,
    run_dir::{RunDir, step_of},
};
use burn_vlm::Processor;
use run_log::files::list;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

const STATE: &str = "trainer_state.json";

/// Where a run stands, beside weights and moments. There is no random state: every draw is a
/// function of seed, step, prompt and draw.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerState {
    /// Version of this format.
    pub format: u32,
    /// Steps done.
    pub step: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Where sampling stands.
    pub sampling: SamplingState,
}

/// The version of [`TrainerState`] that is written.
const FORMAT: u32 = 2;

impl TrainerState {
    /// The state after `step` steps.
    pub fn new(step: u64, seed: u64, sampling: SamplingState) -> Self {
        Self {
            format: FORMAT,
            step,
            seed,
            sampling,
        }
    }

    /// Reads the state of a checkpoint.
    ///
    /// # Errors
    /// A file that is missing, malformed or of another version.
    pub fn read(dir: &Path) -> Result<Self, RlError> {
        let path = dir.join(STATE);
        let bytes = fs::read(&path).map_err(|e| RlError::io(&path, e))?;
        let broken = |message: String| RlError::Checkpoint {
            path: path.clone(),
            message,
        };
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let found: Format = serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
        if found.format != FORMAT {
            return Err(broken(format!(
                "format is {}, expected {FORMAT}",
                found.format
            )));
        }
        serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))
    }
}

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
    prune(run, state.step, keep)?;
    Ok(dir)
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
        .map_err(|e| RlError::io(&path, e))
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

/// The name of the checkpoint that `latest` points at, if it points at one.
fn named_latest(run: &RunDir) -> Option<PathBuf> {
    let latest = run.latest_checkpoint();
    fs::read_link(&latest).ok().or_else(|| {
        let name = PathBuf::from(fs::read_to_string(&latest).ok()?);
        // A step's name and nothing else: whatever else a file holds, this crate did not write it.
        (step_of(&name).is_some() && name.components().count() == 1).then_some(name)
    })
}

/// The checkpoint that a run goes on from: the one that `latest` names, else the newest whole one;
/// none where nothing was saved.
///
/// # Errors
/// [`RlError::Checkpoint`] if `latest` names one that is missing, or is no link.
pub fn newest(run: &RunDir) -> Result<Option<PathBuf>, RlError> {
    let latest = run.latest_checkpoint();
    let refuse = |message: &str| {
        Err(RlError::Checkpoint {
            path: latest.clone(),
            message: message.into(),
        })
    };
    if let Some(name) = named_latest(run) {
        let named = run.checkpoints_dir().join(name);
        return match (named.is_dir(), latest.is_symlink()) {
            (true, true) => Ok(Some(latest)),
            (true, false) => Ok(Some(named)),
            (false, _) => refuse("names a checkpoint that is missing, expected a whole one"),
        };
    }
    if latest.exists() {
        return refuse(
            "found a file or directory, expected a link, which copies and archives may lose: \
             remove it, and the run goes on from the newest step beside it",
        );
    }
    let whole = list(&run.checkpoints_dir())?.into_iter();
    let whole = whole.filter(|dir| dir.extension().is_none() && dir.join(STATE).is_file());
    Ok(whole
        .filter(|dir| step_of(dir).is_some())
        .max_by_key(|dir| step_of(dir)))
}

/// The state and the directory of the checkpoint that a run of this seed goes on from, if there is
/// one.
///
/// # Errors
/// A checkpoint that cannot be used, or is of another seed.
pub fn last(run: &RunDir, seed: u64) -> Result<Option<(TrainerState, PathBuf)>, RlError> {
    let Some(latest) = newest(run)? else {
        return Ok(None);
    };
    let state = TrainerState::read(&latest)?;
    if state.seed != seed {
        return Err(RlError::Config(format!(
            "--resume: seed is {seed}, but the checkpoint was trained with {}",
            state.seed
        )));
    }
    Ok(Some((state, latest)))
}

/// Whether `latest` names the checkpoint `dir`, which is then whole.
fn is_latest(run: &RunDir, dir: &Path) -> bool {
    let named = named_latest(run);
    dir.is_dir() && named.is_some_and(|name| dir.file_name() == Some(name.as_os_str()))
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
    whole.iter().try_for_each(|(_, path)| remove(path))
}

fn remove(dir: &Path) -> Result<(), RlError> {
    fs::remove_dir_all(dir).map_err(|e| RlError::io(dir, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run with checkpoint directories of these names, the newest of which is `latest`.
    fn run(names: &[&str], latest: &str) -> (tempfile::TempDir, RunDir) {
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

    /// As it is where the file system has no symbolic links.
    #[test]
    fn a_file_that_holds_the_name_points_at_it_too() {
        let (_dir, run) = run(&["step_000002", "step_000004"], "step_000004");
        fs::remove_file(run.latest_checkpoint()).unwrap();
        fs::write(run.latest_checkpoint(), "step_000002").unwrap();
        assert!(is_latest(&run, &run.checkpoint(2)));
        assert_eq!(newest(&run).unwrap(), Some(run.checkpoint(2)));
        for other in ["", "step_000002/..", "something else"] {
            fs::write(run.latest_checkpoint(), other).unwrap();
            assert!(newest(&run).is_err(), "{other}");
        }
    }

    #[test]
    fn only_a_checkpoint_that_is_named_and_there_is_the_latest() {
        let (_dir, run) = run(&["step_000002", "step_000004"], "step_000004");
        assert!(is_latest(&run, &run.checkpoint(4)));
        assert!(!is_latest(&run, &run.checkpoint(2)));
        fs::remove_dir(run.checkpoint(4)).unwrap();
        assert!(!is_latest(&run, &run.checkpoint(4)));
    }
}
