//! What a run that goes on another way leaves behind.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::error::LogError;
use crate::files::{list, read_text, write_atomic};
use crate::run_dir::{RunDir, by_step, step_name};

/// Copies what belongs to steps after `step` (completions, evaluations, lines of `metrics.jsonl`) to
/// the first free one of `superseded/step_000050`, `superseded/step_000050-2`, …: a continuation with
/// other settings will not make it again. Gives the directory; none where there is nothing to keep.
///
/// # Errors
/// [`LogError::Io`].
pub fn keep_after(run: &RunDir, step: u64) -> Result<Option<PathBuf>, LogError> {
    let is_later = |line: &&str| {
        let line: Option<Value> = serde_json::from_str(line).ok();
        line.is_some_and(|line| line["step"].as_u64().is_some_and(|found| found > step))
    };
    let metrics = read_text(&run.metrics())?.unwrap_or_default();
    let lines: Vec<&str> = metrics.lines().filter(is_later).collect();
    let mut dirs = vec![run.rollouts_dir()];
    dirs.extend(
        list(&run.eval_dir())?
            .into_iter()
            .filter(|dir| dir.is_dir()),
    );
    let mut files = vec![];
    for dir in dirs {
        let later = by_step(&dir, "jsonl")?.into_iter();
        files.extend(
            later
                .filter(|(found, _)| *found > step)
                .map(|(_, file)| file),
        );
    }
    if lines.is_empty() && files.is_empty() {
        return Ok(None);
    }
    let parent = run.root().join("superseded");
    let mut number = 1;
    let kept = loop {
        let name = match number {
            1 => step_name(step),
            n => format!("{}-{n}", step_name(step)),
        };
        match parent.join(name) {
            taken if taken.exists() => number += 1,
            free => break free,
        }
    };
    for file in files {
        let inside = file.strip_prefix(run.root()).unwrap_or(&file);
        let to = kept.join(inside);
        let dir = to.parent().unwrap_or(&kept);
        fs::create_dir_all(dir).map_err(|e| LogError::io(dir, e))?;
        fs::copy(&file, &to).map_err(|e| LogError::io(&to, e))?;
    }
    let mut text = lines.join("\n");
    text.push('\n');
    write_atomic(&kept.join("metrics.jsonl"), text.as_bytes())?;
    Ok(Some(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_steps_are_copied_and_earlier_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run")).unwrap();
        let lines = "{\"step\":1,\"a\":1.0}\n{\"step\":2,\"a\":2.0}\n{\"step\":3,\"a\":3.0}\n{\"st";
        fs::write(run.metrics(), lines).unwrap();
        for step in 1..=3 {
            write_atomic(&run.rollouts(step), b"r").unwrap();
        }
        write_atomic(&run.eval("held out", 3), b"e").unwrap();
        assert_eq!(keep_after(&run, 3).unwrap(), None);
        let kept = keep_after(&run, 1).unwrap().unwrap();
        assert!(kept.ends_with("superseded/step_000001"));
        let metrics = fs::read_to_string(kept.join("metrics.jsonl")).unwrap();
        assert_eq!(metrics, "{\"step\":2,\"a\":2.0}\n{\"step\":3,\"a\":3.0}\n");
        assert_eq!(list(&kept.join("rollouts")).unwrap().len(), 2);
        assert!(kept.join("eval/held_out/step_000003.jsonl").exists());
        assert!(run.rollouts(2).exists(), "the run itself is left as it is");
        let again = keep_after(&run, 1).unwrap().unwrap();
        assert!(again.ends_with("superseded/step_000001-2"));
    }
}
