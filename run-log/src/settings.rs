//! With which settings the steps of a run were made.
//!
//! `config.toml` holds those that the run goes on with. When a continuation changes them, the ones
//! before stay beside it as `config_until_000120.toml`, named after the last step made with them.

use std::fs;
use std::path::PathBuf;

use crate::error::LogError;
use crate::files::list;
use crate::run_dir::RunDir;

const PREFIX: &str = "config_until_";

/// Prepares for other settings after step `done`: where `config.toml` has been that of any step,
/// it is copied to `config_until_<done>.toml`, unless earlier settings reach up to that step. What
/// was kept for later steps, which are made again, is dropped.
///
/// # Errors
/// [`LogError::Io`].
pub fn keep_until(run: &RunDir, done: u64, changed: bool) -> Result<(), LogError> {
    let mut made_with = None;
    for (step, file) in kept(run)? {
        if step < done {
            continue;
        }
        // The first that reaches `done` is the one that it was made with.
        match made_with {
            None => made_with = Some(file),
            Some(_) => fs::remove_file(&file).map_err(|e| LogError::io(&file, e))?,
        }
    }
    let at = path(run, done);
    match made_with {
        Some(file) if done == 0 => fs::remove_file(&file).map_err(|e| LogError::io(&file, e)),
        Some(file) if file == at => Ok(()),
        Some(file) => fs::rename(&file, &at).map_err(|e| LogError::io(&file, e)),
        None if changed && done > 0 => {
            let config = run.config();
            fs::copy(&config, &at).map_err(|e| LogError::io(&config, e))?;
            Ok(())
        }
        None => Ok(()),
    }
}

/// The file of the settings that `step` was made with.
///
/// # Errors
/// [`LogError::Io`].
pub fn of_step(run: &RunDir, step: u64) -> Result<PathBuf, LogError> {
    let mut kept = kept(run)?.into_iter();
    let found = kept.find(|(until, _)| *until >= step);
    Ok(found.map_or_else(|| run.config(), |(_, file)| file))
}

fn path(run: &RunDir, step: u64) -> PathBuf {
    run.root().join(format!("{PREFIX}{step:06}.toml"))
}

/// Settings that were changed, by the last step made with them.
fn kept(run: &RunDir) -> Result<Vec<(u64, PathBuf)>, LogError> {
    let step = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix(PREFIX)?
            .strip_suffix(".toml")?
            .parse()
            .ok()
    };
    let files = list(run.root())?.into_iter();
    let mut found: Vec<(u64, PathBuf)> = files.filter_map(|f| Some((step(&f)?, f))).collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_the_settings_it_was_made_with() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run")).unwrap();
        let now = |text: &str| fs::write(run.config(), text).unwrap();
        let of = |step| fs::read_to_string(of_step(&run, step).unwrap()).unwrap();
        let all = |steps: u64| (1..=steps).map(of).collect::<String>();
        now("a");
        // Nothing was made with them.
        keep_until(&run, 0, true).unwrap();
        now("b");
        assert_eq!(all(3), "bbb");
        // Three steps with b, then two with c, the same as before for one more.
        keep_until(&run, 3, true).unwrap();
        now("c");
        keep_until(&run, 5, false).unwrap();
        assert_eq!(all(6), "bbbccc");
        keep_until(&run, 6, true).unwrap();
        // Changed twice with no step between.
        now("x");
        keep_until(&run, 6, true).unwrap();
        now("d");
        assert_eq!(all(8), "bbbcccdd");
        // Back to step 4, which is made of c again.
        keep_until(&run, 4, false).unwrap();
        assert_eq!(all(8), "bbbcdddd");
        keep_until(&run, 2, true).unwrap();
        now("e");
        assert_eq!(all(4), "bbee");
        keep_until(&run, 0, true).unwrap();
        now("f");
        assert_eq!(all(2), "ff");
    }
}
