//! The checkpoint that a run goes on from.

use super::{TrainerState, checksums, state::STATE};
use crate::{
    error::RlError,
    run_dir::{RunDir, by_step, step_of},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A checkpoint that a run can go on from.
#[derive(Debug)]
pub struct Found {
    /// Its directory.
    pub dir: PathBuf,
    /// Where the run stood.
    pub state: TrainerState,
    /// Newer ones that are damaged, each with what is wrong.
    pub damaged: Vec<String>,
}

/// The newest whole checkpoint of a run of this seed: the one that `latest` names, else, if that is
/// damaged or nothing is named, the newest beside it. None where nothing was ever saved.
///
/// # Errors
/// [`RlError::Checkpoint`] where something was saved and nothing whole is left, or `latest` is no
/// link; [`RlError::Config`] where the checkpoint is of another seed.
pub fn last(run: &RunDir, seed: u64) -> Result<Option<Found>, RlError> {
    let mut damaged = vec![];
    let mut first_broken = None;
    for dir in candidates(run)? {
        if let Some(problem) = checksums::damage(&dir) {
            damaged.push(format!("{}: {problem}", dir.display()));
            first_broken.get_or_insert((dir, problem));
            continue;
        }
        let found = at(&dir, seed)?;
        return Ok(Some(Found { damaged, ..found }));
    }
    let refuse = |path: PathBuf, message: String| Err(RlError::Checkpoint { path, message });
    match (first_broken, run.saved_step()?) {
        (Some((dir, problem)), _) => refuse(
            dir,
            format!(
                "{problem}, and there is no other checkpoint to go on from: start anew in another \
                 --run-dir (where its weights are whole, with model.path at it)"
            ),
        ),
        (None, Some(step)) => refuse(
            run.checkpoints_dir(),
            format!(
                "there is no checkpoint, but step {step} was saved here: bring it back (is a disk \
                 not mounted?), or start anew in another --run-dir"
            ),
        ),
        (None, None) => Ok(None),
    }
}

/// The checkpoint in a directory.
///
/// # Errors
/// One that is damaged, or of another seed.
pub fn at(dir: &Path, seed: u64) -> Result<Found, RlError> {
    if let Some(message) = checksums::damage(dir) {
        let path = dir.into();
        return Err(RlError::Checkpoint { path, message });
    }
    let state = TrainerState::read(dir)?;
    if state.seed != seed {
        return Err(RlError::Config(format!(
            "seed is {seed}, but the checkpoint {} was trained with {}",
            dir.display(),
            state.seed
        )));
    }
    Ok(Found {
        dir: dir.into(),
        state,
        damaged: vec![],
    })
}

/// Checkpoints in the order in which they are tried.
fn candidates(run: &RunDir) -> Result<Vec<PathBuf>, RlError> {
    let named = latest(run)?;
    let step = named.as_deref().and_then(step_of);
    let beside = by_step(&run.checkpoints_dir(), "")?.into_iter().rev();
    let beside = beside
        .filter(|(_, dir)| dir.join(STATE).is_file())
        // Later ones belong to a way that the run has left.
        .filter(|(found, _)| step.is_none_or(|step| *found < step))
        .map(|(_, dir)| dir);
    Ok(named.into_iter().chain(beside).collect())
}

/// The checkpoint that `latest` names, if there is such a link; it may be gone.
fn latest(run: &RunDir) -> Result<Option<PathBuf>, RlError> {
    let latest = run.latest_checkpoint();
    let refuse = |message: &str| {
        Err(RlError::Checkpoint {
            path: latest.clone(),
            message: message.into(),
        })
    };
    if let Some(name) = named_latest(run) {
        let named = run.checkpoints_dir().join(name);
        return Ok(Some(named));
    }
    match latest.exists() {
        false => Ok(None),
        true => refuse(
            "found a file or directory, expected a link, which copies and archives may lose: \
             remove it, and the run goes on from the newest step beside it",
        ),
    }
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

/// Whether `latest` names the checkpoint `dir`, which is then whole.
pub(super) fn is_latest(run: &RunDir, dir: &Path) -> bool {
    let named = named_latest(run);
    dir.is_dir() && named.is_some_and(|name| dir.file_name() == Some(name.as_os_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::tests::run;

    /// As it is where the file system has no symbolic links.
    #[test]
    fn a_file_that_holds_the_name_points_at_it_too() {
        let (_dir, run) = run(&["step_000002", "step_000004"], "step_000004");
        fs::remove_file(run.latest_checkpoint()).unwrap();
        fs::write(run.latest_checkpoint(), "step_000002").unwrap();
        assert!(is_latest(&run, &run.checkpoint(2)));
        assert_eq!(latest(&run).unwrap(), Some(run.checkpoint(2)));
        for other in ["", "step_000002/..", "something else"] {
            fs::write(run.latest_checkpoint(), other).unwrap();
            assert!(latest(&run).is_err(), "{other}");
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
